//! Reading requests strictly: everything that is wrong is told at once, with its place.

pub(crate) mod field;
mod members;
pub(crate) mod query;

pub(crate) use members::Members;

use super::problem::{Fault, Problem};
use field::Field;
use serde_json::Value;
use std::collections::BTreeMap;

/// A request's body: its fields are read, checked and described in one place.
pub(crate) trait Body: Sized {
    /// Takes every field that the body may have; none where one of them is wrong.
    fn take(fields: &mut Fields) -> Option<Self>;
}

/// Declares a request's body: the struct, its reading and its description.
macro_rules! body {
    ($(#[$meta:meta])* pub(crate) struct $name:ident {
        $($(#[$field_meta:meta])* $field:ident: $type:ty,)*
    }) => {
        $(#[$meta])*
        #[derive(Debug, utoipa::ToSchema)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $name { $($(#[$field_meta])* pub(crate) $field: $type,)* }

        impl $crate::http::input::Body for $name {
            fn take(fields: &mut $crate::http::input::Fields) -> Option<Self> {
                $(let $field = fields.take::<$type>(stringify!($field));)*
                Some(Self { $($field: $field?,)* })
            }
        }
    };
}
pub(crate) use body;

/// The members of a JSON object on their way to becoming a body.
#[derive(Debug)]
pub(crate) struct Fields {
    values: BTreeMap<String, Value>,
    faults: Vec<Fault>,
}

impl Fields {
    /// The field `name`, which is then no longer unknown.
    pub(crate) fn take<T: Field>(&mut self, name: &'static str) -> Option<T> {
        let read = match self.values.remove(name) {
            Some(value) => T::read(value),
            None => T::missing().ok_or_else(|| "must be given".into()),
        };
        match read {
            Ok(value) => Some(value),
            Err(detail) => {
                self.faults.push(Fault::new(format!("/{name}"), detail));
                None
            }
        }
    }
}

/// Reads a body that must be a JSON object with known fields alone.
pub(crate) fn read<T: Body>(body: &[u8]) -> Result<T, Problem> {
    let Members { values, twice } = members(body)?;
    let faults = twice.iter().map(|name| Fault::new(pointer_to(name), "is given twice")).collect();
    let mut fields = Fields { values, faults };
    let read = T::take(&mut fields);
    let Fields { values, mut faults } = fields;
    faults.extend(values.keys().map(|name| unknown_field(name)));
    match read {
        Some(read) if faults.is_empty() => Ok(read),
        _ => Err(Problem::invalid(faults)),
    }
}

/// The same where no body at all means `{}`.
pub(crate) fn read_or_empty<T: Body>(body: &[u8]) -> Result<T, Problem> {
    if body.iter().all(u8::is_ascii_whitespace) { read(b"{}") } else { read(body) }
}

/// A body without fields.
#[derive(Debug, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

impl Body for Nothing {
    fn take(_: &mut Fields) -> Option<Self> {
        Some(Self {})
    }
}

/// The members of a body that must be a JSON object.
pub(crate) fn members<'a, T: serde::Deserialize<'a>>(
    body: &'a [u8],
) -> Result<Members<T>, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        if error.is_data() {
            Problem::invalid_at("", "must be a JSON object")
        } else {
            malformed(&error)
        }
    })
}

/// A body that is no JSON, by the place where it stops being some.
pub(crate) fn malformed(error: &serde_json::Error) -> Problem {
    if error.is_eof() && error.column() == 0 {
        return Problem::invalid_at("", "must be a JSON object, and is empty");
    }
    let place = format!("is no valid JSON at line {} column {}", error.line(), error.column());
    Problem::invalid_at("", place)
}

fn unknown_field(name: &str) -> Fault {
    Fault::new(pointer_to(name), "is not a known field")
}

/// A JSON pointer to a member, of which as much is repeated as makes sense.
pub(crate) fn pointer_to(name: &str) -> String {
    let shown: String = name.chars().take(100).collect();
    format!("/{}", shown.replace('~', "~0").replace('/', "~1"))
}
