//! What a writer does to a generation in one step, and where its checkpoint is then.

use events::{Position, StreamId};
use uuid::Uuid;

use super::{Checkpoint, Document, Parked};

impl Checkpoint {
    /// What a generation begins with.
    #[must_use]
    pub const fn first(generation: i64) -> Self {
        Self { generation, position: Position::START, revision: 0 }
    }

    /// Where a change leads.
    #[must_use]
    pub fn after(self, change: &Change<'_>) -> Self {
        let changes_parked = !change.parked.is_empty() || !change.freed.is_empty();
        let revision = self.revision + i64::from(changes_parked);
        Self { position: change.to, revision, ..self }
    }
}

/// What becomes of a generation in one step.
#[derive(Debug, Clone, Copy, Default)]
pub struct Change<'a> {
    /// Where its checkpoint is then.
    pub to: Position,
    /// Documents to be replaced or inserted.
    pub documents: &'a [Document],
    /// Documents that are there no more.
    pub removed: &'a [Uuid],
    /// Streams that are left out from now on, or known anew.
    pub parked: &'a [Parked],
    /// Streams that are left out no more.
    pub freed: &'a [StreamId],
}
