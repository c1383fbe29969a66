//! What happened, and how it travels: the domain events, the envelope in which they are recorded,
//! and the ports through which the rest of the portal reads and carries them.
//!
//! Invariant: nothing here decides anything. Rules live in the command-stack, views in the
//! query-stack; this crate is the language they share, so it depends on neither.

mod backoff;
pub mod bus;
mod email;
mod envelope;
pub mod front;
mod ids;
pub mod news;
pub mod personal;
mod reader;
pub mod readings;
mod role;
pub mod seal;
mod server_url;
pub mod sqlite;
pub mod text;
mod upcast;
pub mod user;

pub use backoff::Backoff;
pub use email::Email;
pub use envelope::{Actor, DecodeError, DomainEvent, Metadata, NewEvent, RecordedEvent, Stamp};
pub use ids::{
    ArticleId, Category, InvalidId, Partition, Position, StreamId, Timestamp, UserId, Version,
};
pub use reader::{BoxError, Chain, Dependency, EventReader, LogError, StreamPages, StreamSender};
pub use role::Role;
pub use server_url::ServerUrl;
pub use text::Invalid;
