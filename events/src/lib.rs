//! What happened, and how it travels: the domain events, the envelope in which they are recorded,
//! and the ports through which the rest of the portal reads and carries them.
//!
//! Invariant: nothing here decides anything. Rules live in the command-stack, views in the
//! query-stack; this crate is the language they share, so it depends on neither.

mod backoff;
pub mod bus;
mod email;
mod envelope;
mod error;
pub mod front;
mod ids;
pub mod inspection;
mod kind;
pub mod news;
pub mod personal;
mod reader;
pub mod readings;
mod role;
pub mod seal;
mod server_url;
pub mod sqlite;
mod stamp;
pub mod text;
pub mod user;

pub use backoff::Backoff;
pub use email::Email;
pub use envelope::{Actor, DecodeError, DomainEvent, Metadata, NewEvent, RecordedEvent};
pub use error::{BoxError, Chain, LogError};
pub use ids::{
    ArticleId, Category, InvalidId, Partition, Position, StreamId, Timestamp, UserId, Version,
};
pub use kind::{Audience, EventKind, Secrets, Visibility};
pub use reader::{Dependency, EventReader, StreamPages, StreamSender};
pub use role::Role;
pub use server_url::ServerUrl;
pub use stamp::Stamp;
pub use text::Invalid;
