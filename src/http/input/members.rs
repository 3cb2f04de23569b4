//! The members of a JSON object, and which of them are there twice: two readers of such an object
//! may take different ones, and nobody knows which was meant.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

/// An object's members by name.
#[derive(Debug)]
pub(crate) struct Members<T> {
    /// What each is; of one that is there twice, the last.
    pub(crate) values: BTreeMap<String, T>,
    /// Names that are there more than once.
    pub(crate) twice: Vec<String>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Members<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Object(PhantomData))
    }
}

struct Object<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
    type Value = Members<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<T>, A::Error> {
        let (mut values, mut twice) = (BTreeMap::new(), Vec::new());
        while let Some((name, value)) = map.next_entry::<String, T>()? {
            if values.contains_key(&name) && !twice.contains(&name) {
                twice.push(name.clone());
            }
            values.insert(name, value);
        }
        Ok(Members { values, twice })
    }
}
