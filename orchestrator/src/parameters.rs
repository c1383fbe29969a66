//! Query strings. What an address does not know is refused and not ignored: a misspelt parameter
//! would look like an answer to it.

use axum::extract::Query;
use axum::http::Uri;
use events::Timestamp;
use proto::{FieldError, Problem};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// # Errors
/// 422 that names what is wrong with the query string.
pub(crate) fn read<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    let Query(parameters) = Query::<T>::try_from_uri(uri).map_err(|error| {
        let whole = std::error::Error::source(&error).map(ToString::to_string);
        invalid("", whole.unwrap_or_default())
    })?;
    Ok(parameters)
}

pub(crate) fn invalid(pointer: &str, detail: impl Into<String>) -> Problem {
    Problem::invalid(vec![FieldError::new(pointer, detail)])
}

/// Of a list without pages.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OnlyLimit {
    /// 1 to 100, 20 if nothing is said.
    #[schemars(range(min = 1, max = 100))]
    pub(crate) limit: Option<u32>,
}

/// How long a list may be asked to be.
const LONGEST: u32 = 100;

/// # Errors
/// 422 when the limit is not within 1 to 100.
pub(crate) fn limit(asked: Option<u32>, default: u32) -> Result<u32, Problem> {
    match asked.unwrap_or(default) {
        limit @ 1..=LONGEST => Ok(limit),
        _ => Err(invalid("limit", "1 to 100")),
    }
}

/// For an address that knows no parameter.
///
/// # Errors
/// 422 when there is one.
pub(crate) fn none(uri: &Uri) -> Result<(), Problem> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}
    read::<Nothing>(uri).map(|_| ())
}

/// Which past state of an article is asked for.
#[derive(Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EarlierState {
    /// After this event of it.
    pub(crate) version: Option<i64>,
    /// At this time; not both.
    pub(crate) as_of: Option<Timestamp>,
}

impl EarlierState {
    /// Or the article as it is.
    pub(crate) const fn is_asked_for(&self) -> bool {
        self.version.is_some() || self.as_of.is_some()
    }
}

/// # Errors
/// 422 also when a version and a time are asked for: they may not be the same state.
pub(crate) fn earlier_state(uri: &Uri) -> Result<EarlierState, Problem> {
    let past: EarlierState = read(uri)?;
    if past.version.is_some() && past.as_of.is_some() {
        return Err(invalid("as_of", "version or as_of, not both"));
    }
    Ok(past)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(query: &str) -> Result<EarlierState, Problem> {
        earlier_state(&format!("/v1/news/sports/1{query}").parse().expect("an address"))
    }

    #[test]
    fn a_version_or_a_time_names_a_past_state() {
        assert!(!of("").expect("no parameters").is_asked_for());
        assert_eq!(of("?version=3"), Ok(EarlierState { version: Some(3), as_of: None }));
        let as_of = "2026-11-21T07:00:00.000Z".parse().ok();
        assert_eq!(of("?as_of=2026-11-21T07:00:00Z"), Ok(EarlierState { version: None, as_of }));
    }

    #[test]
    fn anything_else_is_refused() {
        let both = "?version=1&as_of=2026-11-21T07:00:00Z";
        for query in ["?version=x", "?version=", "?as_of=yesterday", "?colour=red", both] {
            assert!(of(query).is_err(), "{query}");
        }
        assert!(none(&"/?a=b".parse().expect("an address")).is_err());
        assert!(none(&"/".parse().expect("an address")).is_ok());
    }
}
