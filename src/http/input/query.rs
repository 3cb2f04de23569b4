//! Parts of the path and query parameters.

use super::super::problem::{Fault, Problem};
use super::field::{Field, ID_RULE, Whole};
use crate::store::PageQuery;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use creditd_rules::id;
use serde_json::Value;
use std::collections::BTreeMap;

/// The longest cursor that is looked at, in bytes.
const CURSOR_LENGTH_MAX: usize = 512;

/// The one id in the path.
#[derive(Debug)]
pub(crate) struct PathId<T>(pub(crate) T);

impl<T: From<String>, S: Send + Sync> FromRequestParts<S> for PathId<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(text)) if id::is_valid(&text) => Ok(Self(text.into())),
            _ => Err(Problem::invalid_at("{id}", ID_RULE)),
        }
    }
}

/// The query parameters on their way to being read; unknown ones are refused.
#[derive(Debug)]
pub(crate) struct Params {
    values: BTreeMap<String, String>,
    faults: Vec<Fault>,
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|_| Problem::invalid_at("?", "is not a readable query"))?;
        let (mut values, mut faults) = (BTreeMap::new(), Vec::new());
        for (name, value) in pairs {
            if values.contains_key(&name) {
                faults.push(Fault::new(format!("?{}", shown(&name)), "is given twice"));
            }
            values.insert(name, value);
        }
        Ok(Self { values, faults })
    }
}

impl Params {
    /// A parameter's value, as a body's field of the same type would be read.
    pub(crate) fn take<T: Field>(&mut self, name: &'static str) -> Option<T> {
        self.take_as(name, Value::String)
    }

    /// A whole number.
    pub(crate) fn number<const MIN: u64, const MAX: u64>(
        &mut self, name: &'static str,
    ) -> Option<Whole<MIN, MAX>> {
        self.take_as(name, |text| text.parse::<u64>().map_or(Value::Null, Value::from))
    }

    /// `limit` and `cursor` of a list.
    pub(crate) fn page(&mut self) -> PageQuery {
        let limit = self.number::<1, 1_000>("limit").map_or(50, Whole::get);
        let cursor = self.values.remove("cursor");
        let sound = |text: &String| {
            (1..=CURSOR_LENGTH_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
        };
        if cursor.as_ref().is_some_and(|text| !sound(text)) {
            self.fault("?cursor", "must be the next_cursor of an earlier answer");
        }
        PageQuery { limit, cursor }
    }

    /// Notes a fault that the caller found.
    pub(crate) fn fault(&mut self, pointer: &'static str, detail: &'static str) {
        self.faults.push(Fault::new(pointer, detail));
    }

    /// Ends the reading: everything that is wrong, or nothing.
    pub(crate) fn finish(mut self) -> Result<(), Problem> {
        for name in self.values.keys() {
            let pointer = format!("?{}", shown(name));
            self.faults.push(Fault::new(pointer, "is not a known parameter"));
        }
        if self.faults.is_empty() { Ok(()) } else { Err(Problem::invalid(self.faults)) }
    }

    fn take_as<T: Field>(
        &mut self, name: &'static str, value: impl FnOnce(String) -> Value,
    ) -> Option<T> {
        match T::read(value(self.values.remove(name)?)) {
            Ok(read) => Some(read),
            Err(detail) => {
                self.faults.push(Fault::new(format!("?{name}"), detail));
                None
            }
        }
    }
}

/// As much of a name as an answer repeats.
fn shown(name: &str) -> String {
    name.chars().take(100).collect()
}
