//! `creditd inbox …` and `creditd outbox …`: what came from Stripe, what goes out as mail.
//!
//! Lists show neither addresses nor bodies; `inbox show` shows the body that it is asked for.

use super::args::{Inbox, Outbox, Picked};
use super::table;
use crate::clock;
use crate::store::{
    EventState, MailState, NewEvent, PageQuery, Store, StoreResult, StoredEvent, StoredMail,
};
use crate::traces::Traceparent;
use anyhow::bail;
use serde::Serialize;
use serde_json::{Value, json};
use std::io::Write;

/// Rows of one page when all of a state are wanted.
const PAGE: u32 = 500;

/// `creditd inbox …`.
pub(super) async fn inbox(
    store: &dyn Store, what: Inbox, out: &mut dyn Write,
) -> anyhow::Result<()> {
    match what {
        Inbox::List { state, limit, form } => {
            let query = PageQuery { limit, cursor: None };
            let page = store.events(state.map(EventState::from), &query).await?;
            if form.json {
                return table::json(out, &page.rows.iter().map(event_json).collect::<Vec<_>>());
            }
            let rows: Vec<_> = page.rows.iter().map(event_row).collect();
            table::write(
                out,
                ["ID", "TYPE", "STATE", "RECEIVED", "TRIES", "WAITS FOR", "NOTE"],
                &rows,
            )?;
        }
        Inbox::Show { id, form } => {
            let Some(event) = store.event(&id).await? else { bail!("there is no event {id}") };
            let body = event_body(&event.event.body);
            if form.json {
                let mut all = event_json(&event);
                all["body"] = body;
                return table::json(out, &all);
            }
            for (name, value) in event_fields(&event) {
                writeln!(out, "{name:<12}{value}")?;
            }
            let text = match body.as_str() {
                Some(text) => text.to_owned(),
                None => serde_json::to_string_pretty(&body)?,
            };
            writeln!(out, "\n{text}")?;
        }
        Inbox::Replay { picked, rehearsal } => {
            let ids = if picked.parked {
                parked_events(store).await?
            } else {
                known_events(store, picked).await?
            };
            if rehearsal.dry_run {
                return would(&ids, "event", "applied once more", out);
            }
            for id in &ids {
                store.mark_event(id, EventState::Pending, None, None).await?;
            }
            writeln!(
                out,
                "{} pending; the daemon applies them in order",
                count(ids.len(), "event")
            )?;
        }
    }
    Ok(())
}

/// The named events, each of which must exist before any is touched.
async fn known_events(store: &dyn Store, picked: Picked) -> anyhow::Result<Vec<String>> {
    for id in &picked.ids {
        if store.event(id).await?.is_none() {
            bail!("there is no event {id}; nothing was replayed");
        }
    }
    Ok(picked.ids)
}

async fn parked_events(store: &dyn Store) -> StoreResult<Vec<String>> {
    let mut ids = Vec::new();
    let mut query = PageQuery { limit: PAGE, cursor: None };
    loop {
        let page = store.events(Some(EventState::Parked), &query).await?;
        ids.extend(page.rows.into_iter().map(|event| event.event.id));
        query.cursor = page.next;
        if query.cursor.is_none() {
            // Listed newest first, applied oldest first.
            ids.reverse();
            return Ok(ids);
        }
    }
}

/// `creditd outbox …`.
pub(super) async fn outbox(
    store: &dyn Store, what: Outbox, out: &mut dyn Write,
) -> anyhow::Result<()> {
    match what {
        Outbox::List { state, limit, form } => {
            let query = PageQuery { limit, cursor: None };
            let page = store.mails(state.map(MailState::from), &query).await?;
            if form.json {
                return table::json(out, &page.rows.iter().map(mail_json).collect::<Vec<_>>());
            }
            let rows: Vec<_> = page.rows.iter().map(mail_row).collect();
            let headings =
                ["ID", "MAIL", "ACCOUNT", "STATE", "PROMISED", "TRIES", "NEXT OR SENT", "ERROR"];
            table::write(out, headings, &rows)?;
        }
        Outbox::Retry { picked, rehearsal } if rehearsal.dry_run => {
            let parked = parked_mails(store).await?;
            if let Some(other) = picked.ids.iter().find(|id| !parked.contains(id)) {
                bail!("there is no parked mail {other}");
            }
            let ids = if picked.parked { parked } else { picked.ids };
            would(&ids, "mail", "queued", out)?;
        }
        Outbox::Retry { picked, .. } => {
            let ids = if picked.parked { parked_mails(store).await? } else { picked.ids };
            let mut retried: usize = 0;
            for id in &ids {
                if store.retry_mail(id, clock::wall()).await? {
                    retried = retried.saturating_add(1);
                } else if !picked.parked {
                    bail!(
                        "there is no parked mail {id}; {} queued before it",
                        count(retried, "mail")
                    );
                }
            }
            writeln!(out, "{} queued; the daemon tries them now", count(retried, "mail"))?;
        }
    }
    Ok(())
}

