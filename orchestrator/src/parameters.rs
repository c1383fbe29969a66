//! Parameters that several addresses know. `proto::fields` reads them, and refuses the others.

use axum::http::Uri;
use events::Timestamp;
use proto::fields::{Fields, Whole, Wrong, query};
use proto::{FieldError, Problem};
use schemars::JsonSchema;

/// How long a list may be asked to be.
pub(crate) type Limit = Whole<1, 100>;

pub(crate) fn invalid(pointer: &str, detail: impl Into<String>) -> Problem {
    Problem::invalid(vec![FieldError::new(pointer, detail)])
}

/// # Errors
/// When it is not within 1 to 100.
pub(crate) fn limit(fields: &mut Fields<'_>, default: u32) -> Result<u32, Wrong> {
    Ok(fields.optional("limit")?.map_or(default, Limit::get))
}

/// Of a list without pages.
#[derive(JsonSchema)]
pub(crate) struct OnlyLimit {
    /// 20 if nothing is said.
    #[schemars(with = "Option<Limit>")]
    pub(crate) limit: u32,
}

impl OnlyLimit {
    const DEFAULT: u32 = 20;

    /// # Errors
    /// 422 that names what is wrong with the query string.
    pub(crate) fn read(uri: &Uri) -> Result<Self, Problem> {
        query(uri, |fields| Ok(Self { limit: limit(fields, Self::DEFAULT)? }))
    }
}

/// For an address that knows no parameter.
///
/// # Errors
/// 422 when there is one.
pub(crate) fn none(uri: &Uri) -> Result<(), Problem> {
    query(uri, |_| Ok(()))
}

/// Which past state of an article is asked for.
#[derive(Debug, PartialEq, Eq, JsonSchema)]
pub(crate) struct EarlierState {
    /// After this event of it.
    pub(crate) version: Option<i64>,
    /// At this time; not both.
    pub(crate) as_of: Option<Timestamp>,
}

impl EarlierState {
    /// # Errors
    /// 422 also when a version and a time are asked for: they may not be the same state.
    pub(crate) fn read(uri: &Uri) -> Result<Self, Problem> {
        query(uri, |fields| {
            let (version, as_of) = (fields.optional("version"), fields.optional("as_of"));
            if let (Ok(Some(_)), Ok(Some(_))) = (&version, &as_of) {
                let both = "cannot be combined with version: must be the only one of the two";
                fields.check("as_of", Err::<(), _>(both))?;
            }
            Ok(Self { version: version?, as_of: as_of? })
        })
    }

    /// Or the article as it is.
    pub(crate) const fn is_asked_for(&self) -> bool {
        self.version.is_some() || self.as_of.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(query: &str) -> Result<EarlierState, Problem> {
        EarlierState::read(&format!("/v1/news/sports/1{query}").parse().expect("an address"))
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
