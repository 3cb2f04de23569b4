use super::*;

fn wall() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap()
}

#[track_caller]
fn check(body: &str, state: EventState, id: &str) -> NewEvent {
    let event = receive(body.as_bytes(), wall(), false);
    assert_eq!((event.state, event.id.as_str()), (state, id), "{body}: {:?}", event.note);
    assert_eq!(event.body, body.as_bytes());
    assert_eq!(event.note.is_some(), state != EventState::Pending);
    event
}

const SUBSCRIPTION: &str = r#"{"id":"evt_1","object":"event","api_version":"2025-10-29.clover",
    "created":1762799191,"livemode":false,"type":"customer.subscription.created",
    "data":{"object":{"id":"sub_1","metadata":{"odd":"\u0000"}}},"pending_webhooks":1}"#;

#[test]
fn an_event_of_use_is_pending() {
    let event = check(SUBSCRIPTION, EventState::Pending, "evt_1");
    assert_eq!(event.kind, "customer.subscription.created");
    assert_eq!(event.created.unwrap().timestamp(), 1_762_799_191);
    assert_eq!(event.api_version.as_deref(), Some("2025-10-29.clover"));
    assert_eq!(event.livemode, Some(false));
}

#[test]
fn an_event_that_leaves_out_what_it_may_is_pending() {
    for body in [
        r#"{"id":"evt_1","type":"invoice.paid"}"#,
        r#"{"id":"evt_1","type":"invoice.paid","object":null,"created":null,"livemode":null,
            "api_version":null,"data":null,"related_object":null}"#,
        r#"{"id":"evt_1","type":"invoice.paid","created":1762799191.0,"data":{"object":null}}"#,
        r#"{"id":"evt_1","type":"invoice.paid","object":"event","data":{}}"#,
    ] {
        check(body, EventState::Pending, "evt_1");
    }
}

#[test]
fn a_thin_event_names_its_object_and_writes_its_time_as_text() {
    let body = r#"{"id":"evt_test_1","object":"v2.core.event","created":"2026-10-01T12:00:00.250Z",
        "type":"v1.customer.subscription.updated","livemode":false,
        "related_object":{"id":"sub_9","type":"subscription","url":"/v1/subscriptions/sub_9"}}"#;
    let event = check(body, EventState::Pending, "evt_test_1");
    assert_eq!(event.created.unwrap().timestamp_millis(), 1_790_856_000_250);
    let envelope = Envelope::read(body.as_bytes()).unwrap();
    let Content::Thin { related } = envelope.content else { panic!("{envelope:?}") };
    assert_eq!(related.as_deref(), Some("sub_9"));
}

#[test]
fn an_event_without_use_or_of_the_other_mode_is_ignored() {
    let unknown = r#"{"id":"evt_x","object":"event","type":"a.b.c","data":{}}"#;
    check(unknown, EventState::Ignored, "evt_x");
    let live = SUBSCRIPTION.replace("\"livemode\":false", "\"livemode\":true");
    check(&live, EventState::Ignored, "evt_1");
    assert_eq!(receive(live.as_bytes(), wall(), true).state, EventState::Pending);
    assert_eq!(receive(SUBSCRIPTION.as_bytes(), wall(), true).state, EventState::Ignored);
}

#[test]
fn a_body_that_is_no_event_is_parked_under_its_hash() {
    let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    check("", EventState::Parked, empty);
    let brackets = "sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945";
    check("[]", EventState::Parked, brackets);
    for body in [
        "not json",
        "{}",
        r#"{"id":"evt_1"}"#,
        r#"{"id":"","type":"invoice.paid"}"#,
        r#"{"id":7,"type":"invoice.paid"}"#,
        r#"{"id":"evt\u0000","type":"invoice.paid"}"#,
        r#"{"id":"evt_1","type":"invoice.paid\u0000"}"#,
        r#"{"id":"evt_1","type":"invoice paid"}"#,
        r#"{"id":"evt_1","type":"invoice.paid","object":"customer"}"#,
        r#"{"id":"evt_1","type":"invoice.paid","created":"yesterday"}"#,
        r#"{"id":"evt_1","type":"invoice.paid","created":99999999999999}"#,
        r#"{"id":"evt_1","type":"invoice.paid","created":1.5}"#,
        r#"{"id":"evt_1","id":"evt_2","type":"invoice.paid"}"#,
        r#"{"id":"evt_1","type":"invoice.paid"} x"#,
    ] {
        let event = receive(body.as_bytes(), wall(), false);
        assert_eq!(event.state, EventState::Parked, "{body}");
        assert!(event.id.starts_with("sha256:") && event.id.len() == 71, "{}", event.id);
        assert_eq!(event.kind, "");
    }
}

#[test]
fn a_body_that_is_not_text_or_nests_without_end_is_parked() {
    for body in [vec![0xff, 0x00, 0xfe], vec![b'['; 200_000], b"{\"id\":\"\xff\"}".to_vec()] {
        let event = receive(&body, wall(), false);
        assert_eq!((event.state, &event.body), (EventState::Parked, &body));
    }
}

#[test]
fn what_is_wrong_is_said_without_quoting_the_body() {
    let event = receive(br#"{"id":"evt_1","type":["ann@example.com"]}"#, wall(), false);
    let note = event.note.unwrap();
    assert!(!note.contains("ann@example.com"), "{note}");
}
