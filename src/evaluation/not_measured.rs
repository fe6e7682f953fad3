//! What could not be measured, as all workers find out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Serialize, Serializer};

/// Statements on what could not be measured and what to do about it. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct NotMeasured(Arc<Mutex<Vec<String>>>);

impl NotMeasured {
    /// Adds a statement.
    pub fn add(&self, statement: String) {
        self.lock().push(statement);
    }

    /// All so far.
    pub fn statements(&self) -> Vec<String> {
        self.lock().clone()
    }

    /// A statement is whole before it is added, so a worker's panic leaves the list valid.
    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IntoIterator for &NotMeasured {
    type Item = String;
    type IntoIter = std::vec::IntoIter<String>;

    fn into_iter(self) -> Self::IntoIter {
        self.statements().into_iter()
    }
}

impl Serialize for NotMeasured {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self)
    }
}
