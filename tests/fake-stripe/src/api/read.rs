//! Parts of forms that several requests share.

use super::form::Form;
use crate::calendar::AnchorConfig;
use crate::fault::Fault;
use crate::object::subscription::{MissingPayment, PauseBehavior, PauseCollection};
use crate::request::{CancelAt, ItemChange, Patch, Payment, PaymentBehavior, Proration, When};

/// Items to be added, changed or removed.
pub(super) fn items(form: &mut Form, name: &str) -> Result<Vec<ItemChange>, Fault> {
    let mut items = Vec::new();
    for mut part in form.parts(name) {
        items.push(item(&mut part)?);
        part.finish()?;
    }
    Ok(items)
}

pub(super) fn item(form: &mut Form) -> Result<ItemChange, Fault> {
    form.flag("clear_usage")?;
    form.texts("tax_rates");
    Ok(ItemChange {
        id: form.text("id"),
        price: form.text("price").or_else(|| form.text("plan")),
        quantity: form.number("quantity")?,
        deleted: form.flag("deleted")?.unwrap_or(false),
        metadata: form.metadata("metadata"),
    })
}

/// An instant, or `now`.
pub(super) fn when(form: &mut Form, name: &str) -> Result<Option<When>, Fault> {
    if form.clone().text(name).as_deref() == Some("now") {
        form.text(name);
        return Ok(Some(When::Now));
    }
    Ok(form.instant(name)?.map(When::At))
}

pub(super) fn cancel_at(form: &mut Form) -> Result<Patch<CancelAt>, Fault> {
    match form.clone().text("cancel_at").as_deref() {
        None => return Ok(Patch::Keep),
        Some("") => {
            form.text("cancel_at");
            return Ok(Patch::Clear);
        }
        Some(_) => {}
    }
    let words =
        [("min_period_end", CancelAt::FirstPeriodEnd), ("max_period_end", CancelAt::LastPeriodEnd)];
    if let Ok(Some(word)) = form.clone().word("cancel_at", &words) {
        form.text("cancel_at");
        return Ok(Patch::Set(word));
    }
    Ok(form.instant("cancel_at")?.map_or(Patch::Keep, |at| Patch::Set(CancelAt::At(at))))
}

pub(super) fn proration(form: &mut Form) -> Result<Proration, Fault> {
    let words = [
        ("create_prorations", Proration::Create),
        ("always_invoice", Proration::Invoice),
        ("none", Proration::None),
    ];
    Ok(form.word("proration_behavior", &words)?.unwrap_or_default())
}

pub(super) fn payment_behavior(form: &mut Form) -> Result<PaymentBehavior, Fault> {
    let words = [
        ("allow_incomplete", PaymentBehavior::AllowIncomplete),
        ("default_incomplete", PaymentBehavior::DefaultIncomplete),
        ("error_if_incomplete", PaymentBehavior::ErrorIfIncomplete),
        ("pending_if_incomplete", PaymentBehavior::PendingIfIncomplete),
    ];
    Ok(form.word("payment_behavior", &words)?.unwrap_or_default())
}

pub(super) fn missing_payment(form: &mut Form) -> Result<Option<MissingPayment>, Fault> {
    let mut settings = form.under("trial_settings");
    let mut end = settings.under("end_behavior");
    let words = [
        ("create_invoice", MissingPayment::CreateInvoice),
        ("cancel", MissingPayment::Cancel),
        ("pause", MissingPayment::Pause),
    ];
    let found = end.word("missing_payment_method", &words)?;
    end.finish()?;
    settings.finish()?;
    Ok(found)
}

pub(super) fn pause_collection(form: &mut Form) -> Result<Patch<PauseCollection>, Fault> {
    if form.text("pause_collection").is_some() {
        return Ok(Patch::Clear);
    }
    let mut pause = form.under("pause_collection");
    let words = [
        ("keep_as_draft", PauseBehavior::KeepAsDraft),
        ("mark_uncollectible", PauseBehavior::MarkUncollectible),
        ("void", PauseBehavior::Void),
    ];
    let behavior = pause.word("behavior", &words)?;
    let resumes_at = pause.instant("resumes_at")?;
    pause.finish()?;
    Ok(behavior
        .map_or(Patch::Keep, |behavior| Patch::Set(PauseCollection { behavior, resumes_at })))
}

pub(super) fn anchor_config(form: &mut Form) -> Result<Option<AnchorConfig>, Fault> {
    let mut config = form.under("billing_cycle_anchor_config");
    if config.is_empty() {
        return Ok(None);
    }
    let day = config.number("day_of_month")?;
    let day = day.ok_or_else(|| Fault::required("billing_cycle_anchor_config[day_of_month]"))?;
    if !(1..=31).contains(&day) {
        let message = "Invalid day_of_month: must be between 1 and 31.";
        return Err(Fault::param("billing_cycle_anchor_config[day_of_month]", message));
    }
    let read = AnchorConfig {
        day_of_month: day,
        month: config.number("month")?,
        hour: config.number("hour")?,
        minute: config.number("minute")?,
        second: config.number("second")?,
    };
    config.finish()?;
    Ok(Some(read))
}

/// `collection_method`, where it is given.
pub(super) fn sends_invoices(form: &mut Form) -> Result<Option<bool>, Fault> {
    form.word("collection_method", &[("charge_automatically", false), ("send_invoice", true)])
}

/// The payment method of a customer, by any of the names that it has had.
pub(super) fn payment(form: &mut Form) -> Patch<Payment> {
    let mut settings = form.under("invoice_settings");
    let default = settings.patch("default_payment_method");
    let own = form.patch("payment_method");
    let source = form.patch("source");
    let given = [default, own, source].into_iter().find(|patch| *patch != Patch::Keep);
    match given {
        None | Some(Patch::Keep) => Patch::Keep,
        Some(Patch::Clear) => Patch::Clear,
        Some(Patch::Set(id)) => Patch::Set(Payment::Id(id)),
    }
}
