//! Pages of lists, the newest first.

use super::{Call, Reply};
use crate::calendar::Instant;
use crate::fault::Fault;
use crate::object::{Object, Table};
use serde_json::{Value, json};
use std::sync::Arc;

/// The most objects of one page.
const LIMIT_MAX: usize = 100;

/// The objects of a page, unless the list says otherwise.
const LIMIT: usize = 10;

/// Which page is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    limit: usize,
    starting_after: Option<String>,
    ending_before: Option<String>,
}

impl Page {
    pub(super) fn read(call: &mut Call<'_>) -> Result<Self, Fault> {
        let limit = call.form.number("limit")?.unwrap_or(LIMIT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            let message = format!("Invalid limit: must be between 1 and {LIMIT_MAX}.");
            return Err(Fault::param("limit", message));
        }
        let starting_after = call.form.text("starting_after");
        let ending_before = call.form.text("ending_before");
        if starting_after.is_some() && ending_before.is_some() {
            let message = "You can only specify one of starting_after or ending_before.";
            return Err(Fault::param("ending_before", message));
        }
        Ok(Self { limit, starting_after, ending_before })
    }

    /// The page of what is listed newest first. `starting_after` goes on with older ones;
    /// `ending_before` gives those next newer than the one it names, again the newest first.
    pub(super) fn of<T: Object>(
        &self, newest_first: &[Arc<T>], kind: &str,
    ) -> Result<(Vec<Arc<T>>, bool), Fault> {
        let place = |param: &str, id: &str| {
            let place = newest_first.iter().position(|object| object.id() == id);
            place.ok_or_else(|| Fault::missing_param(param, kind, id))
        };
        if let Some(id) = &self.ending_before {
            let end = place("ending_before", id)?;
            let start = end.saturating_sub(self.limit);
            return Ok((newest_first[start..end].to_vec(), start > 0));
        }
        let start = match &self.starting_after {
            Some(id) => place("starting_after", id)? + 1,
            None => 0,
        };
        let end = newest_first.len().min(start + self.limit);
        Ok((newest_first[start..end].to_vec(), end < newest_first.len()))
    }
}

/// Bounds on when something was made: `created`, `created[gte]`, ….
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Created {
    at: Option<Instant>,
    gt: Option<Instant>,
    gte: Option<Instant>,
    lt: Option<Instant>,
    lte: Option<Instant>,
}

impl Created {
    pub(super) fn read(call: &mut Call<'_>) -> Result<Self, Fault> {
        let at = call.form.instant("created")?;
        let mut bounds = call.form.under("created");
        let read = Self {
            at,
            gt: bounds.instant("gt")?,
            gte: bounds.instant("gte")?,
            lt: bounds.instant("lt")?,
            lte: bounds.instant("lte")?,
        };
        bounds.finish()?;
        Ok(read)
    }

    pub(super) fn holds(&self, created: Instant) -> bool {
        self.at.is_none_or(|bound| created == bound)
            && self.gt.is_none_or(|bound| created > bound)
            && self.gte.is_none_or(|bound| created >= bound)
            && self.lt.is_none_or(|bound| created < bound)
            && self.lte.is_none_or(|bound| created <= bound)
    }
}

/// The page of a table that is asked for.
pub(super) fn list<T: Object>(
    call: &mut Call<'_>, kind: &str, table: impl Fn(&crate::Stripe) -> &Table<T>,
    wanted: impl Fn(&T) -> bool, render: impl Fn(&crate::Stripe, &T) -> Value,
) -> Reply {
    let page = Page::read(call)?;
    let newest_first: Vec<_> =
        table(call.stripe).iter().rev().filter(|object| wanted(object)).cloned().collect();
    let (shown, has_more) = page.of(&newest_first, kind)?;
    let data: Vec<_> = shown.iter().map(|object| render(call.stripe, object)).collect();
    Ok(json!({ "object": "list", "data": data, "has_more": has_more, "url": call.path }))
}
