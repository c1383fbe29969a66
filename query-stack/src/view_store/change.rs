//! A change of a generation in one transaction, and the checkpoint after it.

use events::{Position, StreamId};
use uuid::Uuid;

use super::{Checkpoint, Document, Parked};

impl Checkpoint {
    /// The checkpoint of an empty generation.
    #[must_use]
    pub const fn first(generation: i64) -> Self {
        Self { generation, position: Position::START, revision: 0 }
    }

    /// The checkpoint after a change.
    #[must_use]
    pub fn after(self, change: &Change<'_>) -> Self {
        let changes_parked = !change.parked.is_empty() || !change.freed.is_empty();
        let revision = self.revision + i64::from(changes_parked);
        Self { position: change.to, revision, ..self }
    }
}

/// A change of a generation in one transaction.
#[derive(Debug, Clone, Copy, Default)]
pub struct Change<'a> {
    /// The position after it.
    pub to: Position,
    /// Documents to insert or replace.
    pub documents: &'a [Document],
    /// Documents to delete.
    pub removed: &'a [Uuid],
    /// Streams to park, or whose record changes.
    pub parked: &'a [Parked],
    /// Streams that are no longer parked.
    pub freed: &'a [StreamId],
}
