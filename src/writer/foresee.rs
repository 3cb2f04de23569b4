//! What a command would do, without doing it: it is loaded and decided as the writer decides it, and
//! nothing is written.

use super::batch::{self, Batch};
use super::{Reply, Request, SubmitError};
use crate::store::{Change, Store, StoreError};
use creditd_rules::plan::Catalogue;
use std::sync::Arc;

/// What decides without writing.
#[derive(Clone)]
pub struct Foresight {
    /// What is decided on.
    pub store: Arc<dyn Store>,
    /// Plans, actions and choices.
    pub catalogue: Catalogue,
}

/// A decision that was taken and not written.
#[derive(Debug)]
pub struct Foreseen {
    /// What the caller would be answered.
    pub outcome: Result<Reply, SubmitError>,
    /// What would be written; none where nothing would change.
    pub change: Option<Change>,
}

impl Foresight {
    /// Decides `request` on what is stored now. What is so decided need not hold a moment later.
    ///
    /// # Errors
    /// Says why there is no decision; nothing was changed in any case.
    pub async fn foresee(&self, request: &Request) -> Result<Foreseen, SubmitError> {
        let mut batch = Batch::default();
        let mut changes = Vec::new();
        let decided = self
            .store
            .transact(&[batch::job(request)], &mut |loaded| {
                changes = batch.decide(&[request], loaded, &self.catalogue);
                Vec::new()
            })
            .await;
        decided.map_err(|error| match error {
            StoreError::Refused(cause) => SubmitError::Refused(cause),
            StoreError::Unavailable(_) | StoreError::Conflict | StoreError::OutcomeUnknown => {
                SubmitError::Unavailable
            }
        })?;
        let undecided = || SubmitError::Refused("it cannot be decided".into());
        let outcome = batch.outcomes.pop().ok_or_else(undecided)?;
        Ok(Foreseen { outcome, change: changes.pop() })
    }
}
