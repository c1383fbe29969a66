//! The read side: projectors keep views from what the bus brings, and queries are answered from
//! the views alone.
//!
//! Invariant: a view is nothing but the fold of its partition of the log, so that it can be thrown
//! away and built again at any time (`rebuild`), and checked (`verify`).

pub mod articles;
pub mod desk;
mod figures;
mod fold;
mod forgetting;
pub mod front;
mod grpc;
mod history;
mod parking;
mod projection;
mod projector;
mod reading_profile;
pub mod reading_store;
mod rebuild;
mod recorder;
mod unavailable;
pub mod users;
mod verify;
pub mod view_store;

pub use figures::Figures;
pub use forgetting::Forgetting;
pub use grpc::{LARGEST_QUESTION, Queries};
pub use parking::{DeadLetters, TakenUp};
pub use projection::{ProjectError, views};
pub use projector::Projector;
pub use rebuild::{Built, OnProgress, Progress, RebuildError, Rebuilder, Until};
pub use recorder::Recorder;
pub use unavailable::Unavailable;
pub use verify::{Verified, verify};
