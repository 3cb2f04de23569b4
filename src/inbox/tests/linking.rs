//! Which workspace an event belongs to, and what it waits for.

use super::*;

#[tokio::test]
async fn a_customer_is_linked_by_metadata_and_the_workspace_comes_first() {
    for (metadata, workspace) in [
        (json!({ "workspace": "team" }), "team"),
        (json!({ "account": "ann" }), "team"),
        (json!({ "workspace": "other", "account": "ann" }), "other"),
    ] {
        let scene = Scene::new().with("ann", "team").with("bob", "other");
        assert_eq!(scene.tell(created(metadata.clone())).await, DONE, "{metadata}");
        assert_eq!(scene.observed().0, home(workspace), "{metadata}");
        assert_eq!(scene.linked("cus_1").as_deref(), Some(workspace));
    }
}

#[tokio::test]
async fn what_is_not_known_is_waited_for_by_name() {
    for (metadata, on) in [
        (json!({}), "customer:cus_1"),
        (json!({ "workspace": "team" }), "workspace:team"),
        (json!({ "account": "ann" }), "account:ann"),
        (json!({ "workspace": "bobs", "account": "ann" }), "account:ann"),
        (json!({ "account": "nobody can be this" }), "customer:cus_1"),
    ] {
        let scene = Scene::new().with("bob", "bobs");
        assert_eq!(scene.tell(created(metadata.clone())).await, waiting(on), "{metadata}");
        assert!(scene.applied().is_empty());
        assert_eq!(scene.alerts("event_waits"), 1);
        assert_eq!(
            scene.alerts("link_unusable"),
            u64::from(on.starts_with("customer") && metadata != json!({}))
        );
    }
}

#[tokio::test]
async fn a_linked_customers_unknown_buyer_is_waited_for() {
    let scene = Scene::new().with("bob", "team").with_customer("cus_1", "team");
    let told = scene.tell(created(json!({ "account": "ann" }))).await;
    assert_eq!(told, waiting("account:ann"));
    scene.store.put_account("ann", "team");
    assert_eq!(scene.store.release_events("account:ann").await.unwrap(), 1);
    scene.drain().await;
    assert_eq!(scene.state("evt_1"), DONE);
    assert_eq!(scene.observed().1.buyer, Some("ann".into()));
}

#[tokio::test]
async fn what_becomes_known_just_before_the_event_is_marked_is_not_missed() {
    let scene = Scene::new();
    scene.store.known().known_late = Some(("ann".into(), "team".into()));
    assert_eq!(scene.tell(created(json!({ "account": "ann" }))).await, DONE);
    assert_eq!(scene.observed().0, home("team"));
    assert_eq!(scene.alerts("event_waits"), 0);
}

#[tokio::test]
async fn a_first_link_stays_and_a_differing_one_is_alerted() {
    let scene =
        Scene::new().with("ann", "team").with("bob", "other").with_customer("cus_1", "team");
    assert_eq!(scene.tell(created(json!({ "workspace": "other" }))).await, DONE);
    assert_eq!(scene.observed().0, home("team"));
    assert_eq!(scene.alerts("link_differs"), 1);
    assert_eq!(scene.tell(checkout("evt_2", Some("bob"), json!({}))).await, DONE);
    assert_eq!(scene.alerts("link_differs"), 2);
    assert_eq!(scene.linked("cus_1").as_deref(), Some("team"));
}

#[tokio::test]
async fn r12_a_buyer_of_another_workspace_is_ignored_and_alerted() {
    let scene =
        Scene::new().with("ann", "team").with("bob", "other").with_customer("cus_1", "team");
    assert_eq!(scene.tell(created(json!({ "account": "bob" }))).await, DONE);
    assert_eq!(scene.observed().1.buyer, None);
    assert_eq!(scene.alerts("buyer_elsewhere"), 1);
}

#[tokio::test]
async fn a_known_subscription_stays_in_its_workspace_whatever_is_linked_or_named() {
    let scene = Scene::new().with("bob", "other").with_customer("cus_1", "other");
    scene.store.known().subscriptions.insert("sub_1".into(), "team".into());
    let metadata = json!({ "workspace": "nowhere", "account": "nobody" });
    assert_eq!(scene.tell(created(metadata)).await, DONE);
    let (place, snapshot) = scene.observed();
    assert_eq!((place, snapshot.buyer), (home("team"), None));
    assert_eq!(scene.alerts("buyer_unknown"), 1);
}

#[tokio::test]
async fn a_checkout_links_its_customer_and_releases_what_waits() {
    let scene = Scene::new().with("ann", "team");
    assert_eq!(scene.tell(created(json!({}))).await, waiting("customer:cus_1"));
    assert_eq!(scene.tell(checkout("evt_2", Some("ann"), json!({}))).await, DONE);
    assert_eq!(scene.state("evt_1"), DONE);
    assert_eq!(scene.observed().0, home("team"));
}

#[tokio::test]
async fn a_checkouts_reference_is_an_account_or_a_workspace_and_comes_last() {
    for (reference, metadata, expected) in [
        (Some("ann"), json!({}), Some("team")),
        (Some("team"), json!({}), Some("team")),
        (Some("ann"), json!({ "workspace": "other" }), Some("other")),
        (Some("ann"), json!({ "account": "bob" }), Some("other")),
        (None, json!({ "workspace": "other" }), Some("other")),
        (None, json!({}), None),
        (Some("not an id"), json!({}), None),
    ] {
        let scene = Scene::new().with("ann", "team").with("bob", "other");
        assert_eq!(scene.tell(checkout("evt_1", reference, metadata.clone())).await, DONE);
        let linked = scene.linked("cus_1");
        assert_eq!(linked.as_deref(), expected, "{reference:?} {metadata}");
        assert!(scene.applied().is_empty(), "a checkout grants nothing");
    }
}

#[tokio::test]
async fn a_checkout_that_names_somebody_unknown_waits() {
    let scene = Scene::new();
    let told = scene.tell(checkout("evt_1", Some("team"), json!({}))).await;
    assert_eq!(told, waiting("account:team"));
    // The reference may be a workspace; an account in it makes it known.
    scene.store.put_account("ann", "team");
    for known in crate::stripe::links::made_known_by_account(&"ann".into(), &"team".into()) {
        scene.store.release_events(&known.to_string()).await.unwrap();
    }
    scene.drain().await;
    assert_eq!(scene.state("evt_1"), DONE);
    assert_eq!(scene.linked("cus_1").as_deref(), Some("team"));
}

#[tokio::test]
async fn a_customers_metadata_links_it() {
    let scene = Scene::new().with("ann", "team");
    let customer = json!({ "id": "cus_1", "object": "customer", "metadata": { "account": "ann" } });
    assert_eq!(scene.tell(event("evt_1", "customer.updated", customer)).await, DONE);
    assert_eq!(scene.linked("cus_1").as_deref(), Some("team"));
    let plain = json!({ "id": "cus_2", "object": "customer", "metadata": {} });
    assert_eq!(scene.tell(event("evt_2", "customer.updated", plain)).await, DONE);
    assert_eq!(scene.linked("cus_2"), None);
}
