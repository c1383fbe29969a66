//! The views of a portal, and the writing of one: what the projector and the rebuild share.

use std::collections::HashSet;
use std::sync::Arc;

use events::bus::Queue;
use events::{Category, LogError, Partition, RecordedEvent, StreamId, Timestamp, Version};

use crate::Unavailable;
use crate::fold::{Program, fold};
use crate::view_store::{
    ApplyError, Change, Checkpoint, Document, Projection, Slot, View, ViewStore,
};

/// Why a view could not be advanced. An event that cannot be taken is no reason: its stream is
/// parked.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
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

/// The views of a portal with these categories: the articles of each, for the public, for the
/// newsroom and for who searches, the users and the front page.
#[must_use]
pub fn views(categories: &[Category]) -> Vec<View> {
    let of = |category: &Category| {
        [View::articles, View::desk, View::search].map(|view| view(category.clone()))
    };
    let news = categories.iter().flat_map(of);
    news.chain([View::users(), View::front()]).collect()
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

    /// The articles of a category as the public finds them by their words.
    #[must_use]
    pub const fn search(category: Category) -> Self {
        Self { projection: Projection::Search, partition: Partition::News(category) }
    }

    /// The users.
    #[must_use]
    pub const fn users() -> Self {
        Self { projection: Projection::Users, partition: Partition::Users }
    }

    /// What the editors put on the front page.
    #[must_use]
    pub const fn front() -> Self {
        Self { projection: Projection::Front, partition: Partition::Front }
    }

    /// What brings it the events.
    pub(crate) fn queue(&self) -> Queue {
        Queue { projection: self.projection.as_str(), partition: self.partition.clone() }
    }
}

/// Writes one generation of one view.
#[derive(Clone)]
pub(crate) struct ViewWriter {
    pub(crate) store: Arc<dyn ViewStore>,
    pub(crate) view: View,
    pub(crate) slot: Slot,
    pub(crate) program: Program,
}

impl ViewWriter {
    pub(crate) fn new(store: Arc<dyn ViewStore>, view: View, slot: Slot) -> Self {
        let program = Program::of(&view);
        Self { store, view, slot, program }
    }

    /// Applies events that follow the checkpoint, in order and without a gap in the partition. A
    /// stream of which one cannot be taken is parked; the others go on.
    pub(crate) async fn advance(
        &self,
        from: Checkpoint,
        events: &[RecordedEvent],
    ) -> Result<Checkpoint, ProjectError> {
        let Some(last) = events.last() else { return Ok(from) };
        let parked = self.parked_of(from, events).await?;
        let known = self.documents_of(from, events, &parked).await?;
        let folded = fold(self.program, known, events, parked);
        let now = Timestamp::from(chrono::Utc::now());
        let parked: Vec<_> =
            folded.failed.into_iter().map(|failure| failure.parked(None, now)).collect();
        let change = Change {
            to: last.position,
            documents: &folded.documents,
            removed: &folded.removed,
            parked: &parked,
            freed: &[],
        };
        let advanced = self.store.apply(&self.view, self.slot, from, &change).await?;
        parked.iter().for_each(|parked| self.tell(parked));
        Ok(advanced)
    }

    /// The streams of these events that are left out already. While none ever was, nothing is asked.
    async fn parked_of(
        &self,
        from: Checkpoint,
        events: &[RecordedEvent],
    ) -> Result<HashSet<StreamId>, ProjectError> {
        if from.revision == 0 {
            return Ok(HashSet::new());
        }
        let streams: HashSet<_> = events.iter().map(|event| event.stream_id.clone()).collect();
        let streams: Vec<_> = streams.into_iter().collect();
        let parked = self.store.parked_among(&self.view, from.generation, &streams).await?;
        Ok(parked.into_iter().map(|parked| parked.stream).collect())
    }

    async fn documents_of(
        &self,
        from: Checkpoint,
        events: &[RecordedEvent],
        parked: &HashSet<StreamId>,
    ) -> Result<Vec<Document>, ProjectError> {
        // A stream that begins after the checkpoint has no document yet.
        let begin = events.iter().filter(|event| event.version == Version::new(1));
        let begin: HashSet<_> = begin.map(|event| &event.stream_id).collect();
        let taken = events.iter().filter(|event| {
            !parked.contains(&event.stream_id) && !begin.contains(&event.stream_id)
        });
        let mut ids: Vec<_> =
            taken.filter_map(|event| event.stream_id.aggregate_id().ok()).collect();
        ids.sort_unstable();
        ids.dedup();
        Ok(self.store.documents(&self.view, from.generation, &ids).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_queue_of_a_partition_feeds_a_view_and_each_view_has_one() {
        let sports: Category = "sports".parse().expect("a category");
        let views = views(std::slice::from_ref(&sports));
        let queues: Vec<_> = views.iter().map(View::queue).collect();
        let partitions = [Partition::News(sports), Partition::Users, Partition::Front];
        assert_eq!(queues, partitions.iter().flat_map(Queue::of).collect::<Vec<_>>());
    }
}
