//! The append-only event log: the port, and what its adapters share. What it promises is in
//! `contract`, which runs against every adapter.

mod append_queue;
mod leading;
mod postgres;
mod sqlite;
mod stored;

#[cfg(test)]
pub(crate) mod contract;

use std::str::FromStr;

use async_trait::async_trait;
use events::{
    ArticleId, EventReader, LogError, Metadata, NewEvent, Position, ServerUrl, StreamId, Timestamp,
    UserId, Version,
};

pub(crate) use self::leading::take_turns;
pub use self::leading::{LeadError, Leadership, Task};
pub use self::postgres::PostgresEventLog;
pub use self::sqlite::SqliteEventLog;
pub(crate) use self::stored::log_error;

/// The `Idempotency-Key` of a command and a digest of the request that first carried it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandKey {
    /// Unique in the log.
    pub id: String,
    /// SHA-256 over what the client asked for; another one under the same id is a mistake.
    pub fingerprint: [u8; 32],
}

/// New events for one stream.
#[derive(Debug, Clone)]
pub struct StreamAppend {
    pub stream_id: StreamId,
    /// The version that the stream must have; [`Version::NONE`] for a new stream.
    pub expected: Version,
    /// At least one.
    pub events: Vec<NewEvent>,
}

/// What one command appends: all of it or nothing, to one stream or to several.
#[derive(Debug, Clone)]
pub struct Append {
    /// When given, a second append with the same id does nothing.
    pub key: Option<CommandKey>,
    /// Of every event in it.
    pub metadata: Metadata,
    /// At least one.
    pub streams: Vec<StreamAppend>,
}

/// The events are durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Of the last event; the others stand right before it.
    pub position: Position,
    /// Of all of them.
    pub recorded_at: Timestamp,
}

/// What the log remembers of a command that had a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstAnswer {
    /// The digest of the first request.
    pub fingerprint: [u8; 32],
    /// The stream of its last event.
    pub stream_id: StreamId,
    /// The version of its last event.
    pub version: Version,
    /// The position of its last event.
    pub position: Position,
}

/// Why nothing was appended; with [`AppendError::Log`] it is not known.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// A stream is not at its expected version: load it again and decide again.
    #[error("the stream was changed in the meantime")]
    Conflict,
    /// The command id was used before.
    #[error("the command was already carried out")]
    Repeated(FirstAnswer),
    /// Too many appends wait; try again after a moment.
    #[error("too many appends are waiting")]
    Overloaded,
    /// The log itself failed. The events may have been recorded all the same: a client that wants
    /// to be sure repeats the command with its key.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// The append-only log as the command-stack sees it: appending, leading, and what is due.
#[async_trait]
pub trait EventLog: EventReader {
    /// Appends; durable when this returns.
    async fn append(&self, append: Append) -> Result<Appended, AppendError>;

    /// What the command with this id was answered, if there was one.
    async fn find_command(&self, id: &str) -> Result<Option<FirstAnswer>, LogError>;

    /// What the log obliges the portal to do and has not been done: by events after a position.
    /// That something has been done the log says as well, so that nothing has to be remembered.
    async fn obligations(&self, after: Position) -> Result<Vec<Obligation>, LogError>;

    /// Becomes the one who does this task for this log; `None` while another is. Who does not
    /// [`Leadership::confirm`] it for some seconds may be followed by another.
    async fn lead(&self, task: Task) -> Result<Option<Box<dyn Leadership>>, LogError>;
}

/// Something that has to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obligation {
    /// Of the event that asks for it.
    pub position: Position,
    pub what: Duty,
}

/// What can be due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Duty {
    /// A scheduled article is to be published.
    Publish { article: ArticleId, planned: Timestamp },
    /// What is kept of an erased user beside the log is to be destroyed.
    Forget { user: UserId },
    /// A draft whose author was erased is to be archived.
    Archive { article: ArticleId },
}

/// The address of an event log: `sqlite:PATH` or `postgres://…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventLogUrl {
    /// A file; created when missing.
    Sqlite(String),
    /// A database of PostgreSQL 15 or newer.
    Postgres(ServerUrl),
}

impl FromStr for EventLogUrl {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        match url.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite(path.to_owned())),
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres(url.into())),
            _ => Err("an event log is sqlite:PATH or postgres://USER@HOST/DATABASE".to_owned()),
        }
    }
}
