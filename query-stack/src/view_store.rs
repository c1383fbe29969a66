//! Where views are kept: the port and its adapters. A view is one projection of one partition
//! (`articles` of `news.sports`); it is a set of JSON documents and a checkpoint.
//!
//! Invariants, proved by `contract` on every adapter:
//! - A change of documents and the checkpoint that covers it become visible together, and only if
//!   the checkpoint still is where the writer believes: of two writers one gets [`ApplyError::Moved`].
//!   The same holds for the streams that a generation leaves out ([`Parked`]).
//! - A rebuild writes a generation that no reader sees until the switch, and the switch happens
//!   only if the new generation is not behind the live one.

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

/// What is kept of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Projection {
    /// The articles as the public sees them.
    Articles,
    /// The articles as the newsroom knows them.
    Desk,
    /// The articles as the public finds them by their words.
    Search,
    Users,
    /// What the editors put on the front page.
    Front,
}

impl Projection {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Articles, Self::Desk, Self::Search, Self::Users, Self::Front];

    /// The name of its queues and collections, and on the command line.
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

    /// Whether its documents are found by their words, which costs every change of them.
    pub(crate) const fn is_searched(self) -> bool {
        matches!(self, Self::Search)
    }
}

/// One projection of one partition.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct View {
    pub projection: Projection,
    /// Of which part of the log.
    pub partition: Partition,
}

/// `articles_sports`, `users`: the stem of its collection's name.
impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.partition {
            Partition::News(category) => write!(f, "{}_{category}", self.projection.as_str()),
            Partition::Users | Partition::Front => f.write_str(self.projection.as_str()),
        }
    }
}

/// How far one generation of a view has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which set of documents; counts from 1 and is never used twice.
    pub generation: i64,
    /// Every event of the partition up to here is in the documents, but for parked streams.
    pub position: Position,
    /// How often the set of its parked streams was changed. While it is 0 none was ever parked, and
    /// nobody needs to ask.
    pub revision: i64,
}

/// The generations of a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ViewState {
    /// What readers see and the projector writes.
    pub live: Checkpoint,
    /// What was live before the last switch, kept for a rollback.
    pub previous: Option<Checkpoint>,
    /// What a rebuild writes.
    pub building: Option<Checkpoint>,
}

/// One document of a view.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The id of the aggregate.
    pub id: Uuid,
    /// The version of the last event that is in it.
    pub version: Version,
    /// Where it stands in lists, newest first; `None`: in no list.
    pub listed_at: Option<Timestamp>,
    /// A JSON object: what readers get.
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

/// Which documents of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// Only those whose `body.tags` contain it.
    pub tag: Option<String>,
    /// Only those whose `body.author_id` is it.
    pub author_id: Option<Uuid>,
    /// Only those whose `body.status` is it.
    pub status: Option<String>,
    /// Only those whose `body.byline` is this text; a sealed one is none.
    pub byline: Option<String>,
    /// Only those that stand at this time in the list, or later.
    pub from: Option<Timestamp>,
    /// Only those that stand before it.
    pub to: Option<Timestamp>,
    /// Only those that a search finds, of a view that is searched.
    pub search: Option<Search>,
    /// Only those after this place, in the order of the list.
    pub after: Option<ListPlace>,
}

/// Why a change was not applied. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The generation is no longer in its slot, or its checkpoint is elsewhere: read the state
    /// again. Somebody else wrote, or a rebuild switched.
    #[error("another writer moved the checkpoint")]
    Moved,
    /// See [`Unavailable`]; the change may have been applied all the same.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Which generation of a view a writer writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// What readers see.
    Live,
    /// What a rebuild prepares.
    Building,
}

/// A store of views.
#[async_trait]
pub trait ViewStore: Dependency {
    /// The generations of a view. One that was never written has an empty live generation 1,
    /// which is created here, with what lists need to be fast.
    async fn state(&self, view: &View) -> Result<ViewState, Unavailable>;

    /// Gives a view that an older program made the indexes that this one asks by, which may take its
    /// time.
    async fn upgrade(&self, view: &View) -> Result<(), Unavailable>;

    /// Changes the generation that is in the slot and whose checkpoint is `from`, all at once and
    /// durably (a majority of replicas); [`Checkpoint::after`] says where it is then.
    async fn apply(
        &self,
        view: &View,
        slot: Slot,
        from: Checkpoint,
        change: &Change<'_>,
    ) -> Result<Checkpoint, ApplyError>;

    /// Where this process has last moved the live checkpoint to, if it ever did. A hint for who
    /// waits: another process may have moved it further since, or switched to another generation.
    fn moves(&self, view: &View) -> watch::Receiver<Option<Move>>;

    /// Those of the streams that the generation leaves out, in any order.
    async fn parked_among(
        &self,
        view: &View,
        generation: i64,
        streams: &[StreamId],
    ) -> Result<Vec<Parked>, Unavailable>;

    /// Up to `limit` of the streams that the generation leaves out, in ascending order after
    /// `after`.
    async fn parked(
        &self,
        view: &View,
        generation: i64,
        after: Option<&StreamId>,
        limit: usize,
    ) -> Result<Vec<Parked>, Unavailable>;

    /// How many streams the generation leaves out.
    async fn count_parked(&self, view: &View, generation: i64)
    -> Result<ParkedCounts, Unavailable>;

    /// Those of the documents that exist, in any order.
    async fn documents(
        &self,
        view: &View,
        generation: i64,
        ids: &[Uuid],
    ) -> Result<Vec<Document>, Unavailable>;

    /// The listed documents that pass the filter, newest first, ties by descending id, at most
    /// `limit`, each without the field `content` of its body.
    async fn list(
        &self,
        view: &View,
        generation: i64,
        filter: &ListFilter,
        limit: usize,
    ) -> Result<Vec<Document>, Unavailable>;

    /// The documents of articles that were taken back, the last one first, ties by descending id, at
    /// most `limit`.
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

    /// Starts an empty generation in the slot `building`. One that was there is dropped, and
    /// whoever still writes it gets [`ApplyError::Moved`].
    async fn begin_rebuild(&self, view: &View) -> Result<Checkpoint, Unavailable>;

    /// Inserts documents, each for the first time, into the generation that `begin_rebuild` began,
    /// durably (a majority of replicas). Any number of calls may be under way at the same time.
    /// What they bring counts only when [`ViewStore::apply`] moves the checkpoint from the start,
    /// which is for the caller to do after every one of them has succeeded: a load that broke off
    /// can never be taken for a whole one. [`ApplyError::Moved`] when that generation is not in the
    /// slot `building`, or no longer at its start.
    async fn load(
        &self,
        view: &View,
        building: Checkpoint,
        documents: &[Document],
    ) -> Result<(), ApplyError>;

    /// Puts the previous generation into the slot `building`, so that it can catch up before it
    /// is live again. `None` when there is no previous one.
    async fn begin_rollback(&self, view: &View) -> Result<Option<Checkpoint>, Unavailable>;

    /// Makes `building` live if it still is at this checkpoint and the live generation is not
    /// beyond it. Before, it gets what lists need to be fast, which may take its time. What was live
    /// becomes `previous`, and what was `previous` is dropped.
    /// [`ApplyError::Moved`] when not: catch up and try again.
    async fn switch(&self, view: &View, building: Checkpoint) -> Result<(), ApplyError>;
}

/// The address of a view store: `sqlite:PATH` or `mongodb://…/database`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ViewStoreUrl {
    /// A file; created when missing.
    Sqlite(String),
    /// A replica set.
    Mongo(ServerUrl),
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
