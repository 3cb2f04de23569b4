//! A map of what was used lately.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::mem;

/// Remembers so many things at least, once as many were put, and twice as many at most.
///
/// There are two generations. When the recent one is full it becomes the older one, and what the
/// older one held is forgotten.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    enough: usize,
    recent: HashMap<K, V>,
    older: HashMap<K, V>,
}

impl<K: Eq + Hash, V> Recent<K, V> {
    /// Nothing yet; `enough` things are remembered at least.
    pub(super) fn new(enough: usize) -> Self {
        Self { enough, recent: HashMap::new(), older: HashMap::new() }
    }

    /// What was put under a key, unless that was long ago.
    pub(super) fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.recent.get(key).or_else(|| self.older.get(key))
    }

    /// The same, and counts as a use.
    pub(super) fn touch<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        if let Some((key, value)) = self.older.remove_entry(key) {
            self.put(key, value);
        }
        self.recent.get(key)
    }

    /// Remembers a thing in the place of what was put under its key before.
    pub(super) fn put(&mut self, key: K, value: V) {
        self.older.remove(&key);
        if self.recent.len() >= self.enough && !self.recent.contains_key(&key) {
            self.older = mem::take(&mut self.recent);
        }
        self.recent.insert(key, value);
    }

    /// Takes a thing out.
    pub(super) fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.recent.remove(key).or_else(|| self.older.remove(key))
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.recent.clear();
        self.older.clear();
    }

    /// How many things are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.recent.len() + self.older.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENOUGH: usize = 10;

    #[test]
    fn what_was_put_long_ago_is_forgotten() {
        let mut recent = Recent::new(ENOUGH);
        for number in 0..4 * ENOUGH {
            recent.put(number, ());
            assert!(recent.len() <= 2 * ENOUGH);
        }
        let known = (0..4 * ENOUGH).filter(|number| recent.get(number).is_some()).count();
        assert!(known >= ENOUGH && recent.get(&0).is_none());
    }

    #[test]
    fn what_is_touched_stays() {
        let mut recent = Recent::new(ENOUGH);
        for number in 0..4 * ENOUGH {
            recent.put(number, ());
            assert_eq!(recent.touch(&0), Some(&()));
        }
    }

    #[test]
    fn a_thing_is_there_once() {
        let mut recent = Recent::new(1);
        for (key, value) in [("a", 1), ("b", 2), ("a", 3)] {
            recent.put(key, value);
        }
        assert_eq!((recent.get("a"), recent.len()), (Some(&3), 2));
        assert_eq!(recent.remove("a"), Some(3));
        assert_eq!(recent.get("a"), None);
        assert_eq!(recent.remove("a"), None);
        recent.clear();
        assert_eq!(recent.len(), 0);
    }
}
