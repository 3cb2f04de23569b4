//! One batch: from what was loaded to what is written and what everyone is answered.

use super::{Ground, Key, Reply, Request, SubmitError};
use crate::store::{Change, Job, KeptAnswer, Loaded, Promised};
use crate::traces::Traceparent;
use creditd_rules::command::{Decision, Effect};
use creditd_rules::entry::{Entry, Pot, Reason};
use creditd_rules::id::WorkspaceId;
use creditd_rules::plan::Catalogue;
use creditd_rules::{Context, Instant, Kind, Workspace, decide};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tracing::warn;

/// The status under which every accepted command's answer is kept.
const DONE: u16 = 200;

/// What one command came to.
pub(super) type Outcome = Result<Reply, SubmitError>;

/// A batch while it is decided; made anew for each attempt.
#[derive(Default)]
pub(super) struct Batch {
    /// What each command came to, in order.
    pub(super) outcomes: Vec<Outcome>,
    /// The command whose decision panicked; nothing of the attempt is written then.
    pub(super) culprit: Option<usize>,
    /// The traces of the requests, in order; empty where none is traced.
    traces: Vec<Option<Traceparent>>,
    tally: Tally,
}

/// What is counted and told once the batch is committed.
#[derive(Default)]
struct Tally {
    now: Option<Instant>,
    resets: Vec<Instant>,
    reasons: BTreeMap<&'static str, u64>,
    refusals: BTreeMap<&'static str, u64>,
    replays: u64,
    without_address: u64,
    mails: bool,
    alerts: Vec<creditd_rules::command::Alert>,
    earliest_due: Option<Instant>,
}

/// What the store must load for a request.
pub(super) fn job(request: &Request) -> Job {
    Job {
        home: request.home.clone(),
        touch: request.command.touch(),
        key: request.key.as_ref().map(|key| key.key.clone()),
    }
}

/// A workspace of the batch and what has been written to it so far.
struct Open {
    before: Workspace,
    after: Workspace,
    entries: Vec<Entry>,
    /// With the trace of the request that called for each.
    effects: Vec<(Effect, Option<Traceparent>)>,
    answers: Vec<(String, KeptAnswer)>,
}

impl Batch {
    /// A batch of requests with these traces.
    pub(super) fn traced(traces: Vec<Option<Traceparent>>) -> Self {
        Self { traces, ..Self::default() }
    }

    /// Decides `requests` in order on what was loaded for them.
    pub(super) fn decide(
        &mut self, requests: &[&Request], loaded: Loaded, catalogue: &Catalogue,
    ) -> Vec<Change> {
        *self = Self::traced(std::mem::take(&mut self.traces));
        self.tally.now = Some(loaded.now);
        let Loaded { now, homes, workspaces, mut answers } = loaded;
        let mut open: BTreeMap<WorkspaceId, Open> = workspaces
            .into_iter()
            .map(|(id, before)| {
                let after = before.clone();
                let open = Open {
                    before,
                    after,
                    entries: Vec::new(),
                    effects: Vec::new(),
                    answers: Vec::new(),
                };
                (id, open)
            })
            .collect();
        for (index, (request, home)) in requests.iter().zip(&homes).enumerate() {
            let workspace = home.as_ref().and_then(|id| open.get_mut(id));
            let Some(workspace) = workspace else {
                self.outcomes.push(Err(SubmitError::NoHome(request.home.clone())));
                continue;
            };
            let id = workspace.before.id.clone();
            if let Some(outcome) = known(request.key.as_ref(), &id, &answers, true) {
                self.tally.replays += u64::from(outcome.is_ok());
                self.outcomes.push(outcome);
                continue;
            }
            let context = Context { catalogue, now, cause: &request.cause };
            let decision = catch_unwind(AssertUnwindSafe(|| {
                decide(&mut workspace.after, &request.command, &context)
            }));
            let Ok(decision) = decision else {
                self.culprit = Some(index);
                return Vec::new();
            };
            let trace = self.traces.get(index).copied().flatten();
            let outcome = self.take(decision, trace, workspace);
            if let (Ok(Reply::Done { body, .. }), Some(key)) = (&outcome, &request.key) {
                let kept =
                    KeptAnswer { fingerprint: key.fingerprint, status: DONE, body: body.clone() };
                answers.insert((id, key.key.clone()), kept.clone());
                workspace.answers.push((key.key.clone(), kept));
            }
            self.outcomes.push(outcome);
        }
        open.into_values().filter_map(|open| self.change(open)).collect()
    }

