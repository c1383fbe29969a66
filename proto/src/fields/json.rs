//! JSON, taken apart without building a tree of it: of lists and objects that are too long only the
//! beginning is held.

use std::fmt;

use axum::http::StatusCode;
use events::Invalid;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::{Field, Kind, MOST_FIELDS};
use crate::Problem;

/// Where a text is not JSON, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotJson {
    /// From 1.
    pub line: usize,
    /// In bytes, from 1; 0 when the line before it is broken off.
    pub column: usize,
    /// `the JSON ends too early`
    pub problem: &'static str,
}

impl From<NotJson> for Problem {
    fn from(NotJson { line, column, problem }: NotJson) -> Self {
        let detail = format!("line {line}, column {column}: {problem}");
        Self::new(StatusCode::BAD_REQUEST, "malformed-json", "Malformed JSON", detail)
    }
}

/// A value as it was given.
pub(super) enum Given<'a> {
    /// `null` in JSON.
    Null,
    /// Anything else in JSON.
    Json(&'a RawValue),
    /// In a query.
    Text(String),
}

impl<'a> From<&'a RawValue> for Given<'a> {
    fn from(json: &'a RawValue) -> Self {
        if json.get() == "null" { Self::Null } else { Self::Json(json) }
    }
}

impl<'a> Given<'a> {
    pub(super) fn read<T: Field>(self) -> Result<T, Invalid> {
        let json = match self {
            Self::Null => return Err(Invalid::new("is null", T::allowed())),
            Self::Text(text) => return T::read(&text),
            Self::Json(json) => json.get(),
        };
        match (T::KIND, json.as_bytes().first()) {
            (Kind::String, Some(b'"')) => match serde_json::from_str::<String>(json) {
                Ok(text) => T::read(&text),
                // What an escape sequence stands for was not looked at before.
                Err(_) => Err(Invalid::new("has a broken escape sequence", T::allowed())),
            },
            (Kind::Boolean, Some(b't' | b'f')) | (Kind::Number, Some(b'-' | b'0'..=b'9')) => {
                T::read(json)
            }
            _ => Err(Invalid::new(kind(json), T::allowed())),
        }
    }

    /// The items of a list; one more than `most`, if there are too many.
    pub(super) fn items<T: Field>(self, most: usize) -> Result<Vec<Self>, Invalid> {
        let (problem, items) = match self {
            Self::Null => ("is null", None),
            Self::Text(_) => ("is a string", None),
            Self::Json(json) => {
                let mut list = serde_json::Deserializer::from_str(json.get());
                (kind(json.get()), Items { most }.deserialize(&mut list).ok())
            }
        };
        items.ok_or_else(|| Invalid::new(problem, list_of::<T>()))
    }
}

pub(super) fn list_of<T: Field>() -> String {
    format!("a list, and each item {}", T::allowed())
}

/// By its first character, since it is JSON.
fn kind(json: &str) -> &'static str {
    match json.as_bytes().first() {
        Some(b'"') => "is a string",
        Some(b't' | b'f') => "is a boolean",
        Some(b'[') => "is a list",
        Some(b'{') => "is an object",
        _ => "is a number",
    }
}

/// The members of an object in their order, also those of the same name; one more than allowed, if
/// there are too many. `None` when it is JSON and no object.
pub(super) fn members(json: &[u8]) -> Result<Option<Vec<(String, Given<'_>)>>, NotJson> {
    match serde_json::from_slice::<Members<'_>>(json) {
        Ok(Members(members)) => Ok(Some(members)),
        Err(error) if error.classify() == Category::Data => Ok(None),
        Err(error) => Err(NotJson {
            line: error.line(),
            column: error.column(),
            problem: if error.is_eof() { "the JSON ends too early" } else { "this is not JSON" },
        }),
    }
}

struct Items {
    most: usize,
}

impl<'de> DeserializeSeed<'de> for Items {
    type Value = Vec<Given<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Items {
    type Value = Vec<Given<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while items.len() <= self.most
            && let Some(item) = list.next_element::<&'de RawValue>()?
        {
            items.push(item.into());
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(items)
    }
}

struct Members<'a>(Vec<(String, Given<'a>)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while members.len() <= MOST_FIELDS
                    && let Some((name, value)) = map.next_entry::<String, &'de RawValue>()?
                {
                    members.push((name, value.into()));
                }
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}
