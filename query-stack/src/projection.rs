//! From events to changed documents, and into the store: what the projector and the rebuild share.

use std::collections::HashMap;
use std::sync::Arc;

use events::bus::Queue;
use events::news::NewsEvent;
use events::{
    BoxError, Category, DomainEvent, LogError, Partition, Position, RecordedEvent, Stamp,
};
use uuid::Uuid;

use crate::view_store::{
    ApplyError, Checkpoint, Document, Projection, Slot, Unavailable, View, ViewStore,
};
use crate::{articles, desk, users};

/// The document of an aggregate after an event; `None`: there is none.
type Project = fn(Option<Document>, DomainEvent, Stamp) -> Result<Option<Document>, BoxError>;

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

/// The views of a portal with these categories: the articles of each, for the public and for the
/// newsroom, and the users.
#[must_use]
pub fn views(categories: &[Category]) -> Vec<View> {
    let news = categories
        .iter()
        .flat_map(|category| [View::articles(category.clone()), View::desk(category.clone())]);
    news.chain([View::users()]).collect()
}

impl View {
    /// The articles of a category as the public sees them.
    #[must_use]
    pub const fn articles(category: Category) -> Self {
        Self { projection: Projection::Articles, partition: Partition::News(category) }
    }

    /// The articles of a category as the newsroom knows them.
    #[must_use]
    pub const fn desk(category: Category) -> Self {
        Self { projection: Projection::Desk, partition: Partition::News(category) }
    }

    /// The users.
    #[must_use]
    pub const fn users() -> Self {
        Self { projection: Projection::Users, partition: Partition::Users }
    }

    /// What brings it the events.
    pub(crate) fn queue(&self) -> Queue {
        Queue { projection: self.projection.as_str(), partition: self.partition.clone() }
    }

    fn project(&self) -> Project {
        match self.projection {
            Projection::Articles => articles::project,
            Projection::Desk => desk::project,
            Projection::Users => users::project,
        }
    }
}

/// The documents after these events, which are in order; only those that changed. Events that a
/// document already has are passed over: that makes at-least-once delivery harmless.
///
/// # Errors
/// [`ProjectError::Poison`] names the event that cannot be taken.
pub(crate) fn fold<'a>(
    view: &View,
    mut documents: HashMap<Uuid, Document>,
    events: impl IntoIterator<Item = &'a RecordedEvent>,
) -> Result<Vec<Document>, ProjectError> {
    let project = view.project();
    let mut changed = HashMap::new();
    for recorded in events {
        let poison = |source| ProjectError::Poison { position: recorded.position, source };
        let stamp = recorded.stamp().map_err(|error| poison(error.into()))?;
        let before = changed.remove(&stamp.id).or_else(|| documents.remove(&stamp.id));
        if let Some(newer) = before.as_ref().filter(|known| known.version >= stamp.version) {
            changed.insert(stamp.id, newer.clone());
            continue;
        }
        let event = recorded.decode().map_err(|error| poison(error.into()))?;
        let older = before.as_ref().filter(|known| known.version.next() != stamp.version);
        if let Some(older) = older.filter(|_| !stands_alone(&event)) {
            let gap = format!("version {} follows {}", stamp.version, older.version);
            return Err(poison(gap.into()));
        }
        if let Some(after) = project(before, event, stamp).map_err(poison)? {
            changed.insert(stamp.id, after);
        }
    }
    Ok(changed.into_values().collect())
}

/// The documents of a view that whole streams add up to, each folded by itself.
///
/// # Errors
/// See [`fold`].
pub(crate) fn fold_streams(
    view: &View,
    events: &[RecordedEvent],
) -> Result<Vec<Document>, ProjectError> {
    let mut documents = Vec::with_capacity(events.len());
    for stream in events.chunk_by(|one, next| one.stream_id == next.stream_id) {
        // What happened to an article in other categories is not this view's.
        let of_view = stream.iter().filter(|event| event.partition == view.partition);
        documents.extend(fold(view, HashMap::new(), of_view)?);
    }
    Ok(documents)
}