    /// Takes a decision over into its workspace and makes its outcome.
    fn take(
        &mut self, decision: Decision, trace: Option<Traceparent>, workspace: &mut Open,
    ) -> Outcome {
        let Decision { answer, entries, effects } = decision;
        for entry in &entries {
            *self.tally.reasons.entry(entry.reason.as_str()).or_default() += 1;
            if is_reset(entry) {
                self.tally.resets.push(entry.effective_at);
            }
        }
        workspace.entries.extend(entries);
        workspace.effects.extend(effects.into_iter().map(|effect| (effect, trace)));
        match answer {
            Ok(answer) => {
                let body = super::answer::body(&answer, &workspace.after)
                    .map_err(|cause| SubmitError::Refused(cause.to_string()))?;
                Ok(Reply::Done { body, replayed: false })
            }
            Err(rejection) => {
                *self.tally.refusals.entry(rejection.code()).or_default() += 1;
                Ok(Reply::Rejected(rejection))
            }
        }
    }

    /// What is to be written for a workspace; nothing where nothing changed.
    fn change(&mut self, open: Open) -> Option<Change> {
        let Open { before, mut after, entries, effects, answers } = open;
        after.settled_at = before.settled_at;
        let decided_at = std::mem::replace(&mut after.decided_at, before.decided_at);
        if entries.is_empty() && effects.is_empty() && answers.is_empty() && after == before {
            return None;
        }
        after.decided_at = decided_at;
        after.version = before.version.saturating_add(1);
        after.next_seq =
            before.next_seq.saturating_add(u64::try_from(entries.len()).unwrap_or(u64::MAX));
        self.note_due(&before, &after);
        let (mut mails, mut erased, mut alerts) = (Vec::new(), Vec::new(), Vec::new());
        for (effect, trace) in effects {
            match effect {
                Effect::Mail(mail) => mails.push(Promised { mail, trace }),
                Effect::NoAddress { .. } => self.tally.without_address += 1,
                Effect::EraseMail { account } => erased.push(account),
                Effect::Alert(alert) => alerts.push(alert),
            }
        }
        self.tally.mails |= !mails.is_empty();
        self.tally.alerts.extend(alerts.iter().cloned());
        Some(Change { before, after, entries, answers, mails, erased, alerts })
    }

    /// Notes the earliest instant that falls due now and did not before.
    fn note_due(&mut self, before: &Workspace, after: &Workspace) {
        let seats = after.seats.values().filter_map(|seat| {
            let due = seat.due_at()?;
            let known = before.seats.get(&seat.id).and_then(|seat| seat.due_at());
            (known != Some(due)).then_some(due)
        });
        let grants = after.grants.values().filter_map(|grant| {
            let end = grant.expires_at.filter(|_| !grant.ended)?;
            (!before.grants.contains_key(&grant.id)).then_some(end)
        });
        self.tally.earliest_due = seats.chain(grants).chain(self.tally.earliest_due).min();
    }

    /// Counts, logs and wakes, once the batch is committed. `took` is the time since it was decided.
    pub(super) fn tell(&self, ground: &Ground, took: std::time::Duration) {
        let Ground { metrics, wakes, .. } = ground;
        let tally = &self.tally;
        for (reason, count) in &tally.reasons {
            metrics.writer.entries(reason, *count);
        }
        for (code, count) in &tally.refusals {
            metrics.writer.refusals(code, *count);
        }
        metrics.writer.replays.inc_by(tally.replays);
        metrics.mails.without_address.inc_by(tally.without_address);
        for alert in &tally.alerts {
            metrics.alert(alert.code);
            warn!(code = alert.code, subject = %alert.subject, "{}", alert.detail);
        }
        if let Some(now) = tally.now {
            for due in &tally.resets {
                let late = now.signed_duration_since(*due).to_std().unwrap_or_default();
                metrics.resets.lateness.observe((late + took).as_secs_f64());
            }
        }
        if tally.mails {
            wakes.outbox.notify_one();
        }
        if let Some(due) = tally.earliest_due {
            wakes.falls_due(due);
        }
    }
}

/// The outcome of a key that is known already (R17); `replayed` says by whom it was done.
pub(super) fn known(
    key: Option<&Key>, workspace: &WorkspaceId,
    answers: &BTreeMap<(WorkspaceId, String), KeptAnswer>, replayed: bool,
) -> Option<Outcome> {
    let key = key?;
    let kept = answers.get(&(workspace.clone(), key.key.clone()))?;
    if kept.fingerprint != key.fingerprint {
        return Some(Err(SubmitError::KeyMismatch));
    }
    Some(Ok(Reply::Done { body: kept.body.clone(), replayed }))
}

/// Whether an entry is the mark of one seat's reset by time: its message allowance.
fn is_reset(entry: &Entry) -> bool {
    entry.reason == Reason::Allowance
        && entry.kind == Kind::Message
        && entry.cause.as_deref() == Some("clock")
        && matches!(entry.pot, Some(Pot::Seat(_)))
}
