//! Typed values out of the merged layers. What does not fit is noted, and reading goes on.

use super::changed::Fingerprints;
use super::layers::BUILT_IN;
use super::{SettingsError, Shown, duration};
use config::{Map, Value, ValueKind};
use creditd_rules::Amount;
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

/// Keys whose values are not shown.
const SECRET: [&str; 3] = ["stripe.webhook_secrets", "stripe.api_key", "traces.headers"];

/// Keys whose values may hold a password between a user and a host.
const WITH_PASSWORD: [&str; 4] =
    ["database.url", "database.migration_url", "database.move_to", "mail.smtp_url"];

/// The key of the list of plans.
const PLANS: &str = "plans";

/// What the errors of an amount say is allowed.
pub(super) const AMOUNT_ALLOWED: &str =
    "a decimal string in quotes with at most 6 decimals, such as \"12\" or \"0.3\"";

/// The merged layers, and what was found to be wrong so far.
#[derive(Debug)]
pub(super) struct Reader {
    /// The tree of values.
    pub(super) root: Value,
    /// What is wrong.
    pub(super) errors: Vec<SettingsError>,
    /// Keys that name files which are read at the start alone, with what they come to.
    pub(super) files: Vec<(&'static str, Vec<u8>)>,
}

impl Reader {
    /// The value under a key such as `server.listen`.
    fn value(&self, key: &str) -> Option<Value> {
        key.split('.').try_fold(&self.root, |value, name| table_of(value)?.get(name)).cloned()
    }

    /// Notes that the value of a key is wrong.
    pub(super) fn wrong(&mut self, key: &str, problem: impl Into<String>) {
        let origin = self.value(key).as_ref().map_or_else(|| BUILT_IN.to_owned(), origin_of);
        self.wrong_at(origin, key, problem);
    }

    /// The same for a value that has no key of its own.
    pub(super) fn wrong_at(&mut self, origin: String, key: &str, problem: impl Into<String>) {
        self.errors.push(SettingsError { origin, key: key.to_owned(), problem: problem.into() });
    }

    /// A text that `parse` takes; `allowed` completes "must be …".
    pub(super) fn text<T>(
        &mut self, key: &str, allowed: &str, parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let value = self.value(key)?;
        let parsed = text_of(&value).and_then(parse);
        if parsed.is_none() {
            self.wrong(key, format!("must be {allowed}, not {}", show(key, &value)));
        }
        parsed
    }

    /// A text whose parser says itself what is wrong.
    pub(super) fn parsed<T>(
        &mut self, key: &str, parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(key, "a text in quotes", |text| Some(text.to_owned()))?;
        parse(&text).map_err(|problem| self.wrong(key, problem)).ok()
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let find = |text: &str| words.iter().find(|(word, _)| *word == text).map(|(_, it)| *it);
        self.text(key, &one_of(words.iter().map(|(word, _)| *word)), find)
    }

    /// A duration.
    pub(super) fn duration(&mut self, key: &str) -> Option<Duration> {
        self.text(key, duration::ALLOWED, duration::parse)
    }

    /// An amount of credits, not below zero.
    pub(super) fn amount(&mut self, key: &str) -> Option<Amount> {
        self.text(key, AMOUNT_ALLOWED, amount)
    }

    /// A whole number in a range.
    pub(super) fn integer<T: TryFrom<i64>>(
        &mut self, key: &str, allowed: RangeInclusive<i64>,
    ) -> Option<T> {
        let value = self.value(key)?;
        let number = integer_of(&value).filter(|number| allowed.contains(number));
        let converted = number.and_then(|number| T::try_from(number).ok());
        if converted.is_none() {
            let (least, most) = (allowed.start(), allowed.end());
            let shown = show(key, &value);
            let problem = format!("must be a whole number from {least} to {most}, not {shown}");
            self.wrong(key, problem);
        }
        converted
    }

    /// True or false.
    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        let value = self.value(key)?;
        if let ValueKind::Boolean(flag) = value.kind {
            return Some(flag);
        }
        self.wrong(key, format!("must be true or false, not {}", show(key, &value)));
        None
    }

    /// A list of texts, each of which `parse` takes; `allowed` completes "must be a list of …".
    pub(super) fn list<T>(
        &mut self, key: &str, allowed: &str, parse: impl Fn(&str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let value = self.value(key)?;
        let items = list_of(&value);
        let parsed = items.and_then(|items| {
            items.iter().map(|item| text_of(item).and_then(&parse)).collect::<Option<Vec<T>>>()
        });
        if parsed.is_none() {
            self.wrong(key, format!("must be a list of {allowed}, not {}", show(key, &value)));
        }
        parsed
    }

    /// A list of durations, at least one.
    pub(super) fn pauses(&mut self, key: &str) -> Option<Vec<Duration>> {
        let pauses =
            self.list(key, &format!("{}; at least one", duration::ALLOWED), duration::parse)?;
        if pauses.is_empty() {
            self.wrong(key, "must name at least one pause");
            return None;
        }
        Some(pauses)
    }

    /// The tables of an array of tables, or the entries of a table, in order.
    pub(super) fn entries(&mut self, key: &str) -> Vec<(String, Entry)> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let mut entries = Vec::new();
        let named: Vec<(String, Value)> = match (table_of(&value), list_of(&value)) {
            (Some(table), _) => sorted(table),
            (None, Some(list)) => {
                let numbered = list.iter().zip(1_usize..);
                numbered.map(|(value, number)| (number.to_string(), value.clone())).collect()
            }
            (None, None) => {
                self.wrong(key, format!("must be tables: [[{key}]]"));
                return entries;
            }
        };
        for (name, value) in named {
            let path = format!("{key}.{name}");
            match table_of(&value) {
                Some(table) => {
                    let origin = origin_of(&value);
                    entries.push((name, Entry { path, origin, table: table.clone() }));
                }
                None => self.wrong_at(origin_of(&value), &path, "must be a table"),
            }
        }
        entries
    }

