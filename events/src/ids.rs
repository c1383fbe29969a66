//! The words for "which one": newtypes that cannot hold a wrong value.

mod timestamp;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::timestamp::Timestamp;

/// A text that is not an id of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not {1}")]
pub struct InvalidId(String, &'static str);

/// The place of an event in the whole log. The first event has position 1; positions have no gaps.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Position(#[schemars(range(min = 0))] i64);

impl Position {
    /// Before the first event.
    pub const START: Self = Self(0);
    /// After every event.
    pub const END: Self = Self(i64::MAX);

    /// Positions are `i64` because both databases count in signed 64 bits.
    #[must_use]
    pub const fn new(position: i64) -> Self {
        Self(position)
    }

    /// The number itself.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Position {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match text.parse() {
            Ok(number) if number >= 0 => Ok(Self(number)),
            _ => Err(InvalidId(text.to_owned(), "a position in the log")),
        }
    }
}

/// The place of an event in its stream. The first event has version 1; versions have no gaps.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Version(#[schemars(range(min = 0))] i64);

impl Version {
    /// The version of a stream without events.
    pub const NONE: Self = Self(0);

    /// Versions are `i64` because both databases count in signed 64 bits.
    #[must_use]
    pub const fn new(version: i64) -> Self {
        Self(version)
    }

    /// The number itself.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The version that is `count` events later.
    #[must_use]
    pub const fn plus(self, count: usize) -> Self {
        #[expect(clippy::cast_possible_wrap, reason = "a stream never holds 2^63 events")]
        Self(self.0 + count as i64)
    }

    /// The version of the event that must follow.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which article: a UUID of version 7, so that newer articles sort after older ones.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
#[schemars(inline)]
pub struct ArticleId(pub Uuid);

/// Which user: a UUID of version 7.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
#[schemars(inline)]
pub struct UserId(pub Uuid);

impl fmt::Display for ArticleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ArticleId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let id = Uuid::parse_str(text).ok();
        id.map(Self).ok_or_else(|| InvalidId(text.to_owned(), "the id of an article"))
    }
}

impl FromStr for UserId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let id = Uuid::parse_str(text).ok();
        id.map(Self).ok_or_else(|| InvalidId(text.to_owned(), "the id of a user"))
    }
}

/// A category of news: 1 to 32 of `a-z`, `0-9` and `-`, starting with a letter. It is a part of
/// routing keys, queue names and collection names, hence the narrow alphabet.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(inline, with = "String", extend("pattern" = "^[a-z][a-z0-9-]{0,31}$"))]
pub struct Category(Arc<str>);

impl Category {
    /// The name as it stands in URLs.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Category {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let alphabet = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let starts_well = text.starts_with(|c: char| c.is_ascii_lowercase());
        if starts_well && text.len() <= 32 && text.chars().all(alphabet) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidId(
                text.to_owned(),
                "a category (1 to 32 of a-z, 0-9 and '-', a letter first)",
            ))
        }
    }
}

impl TryFrom<String> for Category {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<Category> for String {
    fn from(category: Category) -> Self {
        category.as_str().to_owned()
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A part of the log that is delivered and projected by itself, in order: one per category of
/// news, one for the users and one for the front page. Written `news.<category>`, `user` and
/// `front`; the routing key of an event is its partition followed by the event's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Partition {
    /// The articles of one category.
    News(Category),
    /// All users.
    Users,
    /// What the editors put on the front page.
    Front,
}

impl FromStr for Partition {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match text.strip_prefix("news.") {
            Some(category) => category.parse().map(Self::News),
            None if text == "user" => Ok(Self::Users),
            None if text == "front" => Ok(Self::Front),
            None => Err(InvalidId(text.to_owned(), "a partition of the log")),
        }
    }
}

impl TryFrom<String> for Partition {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<Partition> for String {
    fn from(partition: Partition) -> Self {
        partition.to_string()
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::News(category) => write!(f, "news.{category}"),
            Self::Users => f.write_str("user"),
            Self::Front => f.write_str("front"),
        }
    }
}

/// Which stream: one per aggregate, `article-<uuid>`, `user-<uuid>` or `front-<uuid>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StreamId(String);

impl StreamId {
    /// The name as it stands in the log.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of the aggregate: the UUID after the kind.
    ///
    /// # Errors
    /// When the name is not `<kind>-<uuid>`.
    pub fn aggregate_id(&self) -> Result<Uuid, InvalidId> {
        self.0
            .split_once('-')
            .and_then(|(_, id)| Uuid::parse_str(id).ok())
            .ok_or_else(|| InvalidId(self.0.clone(), "a stream of an aggregate"))
    }
}

impl From<ArticleId> for StreamId {
    fn from(id: ArticleId) -> Self {
        Self(format!("article-{id}"))
    }
}

impl From<UserId> for StreamId {
    fn from(id: UserId) -> Self {
        Self(format!("user-{id}"))
    }
}

/// As it was read from the log or a message; the log accepts any name.
impl From<String> for StreamId {
    fn from(name: String) -> Self {
        Self(name)
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_category_is_a_safe_part_of_a_queue_or_collection_name() {
        for good in ["sports", "world-cup-2026", "a"] {
            assert!(good.parse::<Category>().is_ok(), "{good}");
        }
        for bad in ["", "Sports", "a.b", "a b", "9to5", "ä", "a/b", &"x".repeat(33)] {
            assert!(bad.parse::<Category>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_partition_reads_back_what_it_writes() {
        for text in ["news.sports", "user", "front"] {
            assert_eq!(text.parse::<Partition>().map(|p| p.to_string()), Ok(text.to_owned()));
        }
        assert!("orders".parse::<Partition>().is_err());
    }
}
