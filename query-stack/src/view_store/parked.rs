//! Streams that a generation of a view skips because of an event that it cannot apply.

use std::fmt;
use std::str::FromStr;

use events::{Position, StreamId, Timestamp, Version};
use serde::Serialize;

/// The state of a parked stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ParkedState {
    /// An event failed: retried a few times, then an operator must act.
    Parked,
    /// An event has a newer type or schema version: the first projector that knows it applies it.
    Waiting,
    /// Given up by an operator: there is no document in this generation.
    Discarded,
}

impl ParkedState {
    /// All states.
    pub const ALL: [Self; 3] = [Self::Parked, Self::Waiting, Self::Discarded];

    /// The stored and printed form.
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

/// A parked stream; its document has the events before `position`, or is deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Parked {
    /// The stream.
    pub stream: StreamId,
    /// Its state.
    pub state: ParkedState,
    /// The position of the first event that cannot be applied.
    pub position: Position,
    /// The version of that event in its stream.
    pub version: Version,
    /// The wire type of that event.
    pub event_type: String,
    /// Why it cannot be applied.
    pub error: String,
    /// Number of attempts.
    pub attempts: u32,
    /// The time of the first failure.
    pub since: Timestamp,
    /// The time of the last attempt.
    pub tried_at: Timestamp,
}

/// The number of parked streams of a generation, by state.
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
    /// Whether there are none, including discarded ones.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.parked + self.waiting + self.discarded == 0
    }

    /// Whether any still waits for an operator or a newer program.
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
