//! The part of an event's envelope that a fold needs.

use uuid::Uuid;

use crate::{Timestamp, Version};

/// Which event of which aggregate is folded, and when it was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The aggregate.
    pub id: Uuid,
    /// The event's place in the stream.
    pub version: Version,
    /// When it was recorded.
    pub at: Timestamp,
}