/// An article that comes back to a category brings all of itself: what happened to it elsewhere
/// is not in this partition, so that its version here may leap.
fn stands_alone(event: &DomainEvent) -> bool {
    matches!(event, DomainEvent::News(NewsEvent::MovedIn(_)))
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
        let changed = fold(&self.view, known, events)?;
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
        let changed = fold(&View::users(), HashMap::new(), &events).expect("a fold");
        assert_eq!(changed.len(), 1);
        assert_eq!((&changed[0].body["name"], changed[0].version), (&"C".into(), Version::new(3)));
    }

    #[test]
    fn an_event_that_comes_again_or_late_changes_nothing() {
        let (first, second) = (event(user(), 1, "A"), event(user(), 2, "B"));
        let both = [first.clone(), second.clone()];
        let view = fold(&View::users(), HashMap::new(), &both).expect("a fold");
        let again = fold(&View::users(), known(view.clone()), &[second, first]).expect("a fold");
        assert_eq!(again, view);
    }

    #[test]
    fn a_missing_version_and_an_unreadable_event_are_named_by_position() {
        let first = fold(&View::users(), HashMap::new(), &[event(user(), 1, "A")]);
        let gap = fold(&View::users(), known(first.expect("a fold")), &[event(user(), 3, "C")]);
        let position = Position::new(3);
        assert!(matches!(gap, Err(ProjectError::Poison { position: at, .. }) if at == position));
        let mut unreadable = event(user(), 1, "A");
        unreadable.event_type = "user.exploded".to_owned();
        let poison = fold(&View::users(), HashMap::new(), &[unreadable]);
        assert!(matches!(poison, Err(ProjectError::Poison { .. })));
    }

    fn sports() -> Category {
        "sports".parse().expect("a category")
    }

    fn of_article(version: i64, event_type: &str, data: &str) -> RecordedEvent {
        let (event_type, partition) = (event_type.to_owned(), Partition::News(sports()));
        let data = RawValue::from_string(data.to_owned()).expect("JSON");
        RecordedEvent { event_type, partition, data, ..event(user(), version, "") }
    }

    #[test]
    fn an_article_that_comes_back_may_leap_over_what_happened_elsewhere() {
        let moved_in = r#"{"category":"sports","from":"politics","status":"published","title":"T",
            "content":"C","created_at":"2026-11-21T07:00:00.000Z","corrections":[],
            "published_at":"2026-11-21T07:00:00.000Z"}"#;
        let moved_out = r#"{"category":"sports","to":"politics"}"#;
        let published = r#"{"category":"sports","title":"T","content":"C"}"#;
        let events = [
            of_article(1, "news.article_published", published),
            of_article(2, "news.article_moved_out", moved_out),
            of_article(9, "news.article_moved_in", moved_in),
        ];
        for view in [View::articles(sports()), View::desk(sports())] {
            let there = fold(&view, HashMap::new(), &events[..2]).expect("a fold");
            let back = fold(&view, known(there), &events[2..]).expect("a fold");
            assert_eq!(back[0].version, Version::new(9));
            assert_eq!(fold(&view, HashMap::new(), &events).expect("a fold"), back);
        }
        let view = View::articles(sports());
        let leap = [events[0].clone(), of_article(3, "news.article_moved_out", moved_out)];
        assert!(fold(&view, HashMap::new(), &leap).is_err());
    }

    #[test]
    fn each_queue_of_a_partition_feeds_a_view_and_each_view_has_one() {
        let views = views(&[sports()]);
        let queues: Vec<_> = views.iter().map(View::queue).collect();
        let partitions = [Partition::News(sports()), Partition::Users];
        assert_eq!(queues, partitions.iter().flat_map(Queue::of).collect::<Vec<_>>());
    }
}
