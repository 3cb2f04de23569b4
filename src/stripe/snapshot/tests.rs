use super::*;
use serde_json::Value;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/stripe");

/// 2026-01-31T13:02:03Z, when the fixtures' subscription began, and the same time on 28 February.
const BEGAN: i64 = 1_769_864_523;
const FEBRUARY: i64 = 1_772_283_723;
const DAY: i64 = 86_400;

fn second(at: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(at, 0).unwrap()
}

fn fixture(name: &str) -> String {
    std::fs::read_to_string(format!("{FIXTURES}/{name}.json")).unwrap()
}

fn prices(price: &PriceRef<'_>) -> Option<PlanId> {
    let named = ["price_builder", "price_tokens", "price_weekly"].contains(&price.id);
    let keyed = price.lookup_key == Some("builder_yearly");
    (named || keyed).then(|| PlanId::from("builder"))
}

fn snapshot_of(json: &str) -> Snapshot {
    let read = Subscription::read(json).unwrap_or_else(|cause| panic!("{cause}: {json}"));
    read.snapshot(&prices, None, second(BEGAN), Source::Fetched).unwrap()
}

fn snapshot(name: &str) -> Snapshot {
    snapshot_of(&fixture(name))
}

fn builder(id: &str, quantity: u32) -> SnapshotItem {
    item(id, ItemPlan::Plan(PlanId::from("builder")), quantity)
}

fn item(id: &str, plan: ItemPlan, quantity: u32) -> SnapshotItem {
    SnapshotItem { id: id.into(), plan, quantity }
}

/// What every fixture has in common, with what this one says differently.
#[track_caller]
fn check(name: &str, differs: impl FnOnce(&mut Snapshot)) {
    let mut expected = Snapshot {
        subscription: "sub_fixture".into(),
        customer: "cus_fixture".into(),
        buyer: None,
        status: Some(Status::Active),
        items: vec![builder("si_fixture", 1)],
        timeline: Timeline::new(second(BEGAN), second(BEGAN)),
        trial_end: None,
        cancel_at: None,
        created: second(BEGAN),
        source: Source::Fetched,
    };
    differs(&mut expected);
    assert_eq!(snapshot(name), expected, "{name}");
}

#[test]
fn every_api_version_is_understood() {
    check("2017-08-15.subscription.active", |_| {});
    check("2017-08-15.subscription.top_level_plan", |s| {
        s.items = vec![builder("", 3)];
        s.cancel_at = Some(second(FEBRUARY));
    });
    check("2020-08-27.subscription.active", |_| {});
    check("2020-08-27.subscription.expanded", |_| {});
    check("2020-08-27.subscription.incomplete", |s| s.status = Some(Status::Incomplete));
    check("2020-08-27.subscription.q10", |s| s.items = vec![builder("si_fixture", 10)]);
    check("2024-06-20.subscription.yearly", |_| {});
    check("2025-02-24.acacia.subscription.past_due", |s| {
        s.status = Some(Status::PastDue);
        s.items = vec![builder("si_fixture", 2)];
        s.timeline = Timeline::new(second(BEGAN), second(FEBRUARY)).with_day(Some(31));
    });
    check("2025-10-29.clover.subscription.q5", |s| s.items = vec![builder("si_fixture", 5)]);
    check("2025-10-29.clover.subscription.trialing", |s| {
        let end = second(BEGAN + 14 * DAY);
        s.status = Some(Status::Trialing);
        s.timeline = Timeline::new(second(BEGAN), end);
        s.trial_end = Some(end);
    });
    check("2025-10-29.clover.subscription.cancel_at_period_end", |s| {
        s.items.push(item("si_year", ItemPlan::Unknown, 1));
        s.cancel_at = Some(second(FEBRUARY));
    });
    check("2026-03-25.dahlia.subscription.mixed", |s| {
        s.items = vec![
            builder("si_fixture", 2),
            item("si_metered", ItemPlan::NoPlace, 0),
            item("si_week", ItemPlan::Unknown, 1),
            item("si_foreign", ItemPlan::Unknown, 4),
        ];
        s.cancel_at = Some(second(FEBRUARY));
    });
    check("2026-03-25.dahlia.subscription.day_31", |s| {
        s.timeline = Timeline::new(second(FEBRUARY), second(FEBRUARY)).with_day(Some(31));
    });
    check("2026-09-30.endive.subscription.paused", |s| s.status = Some(Status::Paused));
    check("2026-09-30.endive.subscription.whole_floats", |s| {
        s.items = vec![builder("si_fixture", 3)];
    });
}

#[test]
fn no_fixture_is_left_unread() {
    let mut subscriptions = 0;
    for file in std::fs::read_dir(FIXTURES).unwrap() {
        let json = std::fs::read_to_string(file.unwrap().path()).unwrap();
        snapshot_of(&json);
        subscriptions += 1;
    }
    assert_eq!(subscriptions, 15);
}

