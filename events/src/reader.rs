//! Reading the log: the port that the query-stack and the tools see. Appending is the
//! command-stack's alone.

mod streams;

use async_trait::async_trait;
use tokio::sync::watch;

pub use self::streams::{StreamPages, StreamSender};
use crate::{BoxError, LogError, Partition, Position, RecordedEvent, StreamId};

/// A server that we depend on, for the health checks.
#[async_trait]
pub trait Dependency: Send + Sync {
    /// One cheap round trip.
    ///
    /// # Errors
    /// The driver's, when the server does not answer.
    async fn ping(&self) -> Result<(), BoxError>;

    /// What OpenTelemetry calls this kind of server.
    fn system(&self) -> &'static str {
        "_OTHER"
    }
}

/// Read access to the event log.
#[async_trait]
pub trait EventReader: Dependency {
    /// The events after a position, in order, at most `limit`; of one partition or of all.
    /// An event that is visible never gets an earlier one beside it later: whoever has read up to
    /// a position has read everything up to it.
    async fn read_after(
        &self,
        after: Position,
        partition: Option<&Partition>,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError>;

    /// The events of a partition at or before a position, newest first, at most `limit`.
    async fn read_back(
        &self,
        from: Position,
        partition: &Partition,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError>;

    /// All events of a stream, in order. Streams are short (an article's life), so no paging.
    async fn read_stream(&self, stream: &StreamId) -> Result<Vec<RecordedEvent>, LogError>;

    /// The events of these partitions up to a position, ordered by stream and version: what folds
    /// stream by stream in bounded memory. One walk, whatever the number of partitions.
    fn streams(&self, partitions: &[Partition], up_to: Position) -> StreamPages;

    /// How many events these partitions have up to a position.
    async fn count(&self, partitions: &[Partition], up_to: Position) -> Result<u64, LogError>;

    /// How many events of a partition come after a position, counted up to `at_most`.
    async fn count_after(
        &self,
        after: Position,
        partition: &Partition,
        at_most: u32,
    ) -> Result<u64, LogError>;

    /// The last position of a partition, or of the log, that is not above `up_to`;
    /// [`Position::START`] when there is none.
    async fn last_position(
        &self,
        partition: Option<&Partition>,
        up_to: Position,
    ) -> Result<Position, LogError>;

    /// What is incomplete, in words: positions that are missing, streams whose versions have holes.
    /// Empty in a log that is whole; at most a few of each.
    async fn gaps(&self) -> Result<Vec<String>, LogError>;

    /// Changes whenever the log may have grown. A hint, not a promise: poll as well, slowly.
    fn appended(&self) -> watch::Receiver<()>;
}
