//! The events of the editors' front page: which articles stand first in a category, and which one
//! is breaking news.
//!
//! Each event says all that its place shows, not a difference: the newest one is the state, and what
//! a reader was shown at any time is read off a single event.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{ArticleId, Category, EventKind, StreamId};

/// A place of the front page with a stream of its own, so that each stays short. A UUID of version
/// 5: whoever knows the category knows the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrontId(pub Uuid);

impl FrontId {
    const NAMESPACE: Uuid = Uuid::from_u128(0x93eb_180b_d59a_41b5_9573_4326_2e1c_7b8c);

    /// What is pinned in a category.
    #[must_use]
    pub fn of_category(category: &Category) -> Self {
        Self::named(category.as_str())
    }

    /// Breaking news, of whatever category.
    #[must_use]
    pub fn breaking() -> Self {
        // No category can have this name, because of the dot.
        Self::named("breaking.news")
    }

    fn named(name: &str) -> Self {
        Self(Uuid::new_v5(&Self::NAMESPACE, name.as_bytes()))
    }
}

impl From<FrontId> for StreamId {
    fn from(id: FrontId) -> Self {
        format!("front-{}", id.0).into()
    }
}

/// What stands first in a category is decided anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrontPinned {
    /// Where.
    pub category: Category,
    /// All that is pinned from here on, the first first; empty when nothing is.
    pub articles: Vec<ArticleId>,
}

/// An article is breaking news.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrontBreakingSet {
    /// Which.
    pub article_id: ArticleId,
    /// Where it was then.
    pub category: Category,
}

/// There is no breaking news any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrontBreakingCleared {}

/// Any event of the front page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum FrontEvent {
    /// `front.pinned`
    Pinned(FrontPinned),
    /// `front.breaking_set`
    BreakingSet(FrontBreakingSet),
    /// `front.breaking_cleared`
    BreakingCleared(FrontBreakingCleared),
}

impl FrontEvent {
    /// Which kind of event this is.
    #[must_use]
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::Pinned(_) => EventKind::FrontPinned,
            Self::BreakingSet(_) => EventKind::FrontBreakingSet,
            Self::BreakingCleared(_) => EventKind::FrontBreakingCleared,
        }
    }

    /// The name on the wire.
    #[must_use]
    pub const fn event_type(&self) -> &'static str {
        self.kind().name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The streams that are in logs already must be found for ever.
    #[test]
    fn the_stream_of_a_place_never_changes() {
        let sports: Category = "sports".parse().expect("a category");
        let streams = [FrontId::of_category(&sports), FrontId::breaking()].map(StreamId::from);
        let expected = [
            "front-b1fa3fc8-675e-5ee2-8c34-ebc2a64753a0",
            "front-e83eec91-0a17-5d13-92a5-6d88357be38a",
        ];
        assert_eq!(streams.each_ref().map(StreamId::as_str), expected);
        let id = streams[0].aggregate_id().expect("the stream of an aggregate");
        assert_eq!(FrontId(id), FrontId::of_category(&sports));
    }
}
