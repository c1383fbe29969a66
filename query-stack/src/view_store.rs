//! The port for storing views, and its adapters.
//!
//! A view is one projection of one partition (`articles` of `news.sports`): a set of JSON documents
//! and a checkpoint.
//!
//! Invariants, proved by `contract` on every adapter:
//! - Documents and their checkpoint change together, and only if the checkpoint is where the writer
//!   expects it. The second of two writers gets [`ApplyError::Moved`]. The same holds for the set
//!   of parked streams ([`Parked`]).
//! - A rebuild writes a generation that no reader sees before the switch, and the switch requires
//!   that it is not behind the live generation.

mod change;
mod generations;
mod mongodb;
mod moves;
mod parked;
mod search;
mod sqlite;

#[cfg(test)]
pub(crate) mod contract;

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use events::{Dependency, Partition, Position, ServerUrl, StreamId, Timestamp, Version};
use serde_json::Value;
use tokio::sync::watch;
use uuid::Uuid;

pub use self::change::Change;
pub use self::mongodb::MongoViewStore;
pub use self::moves::Move;
pub use self::parked::{Parked, ParkedCounts, ParkedState};
pub use self::search::{Relevance, Search, SearchPlace, search};
pub use self::sqlite::SqliteViewStore;
use crate::Unavailable;

/// The kind of a view: what it stores of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Projection {
    /// Articles as the public sees them.
    Articles,
    /// Articles as the newsroom sees them.
    Desk,
    /// Public articles for full-text search.
    Search,
    /// Users.
    Users,
    /// The editors' choices for the front page.
    Front,
}

impl Projection {
    /// All projections.
    pub const ALL: [Self; 5] = [Self::Articles, Self::Desk, Self::Search, Self::Users, Self::Front];

    /// The name in queues, collections and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Articles => "articles",
            Self::Desk => "desk",
            Self::Search => "search",
            Self::Users => "users",
            Self::Front => "front",
        }
    }

    /// Whether its documents can be searched, which makes each change expensive.
    pub(crate) const fn is_searched(self) -> bool {
        matches!(self, Self::Search)
    }
}

/// A projection of a partition.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct View {
    /// The kind of the view.
    pub projection: Projection,
    /// The part of the log that it projects.
    pub partition: Partition,
}

/// `articles_sports`, `users`: the prefix of its collections.
impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.partition {
            Partition::News(category) => write!(f, "{}_{category}", self.projection.as_str()),
            Partition::Users | Partition::Front => f.write_str(self.projection.as_str()),
        }
    }
}

/// The progress of one generation of a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// The number of the generation, from 1, never reused.
    pub generation: i64,
    /// All events of the partition up to here are applied, except to parked streams.
    pub position: Position,
    /// Counts the changes of the set of parked streams; 0 means that none was ever parked.
    pub revision: i64,
}

/// The generations of a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ViewState {
    /// Serves readers; written by the projector.
    pub live: Checkpoint,
    /// Was live before the last switch; retained for a rollback.
    pub previous: Option<Checkpoint>,
    /// Written by a rebuild.
    pub building: Option<Checkpoint>,
}

/// One document of a view.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The id of the aggregate.
    pub id: Uuid,
    /// The version of the last applied event.
    pub version: Version,
    /// The sort key in lists, newest first; `None` if it is in no list.
    pub listed_at: Option<Timestamp>,
    /// A JSON object, as readers get it.
    pub body: Value,
}

/// A place in a list: just after the document with this time and id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListPlace {
    /// Its `listed_at`.
    pub listed_at: Timestamp,
    /// Its id; breaks ties.
    pub id: Uuid,
}

/// Filters a list; the conditions are combined by AND.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// `body.tags` contains it.
    pub tag: Option<String>,
    /// `body.author_id` equals it.
    pub author_id: Option<Uuid>,
    /// `body.status` equals it.
    pub status: Option<String>,
    /// `body.byline` equals this text; encrypted bylines never match.
    pub byline: Option<String>,
    /// `listed_at` is at or after this time.
    pub from: Option<Timestamp>,
    /// `listed_at` is before this time.
    pub to: Option<Timestamp>,
    /// The search matches; only for a search view.
    pub search: Option<Search>,
    /// After this place in the list.
    pub after: Option<ListPlace>,
}

/// Why a change was not applied; no part of it was.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Another writer moved the checkpoint, or a switch happened: load the state again.
    #[error("another writer moved the checkpoint")]
    Moved,
    /// See [`Unavailable`]; the change may have been applied nevertheless.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The generation that a writer writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// The one that readers see.
    Live,
    /// The one that a rebuild prepares.
    Building,
}

