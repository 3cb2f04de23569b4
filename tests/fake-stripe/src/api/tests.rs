use super::*;
use crate::Settings;
use crate::object::{Card, Recurring};
use crate::request::{NewPrice, NewSubscription};

/// An account with so many subscriptions of one customer.
fn account(count: usize) -> (Account, Vec<String>) {
    let mut stripe = Stripe::new(Settings::default());
    stripe.create_price(NewPrice::recurring("month", 2_000, Recurring::MONTHLY)).unwrap();
    let customer = stripe.customer_with(Card::Pays, &[]).id.clone();
    let new = || NewSubscription::of(&customer, "month", 1);
    let ids = (0..count).map(|_| stripe.create_subscription(new()).unwrap().id.clone()).collect();
    (Account::new(stripe, Vec::new()), ids)
}

fn get(account: &mut Account, path: &str, query: &str) -> Answer {
    account.answer(&Request::get(path, query))
}

fn post(account: &mut Account, path: &str, body: &str) -> Answer {
    account.answer(&Request::post(path, body))
}

fn ids(answer: &Answer) -> (Vec<&str>, bool) {
    let data = answer.body["data"].as_array().unwrap();
    let ids = data.iter().map(|object| object["id"].as_str().unwrap()).collect();
    (ids, answer.body["has_more"] == true)
}

#[test]
fn pages_go_on_in_both_directions() {
    let (mut account, made) = account(5);
    let newest_first: Vec<_> = made.iter().rev().map(String::as_str).collect();
    for (query, expected, has_more) in [
        ("limit=2".to_owned(), 0..2, true),
        (format!("limit=2&starting_after={}", newest_first[1]), 2..4, true),
        (format!("limit=2&starting_after={}", newest_first[3]), 4..5, false),
        (format!("limit=2&ending_before={}", newest_first[4]), 2..4, true),
        (format!("limit=2&ending_before={}", newest_first[2]), 0..2, false),
        (format!("limit=2&ending_before={}", newest_first[0]), 0..0, false),
        ("limit=100".to_owned(), 0..5, false),
    ] {
        let answer = get(&mut account, "/v1/subscriptions", &query);
        assert_eq!(ids(&answer), (newest_first[expected].to_vec(), has_more), "{query}");
    }
}

#[test]
fn lists_are_narrowed() {
    let (mut account, made) = account(3);
    account.stripe.cancel_subscription(&made[0], Default::default()).unwrap();
    for (query, expected) in [
        ("", vec![2, 1]),
        ("status=all", vec![2, 1, 0]),
        ("status=canceled", vec![0]),
        ("status=ended", vec![0]),
        ("status=past_due", vec![]),
        ("status=all&price=month", vec![2, 1, 0]),
        ("status=all&price=other", vec![]),
        ("status=all&created[lt]=1767225600", vec![]),
        ("status=all&created[lte]=1767225600", vec![2, 1, 0]),
    ] {
        let answer = get(&mut account, "/v1/subscriptions", query);
        let expected: Vec<_> =
            expected.into_iter().map(|place: usize| made[place].as_str()).collect();
        assert_eq!(ids(&answer).0, expected, "{query}");
    }
}

