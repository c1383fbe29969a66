//! From events to changed documents, and into the store: what the projector and the rebuild share.

use std::collections::HashMap;
use std::sync::Arc;

use events::bus::Queue;
use events::{BoxError, Category, LogError, Partition, Position, RecordedEvent};
use uuid::Uuid;

use crate::view_store::{ApplyError, Checkpoint, Document, Slot, Unavailable, View, ViewStore};
use crate::{articles, users};

/// Why a view could not be advanced.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// The event cannot be read, or cannot follow what the view has.
    #[error("position {position} cannot be projected")]
    Poison {
        /// Which event.
        position: Position,
        /// Why.
        source: BoxError,
    },
    /// See [`ApplyError::Moved`].
    #[error("another writer moved the checkpoint")]
    Moved,
    /// The view store does not answer.
    #[error(transparent)]
    Store(#[from] Unavailable),
    /// The log does not answer.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl From<ApplyError> for ProjectError {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Moved => Self::Moved,
            ApplyError::Unavailable(error) => Self::Store(error),
        }
    }
}

/// The views of a portal with these categories: the articles of each, and the users.
#[must_use]
pub fn views(categories: &[Category]) -> Vec<View> {
    let news = categories.iter().cloned().map(Partition::News);
    news.chain([Partition::Users]).map(View::of).collect()
}

impl View {
    /// The view that is kept of a partition.
    #[must_use]
    pub fn of(partition: Partition) -> Self {
        Self { projection: Queue::of(&partition).projection, partition }
    }
}

/// The documents after these events, which are in order; only those that changed. Events that a
/// document already has are passed over: that makes at-least-once delivery harmless.
///
/// # Errors
/// [`ProjectError::Poison`] names the event that cannot be taken.
pub(crate) fn fold(
    partition: &Partition,
    mut documents: HashMap<Uuid, Document>,
    events: &[RecordedEvent],
) -> Result<Vec<Document>, ProjectError> {
    let project = match partition {
        Partition::News(_) => articles::project,
        Partition::Users => users::project,
    };
    let mut changed = HashMap::new();
    for recorded in events {
        let poison = |source| ProjectError::Poison { position: recorded.position, source };
        let stamp = recorded.stamp().map_err(|error| poison(error.into()))?;
        let before = changed.remove(&stamp.id).or_else(|| documents.remove(&stamp.id));
        if let Some(newer) = before.as_ref().filter(|known| known.version >= stamp.version) {
            changed.insert(stamp.id, newer.clone());
            continue;
        }
        if let Some(older) = before.as_ref().filter(|known| known.version.next() != stamp.version) {
            let gap = format!("version {} follows {}", stamp.version, older.version);
            return Err(poison(gap.into()));
        }
        let event = recorded.decode().map_err(|error| poison(error.into()))?;
        if let Some(after) = project(before, event, stamp).map_err(poison)? {
            changed.insert(stamp.id, after);
        }
    }
    Ok(changed.into_values().collect())
}

/// Writes one generation of one view.
#[derive(Clone)]
pub(crate) struct ViewWriter {
    pub(crate) store: Arc<dyn ViewStore>,
    pub(crate) view: View,
    pub(crate) slot: Slot,
}

impl ViewWriter {
    /// Applies events that follow the checkpoint, in order and without a gap in the partition.
    pub(crate) async fn advance(
        &self,
        from: Checkpoint,
        events: &[RecordedEvent],
    ) -> Result<Checkpoint, ProjectError> {
        let Some(last) = events.last() else { return Ok(from) };
        let mut ids: Vec<_> =
            events.iter().filter_map(|event| event.stream_id.aggregate_id().ok()).collect();
        ids.sort_unstable();
        ids.dedup();
        let known = self.store.documents(&self.view, from.generation, &ids).await?;
        let known = known.into_iter().map(|document| (document.id, document)).collect();
        let changed = fold(&self.view.partition, known, events)?;
        self.store.apply(&self.view, self.slot, from, last.position, &changed).await?;
        Ok(Checkpoint { position: last.position, ..from })
    }
}

#[cfg(test)]
mod tests {
    use events::{Actor, Metadata, StreamId, Timestamp, UserId, Version};
    use serde_json::value::RawValue;

    use super::*;

    fn event(user: UserId, version: i64, name: &str) -> RecordedEvent {
        let event_type = if version == 1 { "user.registered" } else { "user.renamed" };
        RecordedEvent {
            position: Position::new(version),
            stream_id: StreamId::from(user),
            version: Version::new(version),
            event_id: Uuid::now_v7(),
            partition: Partition::Users,
            event_type: event_type.to_owned(),
            schema_version: 1,
            data: RawValue::from_string(format!(r#"{{"name":"{name}"}}"#)).expect("JSON"),
            metadata: Metadata {
                actor: Actor::Anonymous,
                correlation_id: String::new(),
                causation_id: Uuid::nil(),
                traceparent: None,
            },
            recorded_at: Timestamp::from_millis(version),
        }
    }

    fn user() -> UserId {
        UserId(Uuid::from_u128(1))
    }

    fn known(documents: Vec<Document>) -> HashMap<Uuid, Document> {
        documents.into_iter().map(|document| (document.id, document)).collect()
    }

    #[test]
    fn a_batch_becomes_one_document_per_stream() {
        let events = [event(user(), 1, "A"), event(user(), 2, "B"), event(user(), 3, "C")];
        let changed = fold(&Partition::Users, HashMap::new(), &events).expect("a fold");
        assert_eq!(changed.len(), 1);
        assert_eq!((&changed[0].body["name"], changed[0].version), (&"C".into(), Version::new(3)));
    }

    #[test]
    fn an_event_that_comes_again_or_late_changes_nothing() {
        let (first, second) = (event(user(), 1, "A"), event(user(), 2, "B"));
        let both = [first.clone(), second.clone()];
        let view = fold(&Partition::Users, HashMap::new(), &both).expect("a fold");
        let again = fold(&Partition::Users, known(view.clone()), &[second, first]).expect("a fold");
        assert_eq!(again, view);
    }

    #[test]
    fn a_missing_version_and_an_unreadable_event_are_named_by_position() {
        let first = fold(&Partition::Users, HashMap::new(), &[event(user(), 1, "A")]);
        let gap = fold(&Partition::Users, known(first.expect("a fold")), &[event(user(), 3, "C")]);
        let position = Position::new(3);
        assert!(matches!(gap, Err(ProjectError::Poison { position: at, .. }) if at == position));
        let mut unreadable = event(user(), 1, "A");
        unreadable.event_type = "user.exploded".to_owned();
        let poison = fold(&Partition::Users, HashMap::new(), &[unreadable]);
        assert!(matches!(poison, Err(ProjectError::Poison { .. })));
    }
}
