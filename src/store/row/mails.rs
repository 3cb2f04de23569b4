//! Mails and alerts as rows.

use super::{Corrupt, Text, row, us};
use crate::store::postgres::bucket;
use crate::store::{Change, MailState, Promised};
use chrono::{DateTime, Utc};
use creditd_rules::Instant;
use creditd_rules::command::{Mail, MailTemplate};
use std::sync::Mutex;
use uuid::{ContextV7, Timestamp, Uuid};

row! {
    /// A mail to promise.
    pub(super) struct MailRow<'a> {
        id: Text<'a>,
        workspace: Text<'a>,
        account: Text<'a>,
        template: Text<'a>,
        recipient: Text<'a>,
        name: Option<Text<'a>>,
        locale: Option<Text<'a>>,
        kind: Text<'a>,
        spendable_uc: i64,
        allowance_uc: i64,
        resets_at_us: Option<i64>,
        created_at_us: i64,
        state: Text<'a>,
        next_attempt_at_us: i64,
        trace: Option<Text<'a>>,
    }
}

impl<'a> MailRow<'a> {
    fn of(change: &'a Change, promised: &'a Promised, now: Instant, wall: DateTime<Utc>) -> Self {
        let Promised { mail, trace } = promised;
        let Mail { template, account, to, name, locale, kind, spendable, allowance, resets_at } =
            mail;
        // Whoever was closed by the same batch is not told, and nothing of the person stays.
        let erased = change.erased.contains(account);
        let state = if erased { MailState::Dropped } else { MailState::Queued };
        let kept = |text: &'a Option<String>| text.as_deref().filter(|_| !erased).map(Text::from);
        Self {
            id: new_id(wall, change.after.id.as_str()).to_string().into(),
            workspace: change.after.id.as_str().into(),
            account: account.as_str().into(),
            template: template_text(*template).into(),
            recipient: if erased { "" } else { to.as_str() }.into(),
            name: kept(name),
            locale: kept(locale),
            kind: kind.as_str().into(),
            spendable_uc: spendable.micros(),
            allowance_uc: allowance.micros(),
            resets_at_us: resets_at.map(us),
            created_at_us: us(now.max(change.after.decided_at)),
            state: state_text(state).into(),
            next_attempt_at_us: us(wall),
            trace: trace.map(|trace| trace.to_string().into()),
        }
    }
}

/// The mails of a change that was decided at `now`.
pub(in crate::store) fn mails(
    change: &Change, now: Instant, wall: DateTime<Utc>,
) -> impl Iterator<Item = MailRow<'_>> {
    change.mails.iter().map(move |promised| MailRow::of(change, promised, now, wall))
}

/// Makes ids of one millisecond rise too.
static IDS: Mutex<ContextV7> = Mutex::new(ContextV7::new());

/// An id that rises with time and ends in the bucket of the mail's workspace: PostgreSQL finds a
/// mail by its id alone, and a mail keeps its id when it moves there from SQLite.
fn new_id(wall: DateTime<Utc>, workspace: &str) -> Uuid {
    let seconds = u64::try_from(wall.timestamp()).unwrap_or(0);
    let id = Uuid::new_v7(Timestamp::from_unix(&IDS, seconds, wall.timestamp_subsec_nanos()));
    let mut bytes = id.into_bytes();
    if let (Some(last), Ok(bucket)) = (bytes.last_mut(), u8::try_from(bucket(workspace))) {
        *last = bucket;
    }
    Uuid::from_bytes(bytes)
}

/// A template's name in the store.
pub(in crate::store) const fn template_text(template: MailTemplate) -> &'static str {
    match template {
        MailTemplate::RunOut => "run_out",
        MailTemplate::Warning => "warning",
    }
}

/// A mail's template, read.
pub(in crate::store) fn read_template(text: &str) -> Result<MailTemplate, Corrupt> {
    [MailTemplate::RunOut, MailTemplate::Warning]
        .into_iter()
        .find(|template| template_text(*template) == text)
        .ok_or_else(|| Corrupt::new("a mail's template", text))
}

/// A state's name in the store.
pub(in crate::store) const fn state_text(state: MailState) -> &'static str {
    match state {
        MailState::Queued => "queued",
        MailState::Sent => "sent",
        MailState::Parked => "parked",
        MailState::Dropped => "dropped",
    }
}

/// A state, read.
pub(in crate::store) fn read_state(text: &str) -> Result<MailState, Corrupt> {
    [MailState::Queued, MailState::Sent, MailState::Parked, MailState::Dropped]
        .into_iter()
        .find(|state| state_text(*state) == text)
        .ok_or_else(|| Corrupt::new("a mail's state", text))
}
