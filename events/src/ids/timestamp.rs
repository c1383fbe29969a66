//! Timestamps with millisecond precision.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, SecondsFormat, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::InvalidId;

/// A time in UTC, with the millisecond precision that the API promises.
/// Stored and answered values are therefore identical.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[schemars(inline)]
pub struct Timestamp(#[schemars(with = "String", extend("format" = "date-time"))] DateTime<Utc>);

impl Timestamp {
    /// The last millisecond of the year 9999: no four-digit year is later.
    pub const END: Self = Self(match DateTime::from_timestamp_millis(253_402_300_799_999) {
        Some(end) => end,
        None => DateTime::<Utc>::MAX_UTC,
    });

    /// From milliseconds since 1970-01-01T00:00:00Z.
    /// A value outside chrono's range becomes 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(DateTime::from_timestamp_millis(millis).unwrap_or_default())
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn millis(self) -> i64 {
        self.0.timestamp_millis()
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self::from_millis(time.timestamp_millis())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl FromStr for Timestamp {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let time = DateTime::parse_from_rfc3339(text).ok();
        // Four-digit years, also in UTC: every parsed time can be formatted and parsed again.
        time.map(|time| Self::from(time.with_timezone(&Utc)))
            .filter(|time| (0..=9999).contains(&time.0.year()))
            .ok_or_else(|| InvalidId(text.to_owned(), "an RFC 3339 time"))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
        // Parses like `FromStr`: chrono's own deserializer accepts more than RFC 3339.
        Text::deserialize(deserializer)?.0.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_always_has_milliseconds() {
        let time: Timestamp = "2026-11-21T07:00:00+01:00".parse().expect("a time");
        assert_eq!(time.to_string(), "2026-11-21T06:00:00.000Z");
    }

    #[test]
    fn a_timestamp_that_is_read_can_be_written_and_read_again() {
        for text in ["0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "2016-12-31T23:59:60Z"] {
            let time: Timestamp = text.parse().expect("a time");
            assert_eq!(time.to_string().parse(), Ok(time), "{text}");
            let json = serde_json::to_string(text).expect("JSON");
            assert_eq!(serde_json::from_str::<Timestamp>(&json).expect("a time"), time);
        }
        for text in [
            "-262143-01-01T00:00:00Z",
            "+262142-12-31T23:59:59.999Z",
            "0000-01-01T00:00:00+23:59",
            "9999-12-31T23:59:60.999Z",
            "9999-12-31T23:59:59-00:01",
            "2026-11-21T07:00:00Z ",
            "",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
            let json = serde_json::to_string(text).expect("JSON");
            assert!(serde_json::from_str::<Timestamp>(&json).is_err(), "{text}");
        }
    }
}
