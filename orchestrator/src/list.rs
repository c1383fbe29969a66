//! Lists: their parameters, their cursors and their shape.

use axum::extract::Query;
use axum::http::Uri;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use events::{Timestamp, UserId};
use proto::v1::{ArticleSummary, ListArticlesRequest, ListPlace};
use proto::{FieldError, Problem};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const DEFAULT_LIMIT: u32 = 20;
const MOST: u32 = 100;

/// What a list can be asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListParameters {
    pub(crate) limit: Option<u32>,
    after: Option<String>,
    pub(crate) category: Option<String>,
    tag: Option<String>,
    author: Option<UserId>,
}

/// A page of a list.
#[derive(Debug, Serialize)]
pub(crate) struct Page {
    items: Vec<ArticleSummary>,
    next: Option<String>,
}

impl ListParameters {
    /// # Errors
    /// 422 that names what is wrong with the query string.
    pub(crate) fn read(uri: &Uri) -> Result<Self, Problem> {
        let Query(parameters) = Query::<Self>::try_from_uri(uri).map_err(|error| {
            let whole = std::error::Error::source(&error).map(ToString::to_string);
            invalid("", whole.unwrap_or_default())
        })?;
        Ok(parameters)
    }

    /// For an address that is one category by itself.
    ///
    /// # Errors
    /// 422 when another is asked for.
    pub(crate) fn without_category(self) -> Result<Self, Problem> {
        match self.category {
            None => Ok(self),
            Some(_) => Err(invalid("category", "the address names the category")),
        }
    }

    /// For an address that only has a length.
    ///
    /// # Errors
    /// 422 when more is asked for.
    pub(crate) fn only_limit(self) -> Result<Self, Problem> {
        match self {
            Self { limit, after: None, category: None, tag: None, author: None } => {
                Ok(Self { limit, ..Self::default() })
            }
            _ => Err(invalid("", "only limit is possible here")),
        }
    }

    /// # Errors
    /// 422 when the limit is not within 1 to 100.
    pub(crate) fn limit(&self, default: u32) -> Result<u32, Problem> {
        match self.limit.unwrap_or(default) {
            limit @ 1..=MOST => Ok(limit),
            _ => Err(invalid("limit", "1 to 100")),
        }
    }

    /// The question for one category: one more than the page, to know whether there is a next one.
    ///
    /// # Errors
    /// 422 when the cursor or the limit is not one of ours.
    pub(crate) fn request(&self, category: &str) -> Result<ListArticlesRequest, Problem> {
        Ok(ListArticlesRequest {
            category: category.to_owned(),
            limit: self.limit(DEFAULT_LIMIT)? + 1,
            after: self.after.as_deref().map(read_cursor).transpose()?,
            tag: self.tag.clone(),
            author_id: self.author.map(|id| id.to_string()),
            min_position: 0,
        })
    }

    /// A page of items that are in order, each list one longer than the page if there is more.
    pub(crate) fn page(&self, mut items: Vec<ArticleSummary>) -> Page {
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT) as usize;
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(write_cursor);
        Page { items, next }
    }
}

/// Newest first, ties by descending id: the order of every list.
pub(crate) fn newest_first(a: &ArticleSummary, b: &ArticleSummary) -> std::cmp::Ordering {
    (&b.published_at, &b.id).cmp(&(&a.published_at, &a.id))
}

fn invalid(pointer: &str, detail: impl Into<String>) -> Problem {
    Problem::invalid(vec![FieldError::new(pointer, detail)])
}

fn write_cursor(last: &ArticleSummary) -> String {
    URL_SAFE_NO_PAD.encode(format!("{} {}", last.published_at, last.id))
}

fn read_cursor(cursor: &str) -> Result<ListPlace, Problem> {
    let decoded = URL_SAFE_NO_PAD.decode(cursor).ok();
    let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    let place = text.as_deref().and_then(|text| text.split_once(' ')).and_then(|(time, id)| {
        let (time, id) = (time.parse::<Timestamp>().ok()?, Uuid::parse_str(id).ok()?);
        Some(ListPlace { published_at: time.to_string(), id: id.to_string() })
    });
    place.ok_or_else(|| invalid("after", "not a cursor that a list gave"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(published_at: &str, id: u128) -> ArticleSummary {
        let id = Uuid::from_u128(id).to_string();
        ArticleSummary { published_at: published_at.to_owned(), id, ..Default::default() }
    }

    fn read(query: &str) -> Result<ListParameters, Problem> {
        ListParameters::read(&format!("/v1/news{query}").parse().expect("an address"))
    }

    #[test]
    fn a_page_that_is_full_names_the_place_where_the_next_begins() {
        let items =
            vec![summary("2026-11-21T07:00:00.002Z", 2), summary("2026-11-21T07:00:00.001Z", 1)];
        let page = read("?limit=1").expect("parameters").page(items.clone());
        assert_eq!(page.items, items[..1]);
        let after = format!("?after={}", page.next.expect("a next page"));
        let request = read(&after).expect("parameters").request("sports").expect("a request");
        let place =
            ListPlace { published_at: items[0].published_at.clone(), id: items[0].id.clone() };
        assert_eq!(request.after, Some(place));
        assert_eq!(read("?limit=2").expect("parameters").page(items).next, None);
    }

    #[test]
    fn wrong_parameters_are_refused_and_not_ignored() {
        for query in ["?limit=0", "?limit=101", "?after=%%%", "?after=eA"] {
            assert!(read(query).and_then(|list| list.request("sports")).is_err(), "{query}");
        }
        for query in ["?limit=x", "?q=goal", "?author=me"] {
            assert!(read(query).is_err(), "{query}");
        }
    }
}