/// A store of views.
#[async_trait]
pub trait ViewStore: Dependency {
    /// The generations of a view; a new view gets an empty live generation 1 with its indexes.
    async fn state(&self, view: &View) -> Result<ViewState, Unavailable>;

    /// Creates indexes that an older program did not create; this may take long.
    async fn upgrade(&self, view: &View) -> Result<(), Unavailable>;

    /// Applies a change atomically and durably (by a majority), if the checkpoint is `from`.
    ///
    /// Returns the new checkpoint ([`Checkpoint::after`]).
    async fn apply(
        &self,
        view: &View,
        slot: Slot,
        from: Checkpoint,
        change: &Change<'_>,
    ) -> Result<Checkpoint, ApplyError>;

    /// The last move of the live checkpoint by this process.
    ///
    /// A hint: another process may have moved or switched it since.
    fn moves(&self, view: &View) -> watch::Receiver<Option<Move>>;

    /// The parked ones among these streams, in any order.
    async fn parked_among(
        &self,
        view: &View,
        generation: i64,
        streams: &[StreamId],
    ) -> Result<Vec<Parked>, Unavailable>;

    /// Up to `limit` parked streams of the generation, in ascending order after `after`.
    async fn parked(
        &self,
        view: &View,
        generation: i64,
        after: Option<&StreamId>,
        limit: usize,
    ) -> Result<Vec<Parked>, Unavailable>;

    /// The number of parked streams of the generation.
    async fn count_parked(&self, view: &View, generation: i64)
    -> Result<ParkedCounts, Unavailable>;

    /// The existing documents among these ids, in any order.
    async fn documents(
        &self,
        view: &View,
        generation: i64,
        ids: &[Uuid],
    ) -> Result<Vec<Document>, Unavailable>;

    /// Up to `limit` listed documents that match, newest first, ties by descending id.
    ///
    /// The field `content` of the body is left out.
    async fn list(
        &self,
        view: &View,
        generation: i64,
        filter: &ListFilter,
        limit: usize,
    ) -> Result<Vec<Document>, Unavailable>;

    /// Up to `limit` retracted articles, latest retraction first, ties by descending id.
    async fn retracted(
        &self,
        view: &View,
        generation: i64,
        limit: usize,
    ) -> Result<Vec<Document>, Unavailable>;

    /// Up to `limit` documents in ascending order of id after `after`.
    async fn scan(
        &self,
        view: &View,
        generation: i64,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Document>, Unavailable>;

    /// Starts an empty generation in the slot `building`.
    ///
    /// An existing one is dropped, and its writer gets [`ApplyError::Moved`].
    async fn begin_rebuild(&self, view: &View) -> Result<Checkpoint, Unavailable>;

    /// Inserts new documents durably (a majority of replicas) into the generation being built.
    ///
    /// Calls may run concurrently. They take effect only when the caller, after all have succeeded,
    /// moves the checkpoint with [`ViewStore::apply`]; so an interrupted load never counts as
    /// complete. [`ApplyError::Moved`] if the generation is not in the slot `building`, or not at
    /// its start.
    async fn load(
        &self,
        view: &View,
        building: Checkpoint,
        documents: &[Document],
    ) -> Result<(), ApplyError>;

    /// Copies the previous generation to the slot `building`, where it can catch up.
    ///
    /// `None` if there is no previous one.
    async fn begin_rollback(&self, view: &View) -> Result<Option<Checkpoint>, Unavailable>;

    /// Makes `building` live if it is at this checkpoint and not behind the live generation.
    ///
    /// Creates its indexes first, which may take long. The live generation becomes `previous`, and
    /// the former `previous` is dropped. Otherwise [`ApplyError::Moved`]: catch up and try again.
    async fn switch(&self, view: &View, building: Checkpoint) -> Result<(), ApplyError>;
}

/// The address of a view store: `sqlite:PATH` or `mongodb://…/database`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ViewStoreUrl {
    /// A file; created if missing.
    Sqlite(String),
    /// A MongoDB replica set.
    Mongo(ServerUrl),
}

/// Without a password.
impl fmt::Display for ViewStoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{path}"),
            Self::Mongo(url) => url.fmt(f),
        }
    }
}

impl FromStr for ViewStoreUrl {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        match url.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite(path.to_owned())),
            Some(("mongodb", _)) => Ok(Self::Mongo(url.into())),
            _ => Err("a view store is sqlite:PATH or mongodb://HOST/DATABASE".to_owned()),
        }
    }
}
