//! `creditd sync`: all subscriptions compared with Stripe's, and healed where they differ.

use super::args::Sync;
use super::ground;
use super::progress::style;
use super::table;
use crate::inbox::Inbox;
use crate::reconcile::Reconcile;
use crate::reconcile::full::{Found, Mode, Report};
use crate::settings::Settings;
use crate::store::MarkState;
use crate::stripe::difference::Field;
use anyhow::{bail, ensure};
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde_json::json;
use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;
use tokio::time::sleep;

/// A pause that Stripe asks for and that is waited for; after a longer one the daemon goes on.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// How often what another process fetches is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// `creditd sync`.
pub(super) async fn run(settings: &Settings, how: Sync, out: &mut dyn Write) -> anyhow::Result<()> {
    ensure!(settings.stripe.api_key.is_some(), "stripe.api_key is not set: Stripe cannot be asked");
    ground::with_inbox(settings, async |inbox: Inbox| compare(inbox, how, out).await).await
}

async fn compare(inbox: Inbox, how: Sync, out: &mut dyn Write) -> anyhow::Result<()> {
    let mode = if how.dry_run { Mode::DryRun } else { Mode::Heal };
    let bar = ProgressBar::new_spinner().with_style(style("{spinner} {pos} compared, {msg}"));
    let (mut lines, mut all) = (Vec::new(), Vec::new());
    let mut differing: u64 = 0;
    let mut found = |found: Found| match found {
        Found::Seen(seen) => {
            bar.set_position(seen);
            bar.set_message(format!("{differing} differ"));
        }
        Found::Differs { id, fields, kinds } => {
            differing = differing.saturating_add(1);
            lines.extend(words(&id, &fields, &kinds));
            all.push(json!({ "id": id, "kinds": kinds, "fields": fields }));
        }
        Found::Unreadable { id, why } => {
            lines.push(format!("{id} cannot be read: {why}"));
            all.push(json!({ "id": id, "kinds": ["unreadable"], "why": why }));
        }
    };
    let reconcile = Reconcile { inbox: inbox.clone() };
    let compared = reconcile.compare_all(mode, &mut found).await;
    bar.finish_and_clear();
    if how.form.json {
        let report = compared?;
        let (seen, differing) = (report.seen, report.differing);
        let healed = heal_all(&inbox, mode, report).await?;
        let all = json!({
            "dry_run": how.dry_run, "compared": seen, "differing": differing, "differences": all,
            "healed": healed.as_ref().map(|done| done.healed),
            "waiting": healed.as_ref().map(|done| done.waiting),
            "parked": healed.as_ref().map(|done| done.parked),
        });
        table::json(out, &all)?;
        return healed.map_or(Ok(()), |done| done.judge());
    }
    for line in lines {
        writeln!(out, "{line}")?;
    }
    let report = compared?;
    summary(&report, mode, out)?;
    let Some(done) = heal_all(&inbox, mode, report).await? else { return Ok(()) };
    let Healed { healed, waiting, parked } = done;
    writeln!(out, "{healed} healed, {waiting} wait for a customer or account, {parked} parked")?;
    done.judge()
}

/// What became of the subscriptions that differed.
struct Healed {
    healed: usize,
    waiting: usize,
    parked: usize,
}

impl Healed {
    /// That anything is parked makes the command fail.
    fn judge(&self) -> anyhow::Result<()> {
        ensure!(self.parked == 0, "see `creditd subscriptions show ID` for each that is parked");
        Ok(())
    }
}

/// Heals what was found to differ; none where nothing is to be healed.
async fn heal_all(inbox: &Inbox, mode: Mode, report: Report) -> anyhow::Result<Option<Healed>> {
    if mode == Mode::DryRun || report.marked.is_empty() {
        return Ok(None);
    }
    heal(inbox, report.marked).await.map(Some)
}