/// Each object of `json` with one of its fields left out, and with that field null; `path` says
/// which.
fn without_a_field(json: &Value) -> Vec<(String, Value)> {
    fn walk(here: &Value, path: &str, found: &mut Vec<String>) {
        match here {
            Value::Object(fields) => fields.iter().for_each(|(name, field)| {
                let path = format!("{path}/{name}");
                walk(field, &path, found);
                found.push(path);
            }),
            Value::Array(list) => {
                list.iter().zip(0..).for_each(|(one, n)| walk(one, &format!("{path}/{n}"), found));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut paths = Vec::new();
    walk(json, "", &mut paths);
    let changed = paths.into_iter().flat_map(|path| {
        let (owner, field) = path.rsplit_once('/').unwrap();
        let (mut missing, mut null) = (json.clone(), json.clone());
        missing.pointer_mut(owner).unwrap().as_object_mut().unwrap().remove(field);
        *null.pointer_mut(&path).unwrap() = Value::Null;
        [(path.clone(), missing), (path, null)]
    });
    changed.collect()
}

#[test]
fn any_field_may_be_missing_or_null_but_for_those_that_say_what_it_is() {
    // Without these it is not clear what is meant, and a person has to look.
    let essential = |path: &str| {
        let named = ["/id", "/customer", "/status", "/customer/id"];
        let of_price = ["/price/id", "/plan/id", "/product/id"].map(|end| path.ends_with(end));
        // That of an invoice, which may come expanded, is not looked at.
        let is_read = path.starts_with("/items/") || path.starts_with("/plan/");
        named.contains(&path) || (is_read && of_price.contains(&true))
    };
    for file in std::fs::read_dir(FIXTURES).unwrap() {
        let json: Value =
            serde_json::from_str(&std::fs::read_to_string(file.unwrap().path()).unwrap()).unwrap();
        for (path, changed) in without_a_field(&json) {
            let read = Subscription::read(&changed.to_string());
            let read =
                read.and_then(|read| read.snapshot(&prices, None, second(0), Source::Fetched));
            assert_eq!(read.is_err(), essential(&path), "{path}: {read:?}");
        }
    }
}

/// A subscription of few fields, with `more` among them.
fn small(more: &str) -> String {
    format!(r#"{{"id":"sub_1","customer":"cus_1","status":"active","created":{BEGAN}{more}}}"#)
}

fn with_items(items: &str) -> Vec<SnapshotItem> {
    snapshot_of(&small(&format!(r#","items":{{"data":[{items}]}}"#))).items
}

#[test]
fn r4_the_anchor_is_stripes_else_the_start_else_the_creation() {
    let timeline = |more: &str| snapshot_of(&small(more)).timeline;
    let at = second;
    assert_eq!(timeline(""), Timeline::new(at(BEGAN), at(BEGAN)));
    assert_eq!(timeline(r#","start_date":1000"#), Timeline::new(at(1000), at(1000)));
    assert_eq!(timeline(r#","start":900"#), Timeline::new(at(900), at(900)));
    assert_eq!(timeline(r#","start":900,"start_date":1000"#), Timeline::new(at(1000), at(1000)));
    let moved = r#","start_date":1000,"billing_cycle_anchor":2000,"current_period_start":1500"#;
    assert_eq!(timeline(moved), Timeline::new(at(1000), at(2000)));
    for odd in ["null", "0", "32", "-1"] {
        let config = format!(r#","billing_cycle_anchor_config":{{"day_of_month":{odd}}}"#);
        assert_eq!(timeline(&config), Timeline::new(at(BEGAN), at(BEGAN)), "{odd}");
    }
}

#[test]
fn r11_the_cancel_instant_is_given_or_the_latest_end_of_a_period() {
    let cancel_at = |more: &str| snapshot_of(&small(more)).cancel_at.map(|at| at.timestamp());
    assert_eq!(cancel_at(r#","cancel_at":5000"#), Some(5000));
    assert_eq!(
        cancel_at(r#","cancel_at":5000,"cancel_at_period_end":true,"current_period_end":7"#),
        Some(5000)
    );
    assert_eq!(cancel_at(r#","cancel_at_period_end":true,"current_period_end":7"#), Some(7));
    assert_eq!(cancel_at(r#","cancel_at_period_end":false,"current_period_end":7"#), None);
    assert_eq!(cancel_at(r#","cancel_at_period_end":null"#), None);
    assert_eq!(cancel_at(r#","cancel_at_period_end":true"#), None);
    let items = r#","cancel_at_period_end":true,"current_period_end":7,"items":{"data":[
        {"price":"a","current_period_end":9},{"price":"b","current_period_end":12},{"price":"c"}]}"#;
    assert_eq!(cancel_at(items), Some(12));
}

#[test]
fn r12_metered_prices_are_no_places() {
    for metered in [
        r#"{"id":"i","price":{"id":"price_builder","recurring":{"usage_type":"metered"}}}"#,
        r#"{"id":"i","plan":{"id":"price_builder","usage_type":"metered"},"quantity":9}"#,
        r#"{"id":"i","price":{"id":"price_builder"},"plan":{"id":"p","usage_type":"metered"}}"#,
    ] {
        assert_eq!(with_items(metered), [item("i", ItemPlan::NoPlace, 0)], "{metered}");
    }
}

#[test]
fn prices_billed_for_less_than_a_month_have_no_plan() {
    for (interval, count, mapped) in [
        ("day", "1", false),
        ("day", "30", false),
        ("week", "4", false),
        ("week", "null", false),
        ("week", "52", true),
        ("month", "1", true),
        ("month", "3", true),
        ("year", "1", true),
        ("lunar", "1", true),
    ] {
        let billing = format!(r#""interval":"{interval}","interval_count":{count}"#);
        let price =
            format!(r#"{{"id":"i","price":{{"id":"price_builder","recurring":{{{billing}}}}}}}"#);
        let plan = format!(r#"{{"id":"i","plan":{{"id":"price_builder",{billing}}}}}"#);
        let expected = if mapped { builder("i", 1) } else { item("i", ItemPlan::Unknown, 1) };
        let expected = [expected];
        assert_eq!(with_items(&price), expected, "{price}");
        assert_eq!(with_items(&plan), expected, "{plan}");
    }
}

#[test]
fn prices_are_found_by_id_lookup_key_or_product() {
    let by_product = |price: &PriceRef<'_>| {
        (price.product == Some("prod_1")).then(|| PlanId::from("by_product"))
    };
    for product in [r#""prod_1""#, r#"{"id":"prod_1","name":"Builder"}"#] {
        let json = format!(r#","items":{{"data":[{{"price":{{"id":"x","product":{product}}}}}]}}"#);
        let read = Subscription::read(&small(&json)).unwrap();
        let found = read.snapshot(&by_product, None, second(0), Source::Fetched).unwrap();
        assert_eq!(found.items[0].plan, ItemPlan::Plan(PlanId::from("by_product")));
    }
    assert_eq!(with_items(r#"{"id":"i","price":"price_builder"}"#), [builder("i", 1)]);
    let keyed = r#"{"id":"i","price":{"id":"x","lookup_key":"builder_yearly"}}"#;
    assert_eq!(with_items(keyed), [builder("i", 1)]);
}

#[test]
fn an_items_price_counts_and_not_the_plan_beside_it() {
    let both = r#"{"id":"i","price":{"id":"price_foreign"},"plan":{"id":"price_builder"}}"#;
    assert_eq!(with_items(both), [item("i", ItemPlan::Unknown, 1)]);
    assert_eq!(with_items(r#"{"id":"i"}"#), [item("i", ItemPlan::Unknown, 1)]);
}

#[test]
fn deleted_items_are_left_out_and_quantities_may_be_zero_or_missing() {
    let items = r#"{"id":"a","deleted":true},{"id":"b","price":"price_builder","quantity":0},
        {"id":"c","price":"price_builder","quantity":null}"#;
    assert_eq!(with_items(items), [builder("b", 0), builder("c", 1)]);
    assert_eq!(snapshot_of(&small(r#","items":null"#)).items, []);
}

#[test]
fn a_quantity_that_cannot_be_one_is_refused() {
    for quantity in ["-1", "1000001", "99999999999"] {
        let more = format!(r#","items":{{"data":[{{"price":"p","quantity":{quantity}}}]}}"#);
        let read = Subscription::read(&small(&more)).unwrap();
        let answer = read.snapshot(&prices, None, second(0), Source::Fetched);
        assert_eq!(answer, Err(ObjectError::Field("quantity")), "{quantity}");
    }
}

#[test]
fn an_unknown_status_is_left_to_the_rules() {
    assert_eq!(snapshot_of(&small("").replace("active", "hibernating")).status, None);
}

#[test]
fn metadata_is_the_subscriptions_own_before_its_customers() {
    let customer = r#"{"id":"cus_1","metadata":{"account":"bob","workspace":"w"}}"#;
    let json = small(r#","metadata":{"account":"ann"}"#).replace(r#""cus_1""#, customer);
    let read = Subscription::read(&json).unwrap();
    assert_eq!((read.metadata("account"), read.metadata("workspace")), (Some("ann"), Some("w")));
    assert_eq!(read.customer().as_str(), "cus_1");
}

#[test]
fn a_cut_list_of_items_is_noticed() {
    let cut = |more: &str| Subscription::read(&small(more)).unwrap().is_cut();
    assert!(cut(r#","items":{"data":[],"has_more":true}"#));
    assert!(!cut(r#","items":{"data":[],"has_more":null}"#));
    assert!(!cut(""));
}

#[test]
fn what_is_no_subscription_is_refused() {
    for json in [
        "null",
        "{}",
        r#"{"id":"sub_1","customer":null,"status":"active"}"#,
        r#"{"id":"sub\u00001","customer":"cus_1","status":"active"}"#,
        r#"{"id":"sub_1","customer":{"id":""},"status":"active"}"#,
        r#"{"id":"sub_1","customer":"cus_1","status":"active","created":"yesterday"}"#,
    ] {
        assert!(Subscription::read(json).is_err(), "{json}");
    }
    let timeless = r#"{"id":"sub_1","customer":"cus_1","status":"active"}"#;
    let answer = Subscription::read(timeless).unwrap();
    let answer = answer.snapshot(&prices, None, second(0), Source::Fetched);
    assert_eq!(answer, Err(ObjectError::Field("start_date")));
}
