//! What a single value can be.

use std::borrow::Cow;
use std::str::FromStr;

use events::news::ArticleStatus;
use events::text::Text;
use events::{ArticleId, Email, Invalid, Position, Role, Timestamp, UserId};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// How a value stands in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `"text"`
    String,
    /// `1`
    Number,
    /// `true`
    Boolean,
}

/// A value that clients write.
pub trait Field: FromStr {
    /// How it stands in JSON.
    const KIND: Kind = Kind::String;

    /// What it must be, in words that follow "must be".
    fn allowed() -> String;

    /// Reads it as it stands in a query, or in JSON between the quotation marks.
    ///
    /// # Errors
    /// What is wrong, and what is allowed.
    fn read(text: &str) -> Result<Self, Invalid> {
        text.parse().map_err(|_| Invalid::new("is not valid", Self::allowed()))
    }
}

impl<const MIN: usize, const MAX: usize> Field for Text<MIN, MAX> {
    fn allowed() -> String {
        Self::allowed()
    }

    fn read(text: &str) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl Field for Email {
    fn allowed() -> String {
        Self::allowed()
    }

    fn read(text: &str) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl Field for String {
    fn allowed() -> String {
        "a string".to_owned()
    }
}

impl Field for bool {
    const KIND: Kind = Kind::Boolean;

    fn allowed() -> String {
        "true or false".to_owned()
    }
}

impl Field for i64 {
    const KIND: Kind = Kind::Number;

    fn allowed() -> String {
        "a whole number of 64 bits".to_owned()
    }
}

impl Field for Position {
    const KIND: Kind = Kind::Number;

    fn allowed() -> String {
        "a position in the log: a whole number from 0".to_owned()
    }
}

impl Field for Timestamp {
    fn allowed() -> String {
        "a time as in RFC 3339, such as 2026-11-21T07:00:00Z".to_owned()
    }
}

impl Field for ArticleId {
    fn allowed() -> String {
        "the id of an article: a UUID".to_owned()
    }
}

impl Field for UserId {
    fn allowed() -> String {
        "the id of a user: a UUID".to_owned()
    }
}

impl Field for Role {
    fn allowed() -> String {
        format!("one of {}", Self::ALL.map(Self::as_str).join(", "))
    }
}

impl Field for ArticleStatus {
    fn allowed() -> String {
        format!("one of {}", Self::ALL.map(Self::as_str).join(", "))
    }
}

/// A whole number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole<const MIN: u32, const MAX: u32>(u32);

impl<const MIN: u32, const MAX: u32> Whole<MIN, MAX> {
    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl<const MIN: u32, const MAX: u32> FromStr for Whole<MIN, MAX> {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text.parse::<i64>().map(u32::try_from) {
            Ok(Ok(number)) if (MIN..=MAX).contains(&number) => Ok(Self(number)),
            Ok(_) => Err(Invalid::new("is out of range", Self::allowed())),
            Err(_) => Err(Invalid::new("is not a whole number", Self::allowed())),
        }
    }
}

impl<const MIN: u32, const MAX: u32> Field for Whole<MIN, MAX> {
    const KIND: Kind = Kind::Number;

    fn allowed() -> String {
        format!("a whole number from {MIN} to {MAX}")
    }

    fn read(text: &str) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl<const MIN: u32, const MAX: u32> JsonSchema for Whole<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("From{MIN}To{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "format": "uint32", "minimum": MIN, "maximum": MAX})
    }
}
