//! `/v1/test_helpers/test_clocks`.

use super::{Call, Reply};
use crate::calendar::Instant;
use crate::event::Subject;
use crate::fault::Fault;
use serde_json::json;
use std::sync::Arc;

pub(super) fn route(call: &mut Call<'_>, method: &str, rest: &[&str]) -> Option<Reply> {
    Some(match (method, rest) {
        ("POST", []) => create(call),
        ("GET", [id]) => {
            let found = call.stripe.test_clock(id).ok_or_else(|| Fault::missing("testclock", id));
            found.map(|clock| call.renderer.subject(&Subject::TestClock(Arc::clone(clock))))
        }
        ("DELETE", [id]) => {
            let deleted = call.stripe.delete_test_clock(id);
            deleted
                .map(|()| json!({ "id": id, "object": "test_helpers.test_clock", "deleted": true }))
        }
        ("POST", [id, "advance"]) => advance(call, id),
        _ => return None,
    })
}

fn frozen_time(call: &mut Call<'_>) -> Result<Instant, Fault> {
    call.form.instant("frozen_time")?.ok_or_else(|| Fault::required("frozen_time"))
}

fn create(call: &mut Call<'_>) -> Reply {
    let at = frozen_time(call)?;
    let name = call.form.text("name");
    let clock = call.stripe.create_test_clock(at, name);
    Ok(call.renderer.subject(&Subject::TestClock(clock)))
}

fn advance(call: &mut Call<'_>, id: &str) -> Reply {
    let to = frozen_time(call)?;
    let clock = call.stripe.advance_test_clock(id, to)?;
    Ok(call.renderer.subject(&Subject::TestClock(clock)))
}