#[test]
fn events_are_listed_for_30_days_in_the_accounts_version() {
    let (mut account, made) = account(1);
    let types = "types[]=customer.subscription.created&types[]=customer.created";
    let answer = account.answer(&Request {
        version: Some("2020-08-27".into()),
        ..Request::get("/v1/events", types)
    });
    let kinds: Vec<_> =
        answer.body["data"].as_array().unwrap().iter().map(|event| &event["type"]).collect();
    assert_eq!(kinds, ["customer.subscription.created", "customer.created"]);
    assert_eq!(answer.body["data"][0]["api_version"], crate::version::CURRENT);
    let event = answer.body["data"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(get(&mut account, &format!("/v1/events/{event}"), "").status, 200);
    assert_eq!(get(&mut account, "/v1/events", "delivery_success=true").body["data"], json!([]));
    account.stripe.mark_delivered(&event);
    assert_eq!(ids(&get(&mut account, "/v1/events", "delivery_success=true")).0, [event.as_str()]);
    account.stripe.advance(chrono::TimeDelta::days(31));
    let gone = get(&mut account, "/v1/events", &format!("ending_before={event}"));
    assert_eq!((gone.status, &gone.body["error"]["code"]), (400, &json!("resource_missing")));
    assert_eq!(get(&mut account, &format!("/v1/subscriptions/{}", made[0]), "").status, 200);
}

#[test]
fn an_object_is_rendered_in_the_version_that_is_asked_for() {
    let (mut account, made) = account(1);
    let mut request = Request::get(&format!("/v1/subscriptions/{}", made[0]), "");
    assert!(account.answer(&request).body.get("current_period_end").is_none());
    request.version = Some("2024-06-20".into());
    let answer = account.answer(&request);
    assert!(answer.body.get("current_period_end").is_some());
    assert_eq!(answer.version.as_str(), "2024-06-20");
}

#[test]
fn expansions_reach_into_lists() {
    let (mut account, made) = account(1);
    let path = format!("/v1/subscriptions/{}", made[0]);
    let query = "expand[]=customer&expand[]=latest_invoice&expand[]=items.data.price.product\
                 &expand[]=schedule&expand[]=nothing.at.all";
    let body = get(&mut account, &path, query).body;
    assert_eq!(body["customer"]["object"], "customer");
    assert_eq!(body["latest_invoice"]["object"], "invoice");
    assert_eq!(body["items"]["data"][0]["price"]["product"]["object"], "product");
    let body = get(&mut account, "/v1/subscriptions", "expand[]=data.customer").body;
    assert_eq!(body["data"][0]["customer"]["object"], "customer");
}

#[test]
fn refusals_have_stripes_shape() {
    let (mut account, made) = account(1);
    let sub = format!("/v1/subscriptions/{}", made[0]);
    for (request, status, code, param) in [
        (Request::get("/v1/subscriptions/sub_no", ""), 404, "resource_missing", "id"),
        (Request::get("/v1/subscriptions", "limit=0"), 400, "", "limit"),
        (Request::get("/v1/subscriptions", "status=odd"), 400, "", "status"),
        (Request::get("/v1/subscriptions", "colour=red"), 400, "parameter_unknown", "colour"),
        (Request::get("/v1/nothing", ""), 404, "", ""),
        (Request::get("/v2/nothing", ""), 404, "", ""),
        (
            Request::post("/v1/subscriptions", "items[0][price]=month"),
            400,
            "parameter_missing",
            "customer",
        ),
        (Request::post(&sub, "items[0][size]=3"), 400, "parameter_unknown", "items[0][size]"),
        (Request::post(&sub, "trial_end=soon"), 400, "parameter_invalid_integer", "trial_end"),
        (Request::post(&sub, "proration_behavior=perhaps"), 400, "", "proration_behavior"),
    ] {
        let answer = account.answer(&request);
        let error = &answer.body["error"];
        let found = (answer.status, error["code"].as_str(), error["param"].as_str());
        let expected = (
            status,
            Some(code).filter(|code| !code.is_empty()),
            Some(param).filter(|param| !param.is_empty()),
        );
        assert_eq!(found, expected, "{request:?}");
        assert!(error["message"].is_string() && error["type"] == "invalid_request_error");
    }
}

#[test]
fn a_key_opens_only_its_account() {
    let (mut account, _) = account(1);
    account.keys = vec!["sk_test_good".into()];
    for (key, status) in [(None, 401), (Some("sk_test_bad"), 401), (Some("sk_test_good"), 200)] {
        let key = key.map(str::to_owned);
        let answer = account.answer(&Request { key, ..Request::get("/v1/customers", "") });
        assert_eq!(answer.status, status);
    }
}

#[test]
fn an_idempotency_key_repeats_its_answer_and_takes_no_other_request() {
    let (mut account, _) = account(0);
    let request = |name: &str| Request {
        idempotency_key: Some("key-1".into()),
        ..Request::post("/v1/products", &format!("name={name}"))
    };
    let first = account.answer(&request("a"));
    let again = account.answer(&request("a"));
    assert_eq!(
        (again.body.clone(), first.is_replayed, again.is_replayed),
        (first.body, false, true)
    );
    let other = account.answer(&request("b"));
    assert_eq!((other.status, &other.body["error"]["type"]), (400, &json!("idempotency_error")));
    let event = account.stripe.events().iter().next_back().unwrap();
    assert_eq!(event.request.as_deref(), Some("key-1"));
}

#[test]
fn forms_reach_the_model() {
    let (mut account, _) = account(0);
    let customer = account.stripe.customers().iter().next().unwrap().id.clone();
    let form = format!(
        "customer={customer}&items[0][price]=month&items[0][quantity]=3&metadata[account]=ann\
         &billing_cycle_anchor_config[day_of_month]=31&cancel_at=max_period_end\
         &trial_settings[end_behavior][missing_payment_method]=pause"
    );
    let body = post(&mut account, "/v1/subscriptions", &form).body;
    let sub = account.stripe.subscription(body["id"].as_str().unwrap()).unwrap();
    assert_eq!(sub.items[0].quantity, Some(3));
    assert_eq!(sub.metadata.get("account").map(String::as_str), Some("ann"));
    assert_eq!(sub.anchor_config.map(|config| config.day_of_month), Some(31));
    assert_eq!(sub.cancel_at, sub.period_end());
    assert_eq!(sub.missing_payment.as_str(), "pause");
}
