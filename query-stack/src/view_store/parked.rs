//! Streams that a generation of a view leaves out, because of an event that it cannot take.

use std::fmt;
use std::str::FromStr;

use events::{Position, StreamId, Timestamp, Version};
use serde::Serialize;

/// What becomes of a stream that was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ParkedState {
    /// An event of it failed: it is tried again a few times, then somebody has to see to it.
    Parked,
    /// An event of it is of a type or schema version that a newer program wrote: it is taken up by
    /// the first projector that knows it.
    Waiting,
    /// Somebody gave it up: it has no document in this generation.
    Discarded,
}

impl ParkedState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Parked, Self::Waiting, Self::Discarded];

    /// As it is stored and printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Parked => "parked",
            Self::Waiting => "waiting",
            Self::Discarded => "discarded",
        }
    }
}

impl fmt::Display for ParkedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ParkedState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::ALL.into_iter().find(|state| state.as_str() == text);
        named.ok_or_else(|| format!("{text:?} is not a state of a parked stream"))
    }
}

/// A stream that a generation leaves out: its document is what the events before `position` say,
/// or is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Parked {
    pub stream: StreamId,
    /// What becomes of it.
    pub state: ParkedState,
    /// Of the first event that cannot be taken.
    pub position: Position,
    /// The place of that event in its stream.
    pub version: Version,
    /// The type of that event, on the wire.
    pub event_type: String,
    /// Why it cannot be taken.
    pub error: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it first failed.
    pub since: Timestamp,
    /// When it was last tried.
    pub tried_at: Timestamp,
}

/// How many streams a generation leaves out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ParkedCounts {
    /// See [`ParkedState::Parked`].
    pub parked: u64,
    /// See [`ParkedState::Waiting`].
    pub waiting: u64,
    /// See [`ParkedState::Discarded`].
    pub discarded: u64,
}

impl ParkedCounts {
    /// Whether there are none, also none that was given up.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.parked + self.waiting + self.discarded == 0
    }

    /// Whether somebody or a newer program is still expected to see to one.
    #[must_use]
    pub const fn is_pending(&self) -> bool {
        self.parked + self.waiting > 0
    }
}

/// `1 parked, 0 waiting and 0 discarded streams`
impl fmt::Display for ParkedCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { parked, waiting, discarded } = self;
        write!(f, "{parked} parked, {waiting} waiting and {discarded} discarded streams")
    }
}

impl FromIterator<(ParkedState, u64)> for ParkedCounts {
    fn from_iter<T: IntoIterator<Item = (ParkedState, u64)>>(counted: T) -> Self {
        let mut counts = Self::default();
        for (state, count) in counted {
            match state {
                ParkedState::Parked => counts.parked += count,
                ParkedState::Waiting => counts.waiting += count,
                ParkedState::Discarded => counts.discarded += count,
            }
        }
        counts
    }
}
