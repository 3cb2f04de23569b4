//! Values that are replaced while they are used: what a reload brings.

use std::sync::{Arc, PoisonError, RwLock};

/// A value that can be replaced. Every clone shows the same one.
///
/// Whoever does one thing takes the value once, with [`Self::now`], and uses that to the end: so a
/// batch is decided by one catalogue, and a mail is written by one set of templates.
#[derive(Debug)]
pub struct Live<T>(Arc<RwLock<Arc<T>>>);

impl<T> Live<T> {
    /// Holds `value` until it is replaced.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(value))))
    }

    /// The value that holds now.
    #[must_use]
    pub fn now(&self) -> Arc<T> {
        // A thread that panicked with the lock in its hand left a whole value behind.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on `value` holds. Whoever took the one before goes on with that.
    pub fn replace(&self, value: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
    }
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_clone_shows_what_was_brought_last_and_what_was_taken_stays() {
        let live = Live::new(1);
        let (clone, taken) = (live.clone(), live.now());
        live.replace(2);
        assert_eq!((*clone.now(), *taken), (2, 1));
    }
}