async fn parked_mails(store: &dyn Store) -> StoreResult<Vec<String>> {
    let mut ids = Vec::new();
    let mut query = PageQuery { limit: PAGE, cursor: None };
    loop {
        let page = store.mails(Some(MailState::Parked), &query).await?;
        ids.extend(page.rows.into_iter().map(|mail| mail.id));
        query.cursor = page.next;
        if query.cursor.is_none() {
            return Ok(ids);
        }
    }
}

/// Says what a change would be made to.
fn would(ids: &[String], thing: &str, what: &str, out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(out, "dry run: {} would be {what}", count(ids.len(), thing))?;
    for id in ids {
        writeln!(out, "{id}")?;
    }
    Ok(())
}

fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// A state's name as the store and the settings have it.
fn word(state: &impl Serialize) -> String {
    let value = serde_json::to_value(state).unwrap_or_default();
    value.as_str().unwrap_or("?").to_owned()
}

fn event_row(stored: &StoredEvent) -> [String; 7] {
    let NewEvent { id, kind, state, note, received_at, .. } = &stored.event;
    [
        id.clone(),
        kind.clone(),
        word(state),
        table::instant(Some(*received_at)),
        stored.attempts.to_string(),
        table::text(stored.waits_for.as_deref()),
        table::text(note.as_deref()),
    ]
}

fn event_fields(stored: &StoredEvent) -> [(&'static str, String); 11] {
    let event = &stored.event;
    let mode = event.livemode.map(|live| if live { "live" } else { "test" });
    [
        ("id", event.id.clone()),
        ("type", event.kind.clone()),
        ("state", word(&event.state)),
        ("note", table::text(event.note.as_deref())),
        ("waits for", table::text(stored.waits_for.as_deref())),
        ("created", table::instant(event.created)),
        ("received", table::instant(Some(event.received_at))),
        ("handled", table::instant(stored.handled_at)),
        ("tries", stored.attempts.to_string()),
        ("trace", table::text(trace_id(event.trace).as_deref())),
        (
            "api, mode",
            format!("{}, {}", table::text(event.api_version.as_deref()), table::text(mode)),
        ),
    ]
}

fn event_json(stored: &StoredEvent) -> Value {
    let event = &stored.event;
    json!({
        "id": event.id,
        "type": event.kind,
        "state": event.state,
        "note": event.note,
        "waits_for": stored.waits_for,
        "arrival": stored.arrival,
        "attempts": stored.attempts,
        "created": event.created,
        "received_at": event.received_at,
        "handled_at": stored.handled_at,
        "api_version": event.api_version,
        "livemode": event.livemode,
        "trace_id": trace_id(event.trace),
    })
}

/// The trace that something is part of, by its id.
fn trace_id(trace: Option<Traceparent>) -> Option<String> {
    trace.map(|trace| trace.trace_id())
}

/// The body as JSON where it is some, else as text.
fn event_body(body: &[u8]) -> Value {
    serde_json::from_slice(body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()))
}

fn mail_row(mail: &StoredMail) -> [String; 8] {
    let next = match mail.state {
        MailState::Queued => Some(mail.next_attempt_at),
        MailState::Sent => mail.sent_at,
        MailState::Parked | MailState::Dropped => None,
    };
    [
        mail.id.clone(),
        format!("{} {}", word(&mail.mail.template), mail.mail.kind),
        mail.mail.account.to_string(),
        word(&mail.state),
        table::instant(Some(mail.created_at)),
        mail.attempts.to_string(),
        table::instant(next),
        table::text(mail.last_error.as_deref()),
    ]
}

fn mail_json(mail: &StoredMail) -> Value {
    json!({
        "id": mail.id,
        "template": mail.mail.template,
        "workspace": mail.workspace,
        "account": mail.mail.account,
        "kind": mail.mail.kind,
        "state": mail.state,
        "created_at": mail.created_at,
        "attempts": mail.attempts,
        "next_attempt_at": mail.next_attempt_at,
        "sent_at": mail.sent_at,
        "last_error": mail.last_error,
        "trace_id": trace_id(mail.trace),
    })
}