    /// Every value with its origin, by key.
    pub(super) fn shown(&self) -> Vec<Shown> {
        let mut rows = Vec::new();
        flatten("", &self.root, &mut |key, value| rows.push(shown(key, value)));
        rows
    }

    /// Has a key's value differ where what is in its file does.
    pub(super) fn note_file(&mut self, key: &'static str, file: &Path) {
        // One that cannot be read differs from what was in it.
        let mut value = fs::read(file).unwrap_or_default();
        value.extend(file.as_os_str().as_encoded_bytes());
        self.files.push((key, value));
    }

    /// What every value comes to, by key.
    pub(super) fn fingerprints(&self) -> Fingerprints {
        let mut prints = Fingerprints::default();
        flatten("", &self.root, &mut |key, value| prints.note(key, bare(value).as_bytes()));
        self.files.iter().for_each(|(key, value)| prints.note(key, value));
        prints
    }
}

/// One table of several, such as a plan.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its key, for errors.
    pub(super) path: String,
    /// Where it comes from.
    pub(super) origin: String,
    /// Its values.
    pub(super) table: Map<String, Value>,
}

fn sorted(table: &Map<String, Value>) -> Vec<(String, Value)> {
    let mut entries: Vec<(String, Value)> =
        table.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    entries
}

/// Where a value comes from; for a table, where the first value in it does.
pub(super) fn origin_of(value: &Value) -> String {
    let inner = || {
        let table = table_of(value)?;
        sorted(table).first().map(|(_, first)| origin_of(first))
    };
    value.origin().map(str::to_owned).or_else(inner).unwrap_or_else(|| BUILT_IN.to_owned())
}

/// An amount of credits that is not below zero.
pub(super) fn amount(text: &str) -> Option<Amount> {
    text.parse().ok().filter(|amount: &Amount| !amount.is_negative() && !text.starts_with('-'))
}

/// Words for the operator to choose from.
pub(super) fn one_of<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.map(|word| format!("{word:?}")).collect::<Vec<_>>().join(" or ")
}

pub(super) fn table_of(value: &Value) -> Option<&Map<String, Value>> {
    if let ValueKind::Table(table) = &value.kind { Some(table) } else { None }
}

pub(super) fn list_of(value: &Value) -> Option<&Vec<Value>> {
    if let ValueKind::Array(list) = &value.kind { Some(list) } else { None }
}

pub(super) fn text_of(value: &Value) -> Option<&str> {
    if let ValueKind::String(text) = &value.kind { Some(text) } else { None }
}

pub(super) fn integer_of(value: &Value) -> Option<i64> {
    if let ValueKind::I64(number) = value.kind { Some(number) } else { None }
}

/// Every value that is no table of its own, by key. Plans are one value.
fn flatten(key: &str, value: &Value, each: &mut dyn FnMut(&str, &Value)) {
    match table_of(value).filter(|_| key != PLANS) {
        Some(table) => {
            for (name, inner) in sorted(table) {
                let key = if key.is_empty() { name } else { format!("{key}.{name}") };
                flatten(&key, &inner, each);
            }
        }
        None => each(key, value),
    }
}

/// A value as it is shown; of plans, just their ids.
fn shown(key: &str, value: &Value) -> Shown {
    let ids = || {
        let ids = list_of(value).into_iter().flatten().filter_map(|plan| table_of(plan)?.get("id"));
        ids.map(bare).collect::<Vec<_>>().join(", ")
    };
    let text = if key == PLANS { ids() } else { show(key, value) };
    Shown { key: key.to_owned(), value: text, origin: origin_of(value) }
}

/// A value as TOML; secrets are hidden.
pub(super) fn show(key: &str, value: &Value) -> String {
    if SECRET.contains(&key) {
        let empty =
            text_of(value).is_some_and(str::is_empty) || list_of(value).is_some_and(Vec::is_empty);
        return if empty { bare(value) } else { "(hidden)".to_owned() };
    }
    if WITH_PASSWORD.contains(&key) {
        return text_of(value)
            .map_or_else(|| "(hidden)".to_owned(), |url| format!("{:?}", without_password(url)));
    }
    bare(value)
}

fn bare(value: &Value) -> String {
    match (&value.kind, table_of(value), list_of(value)) {
        (ValueKind::String(text), ..) => format!("{text:?}"),
        (_, Some(table), _) => {
            let inner = sorted(table).into_iter().map(|(key, it)| format!("{key} = {}", bare(&it)));
            format!("{{ {} }}", inner.collect::<Vec<_>>().join(", "))
        }
        (_, _, Some(list)) => {
            format!("[{}]", list.iter().map(bare).collect::<Vec<_>>().join(", "))
        }
        _ => value.to_string(),
    }
}

/// A URL whose password is hidden; one that cannot be told apart is hidden whole.
pub(super) fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return if url.contains('@') { "(hidden)".to_owned() } else { url.to_owned() };
    };
    if rest.contains("password=") {
        return format!("{scheme}://(hidden)");
    }
    match rest.rsplit_once('@') {
        None => url.to_owned(),
        Some((user, host)) => {
            let user = user.split_once(':').map_or(user, |(user, _)| user);
            format!("{scheme}://{user}:(hidden)@{host}")
        }
    }
}