/// A line for each difference: `sub_1  plan  ours: pro  Stripe: elite`.
fn words(id: &str, fields: &[Field], kinds: &[&str]) -> Vec<String> {
    match kinds {
        ["missing"] => vec![format!("{id}  missing  Stripe does not list it")],
        ["new"] => {
            let shown = |kind: &str| fields.iter().find(|field| field.kind == kind);
            let shown = ["status", "plan", "quantity"].map(|kind| shown(kind).map(stripes));
            let [status, plan, quantity] = shown.map(Option::unwrap_or_default);
            vec![format!("{id}  new  Stripe: {status}, {quantity} x {plan}")]
        }
        _ => fields
            .iter()
            .filter(|field| field.differs)
            .map(|field| {
                let ours = field.ours.as_deref().unwrap_or("-");
                format!("{id}  {}  ours: {ours}  Stripe: {}", field.kind, stripes(field))
            })
            .collect(),
    }
}

fn stripes(field: &Field) -> &str {
    field.stripe.as_deref().unwrap_or("-")
}

fn summary(report: &Report, mode: Mode, out: &mut dyn Write) -> anyhow::Result<()> {
    let Report { seen, differing, kinds, unreadable, resumed, .. } = report;
    let went_on = if *resumed { " (went on where the last comparison was cut off)" } else { "" };
    write!(out, "{seen} subscriptions compared{went_on}, {differing} differ")?;
    for (kind, count) in kinds {
        write!(out, "; {kind}: {count}")?;
    }
    if *unreadable > 0 {
        write!(out, "; cannot be read: {unreadable}")?;
    }
    let changed = if mode == Mode::DryRun { "; nothing was changed" } else { "" };
    writeln!(out, "{changed}")?;
    Ok(())
}

/// Fetches what was marked, beside a daemon that may do the same, until all of it is done.
async fn heal(inbox: &Inbox, marked: Vec<String>) -> anyhow::Result<Healed> {
    let total = marked.len();
    let bar =
        ProgressBar::with_draw_target(u64::try_from(total).ok(), ProgressDrawTarget::stderr())
            .with_style(style("{bar:40} {pos}/{len} healed, {eta} left"));
    let mut open: BTreeSet<String> = marked.into_iter().collect();
    let (mut waiting, mut parked) = (0_usize, 0_usize);
    let stripe = inbox.stripe.clone();
    let Some(stripe) = stripe else { bail!("Stripe cannot be asked") };
    while !open.is_empty() {
        if let Some(pause) = stripe.pause() {
            let left = open.len();
            ensure!(
                pause <= PAUSE_MAX,
                "Stripe cannot be asked now; {left} stay marked, and the daemon fetches them later"
            );
            sleep(pause).await;
        }
        let worked = inbox.fetch_round(&stripe).await?;
        for id in std::mem::take(&mut open) {
            match inbox.store.mark_of(&id).await?.map(|mark| mark.state) {
                None => {}
                Some(MarkState::Waiting) => waiting = waiting.saturating_add(1),
                Some(MarkState::Parked) => parked = parked.saturating_add(1),
                Some(MarkState::Dirty) => drop(open.insert(id)),
            }
        }
        bar.set_position(u64::try_from(total.saturating_sub(open.len())).unwrap_or_default());
        if worked == 0 && !open.is_empty() {
            sleep(LOOK).await;
        }
    }
    bar.finish_and_clear();
    let healed = total.saturating_sub(waiting).saturating_sub(parked);
    Ok(Healed { healed, waiting, parked })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(kind: &'static str, ours: Option<&str>, stripe: &str, differs: bool) -> Field {
        let (ours, stripe) = (ours.map(str::to_owned), Some(stripe.to_owned()));
        Field { kind, ours, stripe, differs }
    }

    #[test]
    fn each_difference_is_a_line() {
        let fields = [
            field("status", Some("active"), "active", false),
            field("plan", Some("pro"), "elite", true),
            field("quantity", None, "2", true),
        ];
        let lines = words("sub_1", &fields, &["plan", "quantity"]);
        assert_eq!(
            lines,
            ["sub_1  plan  ours: pro  Stripe: elite", "sub_1  quantity  ours: -  Stripe: 2"]
        );
        let new = words("sub_1", &fields, &["new"]);
        assert_eq!(new, ["sub_1  new  Stripe: active, 2 x elite"]);
        let missing = words("sub_1", &[], &["missing"]);
        assert_eq!(missing, ["sub_1  missing  Stripe does not list it"]);
    }
}
