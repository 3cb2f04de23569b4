//! `/v1/subscription_schedules`.

use super::list::list;
use super::{Call, Reply, read};
use crate::fault::Fault;
use crate::object::Unit;
use crate::request::{NewPhase, NewSchedule, PhaseLength, ScheduleChange};

pub(super) fn route(call: &mut Call<'_>, method: &str, rest: &[&str]) -> Option<Reply> {
    Some(match (method, rest) {
        ("POST", []) => create(call),
        ("GET", []) => all(call),
        ("GET", [id]) => {
            let found = call.stripe.schedule(id);
            let found = found.ok_or_else(|| Fault::missing("subscription schedule", id));
            found.map(|schedule| call.renderer.schedule(schedule))
        }
        ("POST", [id]) => update(call, id),
        ("POST", [id, "release"]) => call.form.flag("preserve_cancel_date").err().map_or_else(
            || call.stripe.release_schedule(id).map(|it| call.renderer.schedule(&it)),
            Err,
        ),
        ("POST", [id, "cancel"]) => cancel(call, id),
        _ => return None,
    })
}

fn create(call: &mut Call<'_>) -> Reply {
    let form = &mut call.form;
    let new = NewSchedule {
        from_subscription: form.text("from_subscription"),
        customer: form.text("customer"),
        start: read::when(form, "start_date")?,
        phases: phases(call)?,
        cancels_at_end: ends(call)?.unwrap_or(false),
        metadata: call.form.metadata("metadata"),
    };
    let schedule = call.stripe.create_schedule(new)?;
    Ok(call.renderer.schedule(&schedule))
}

fn ends(call: &mut Call<'_>) -> Result<Option<bool>, Fault> {
    let words = [("release", false), ("none", false), ("cancel", true)];
    call.form.word("end_behavior", &words)
}

fn phases(call: &mut Call<'_>) -> Result<Vec<NewPhase>, Fault> {
    let mut phases = Vec::new();
    for mut form in call.form.parts("phases") {
        let anchors = [("automatic", false), ("phase_start", true)];
        let mut duration = form.under("duration");
        let unit = duration.text("interval").and_then(|word| Unit::parse(&word));
        let count = duration.number("interval_count")?.unwrap_or(1);
        let length = match (form.number("iterations")?, form.instant("end_date")?, unit) {
            (_, Some(end), _) => PhaseLength::Until(end),
            (_, None, Some(unit)) => PhaseLength::Lasting(unit.times(count)),
            (Some(times), None, None) => PhaseLength::Iterations(times),
            (None, None, None) => PhaseLength::default(),
        };
        let phase = NewPhase {
            items: read::items(&mut form, "items")?,
            start: read::when(&mut form, "start_date")?,
            length,
            is_trial: form.flag("trial")?.unwrap_or(false),
            trial_end: form.instant("trial_end")?,
            moves_anchor: form.word("billing_cycle_anchor", &anchors)?.unwrap_or(false),
            proration: read::proration(&mut form)?,
            metadata: form.metadata("metadata"),
        };
        form.finish()?;
        phases.push(phase);
    }
    Ok(phases)
}

fn update(call: &mut Call<'_>, id: &str) -> Reply {
    read::proration(&mut call.form)?;
    let change = ScheduleChange {
        phases: phases(call)?,
        cancels_at_end: ends(call)?,
        metadata: call.form.metadata_change("metadata").0,
    };
    let schedule = call.stripe.update_schedule(id, change)?;
    Ok(call.renderer.schedule(&schedule))
}

fn cancel(call: &mut Call<'_>, id: &str) -> Reply {
    call.form.flag("invoice_now")?;
    call.form.flag("prorate")?;
    let schedule = call.stripe.cancel_schedule(id)?;
    Ok(call.renderer.schedule(&schedule))
}

fn all(call: &mut Call<'_>) -> Reply {
    let (customer, renderer) = (call.form.text("customer"), call.renderer);
    list(
        call,
        "subscription schedule",
        |stripe| stripe.schedules(),
        |schedule| customer.as_ref().is_none_or(|customer| schedule.customer == *customer),
        |_, schedule| renderer.schedule(schedule),
    )
}
