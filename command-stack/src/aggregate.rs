//! What a stream of events adds up to, and what may happen to it next.

use events::{BoxError, DomainEvent, LogError, RecordedEvent, Stamp, StreamId, Timestamp, Version};
use uuid::Uuid;

use crate::caller::{Caller, Denied};

/// An aggregate: a few pure functions. No clock, no id and no I/O inside; they come in as
/// arguments, so that every decision can be tested as given/when/then.
pub trait Aggregate: Sized + Send + 'static {
    /// What somebody wants.
    type Command: Send + Sync;
    /// What happened.
    type Event: Into<DomainEvent>;
    /// Why not.
    type Error: Send;

    /// What a command finds where nothing has happened yet; nothing, unless the aggregate is one
    /// that nobody has to begin.
    fn initial(_command: &Self::Command) -> Option<Self> {
        None
    }

    /// What follows from a command; no events when there is nothing to change.
    ///
    /// # Errors
    /// The rule that forbids it.
    fn decide(
        state: Option<&Self>,
        command: &Self::Command,
        now: Timestamp,
    ) -> Result<Vec<Self::Event>, Self::Error>;

    /// The state after an event.
    ///
    /// # Errors
    /// When the event is not one of this aggregate or cannot follow: the log is corrupt.
    fn evolve(state: Option<Self>, event: DomainEvent, stamp: Stamp) -> Result<Self, BoxError>;

    /// The stream of the aggregate with this id.
    fn stream(id: Uuid) -> StreamId;

    /// The version of the last event.
    fn version(&self) -> Version;
}

/// An aggregate whose commands are authorised (`access` has the rules of all of them).
pub trait Authorize: Aggregate {
    /// Whether this caller may ask for this at all.
    ///
    /// # Errors
    /// What the caller lacks.
    fn authorize(
        state: Option<&Self>,
        command: &Self::Command,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<(), Denied>;
}

/// Folds recorded events; `None` when there are none.
///
/// # Errors
/// [`LogError::Corrupt`] when one of them cannot be read or cannot follow.
pub fn fold<A: Aggregate>(events: &[RecordedEvent]) -> Result<Option<A>, LogError> {
    events.iter().try_fold(None, |state, recorded| {
        let corrupt = |error: BoxError| LogError::Corrupt(error);
        let event = recorded.decode().map_err(|error| corrupt(error.into()))?;
        let stamp = recorded.stamp().map_err(|error| corrupt(error.into()))?;
        A::evolve(state, event, stamp).map(Some).map_err(corrupt)
    })
}
