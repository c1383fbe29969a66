//! Lists: their parameters, their cursors and their shape.

use axum::http::Uri;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use events::news::ArticleStatus;
use events::{Timestamp, UserId};
use proto::Problem;
use proto::v1::{ArticleSummary, ListArticlesRequest, ListPlace, ListUsersRequest, Viewer};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::parameters::{self, invalid};

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
    /// Of the newsroom's list: the public's has only one.
    pub(crate) status: Option<String>,
}

/// A page of a list.
#[derive(Debug, Serialize)]
pub(crate) struct Page<T> {
    items: Vec<T>,
    next: Option<String>,
}

impl ListParameters {
    /// # Errors
    /// 422 that names what is wrong with the query string.
    pub(crate) fn read(uri: &Uri) -> Result<Self, Problem> {
        parameters::read(uri)
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
        match self.only_paging()? {
            Self { limit, after: None, .. } => Ok(Self { limit, ..Self::default() }),
            _ => Err(invalid("", "only limit is possible here")),
        }
    }

    /// For an address of which only pages can be asked for.
    ///
    /// # Errors
    /// 422 when more is asked for.
    pub(crate) fn only_paging(self) -> Result<Self, Problem> {
        match self {
            Self { limit, after, category: None, tag: None, author: None, status: None } => {
                Ok(Self { limit, after, ..Self::default() })
            }
            _ => Err(invalid("", "only limit and after are possible here")),
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
    /// 422 when the cursor or the limit is not one of ours, or there is no such status.
    pub(crate) fn articles(
        &self,
        category: &str,
        viewer: Option<Viewer>,
    ) -> Result<ListArticlesRequest, Problem> {
        Ok(ListArticlesRequest {
            category: category.to_owned(),
            limit: self.limit(DEFAULT_LIMIT)? + 1,
            after: self.after.as_deref().map(read_cursor).transpose()?,
            tag: self.tag.clone(),
            author_id: self.author.map(|id| id.to_string()),
            min_position: 0,
            status: self.status.as_deref().map(known_status).transpose()?,
            viewer,
        })
    }

    /// The question for users, likewise.
    ///
    /// # Errors
    /// 422 when the cursor or the limit is not one of ours.
    pub(crate) fn users(&self) -> Result<ListUsersRequest, Problem> {
        Ok(ListUsersRequest {
            limit: self.limit(DEFAULT_LIMIT)? + 1,
            after: self.after.as_deref().map(read_cursor).transpose()?,
            min_position: 0,
        })
    }

    /// A page of items that are in order, each list one longer than the page if there is more.
    pub(crate) fn page<T>(&self, mut items: Vec<T>, place: impl Fn(&T) -> Place<'_>) -> Page<T> {
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT) as usize;
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|last| write_cursor(place(last)));
        Page { items, next }
    }

    /// Where an article stands: in the public's list by when it was published, in the newsroom's
    /// by when it was begun.
    pub(crate) fn place<'a>(&self, article: &'a ArticleSummary) -> Place<'a> {
        let listed_at = match self.status {
            None => article.published_at.as_deref().unwrap_or_default(),
            Some(_) => &article.created_at,
        };
        (listed_at, &article.id)
    }
}

/// When, and the id, which breaks ties: every list is in descending order of both.
pub(crate) type Place<'a> = (&'a str, &'a str);

fn known_status(text: &str) -> Result<String, Problem> {
    let known = ArticleStatus::ALL.into_iter().find(|status| status.as_str() == text);
    known.map(|status| status.to_string()).ok_or_else(|| {
        let all = ArticleStatus::ALL.map(ArticleStatus::as_str).join(", ");
        invalid("status", format!("one of {all}"))
    })
}

fn write_cursor((listed_at, id): Place<'_>) -> String {
    URL_SAFE_NO_PAD.encode(format!("{listed_at} {id}"))
}

fn read_cursor(cursor: &str) -> Result<ListPlace, Problem> {
    let decoded = URL_SAFE_NO_PAD.decode(cursor).ok();
    let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    let place = text.as_deref().and_then(|text| text.split_once(' ')).and_then(|(time, id)| {
        let (time, id) = (time.parse::<Timestamp>().ok()?, Uuid::parse_str(id).ok()?);
        Some(ListPlace { listed_at: time.to_string(), id: id.to_string() })
    });
    place.ok_or_else(|| invalid("after", "not a cursor that a list gave"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(published_at: &str, id: u128) -> ArticleSummary {
        let id = Uuid::from_u128(id).to_string();
        let published_at = Some(published_at.to_owned());
        let created_at = "2026-11-20T07:00:00.000Z".to_owned();
        ArticleSummary { published_at, created_at, id, ..Default::default() }
    }

    fn read(query: &str) -> Result<ListParameters, Problem> {
        ListParameters::read(&format!("/v1/news{query}").parse().expect("an address"))
    }

    #[test]
    fn a_page_that_is_full_names_the_place_where_the_next_begins() {
        let items =
            vec![summary("2026-11-21T07:00:00.002Z", 2), summary("2026-11-21T07:00:00.001Z", 1)];
        let page = |query: &str| {
            let parameters = read(query).expect("parameters");
            parameters.page(items.clone(), |item| parameters.place(item))
        };
        assert_eq!(page("?limit=1").items, items[..1]);
        assert_eq!(page("?limit=2").next, None);
        let place_after = |query: &str| {
            let after = format!("?after={}", page(query).next.expect("a next page"));
            let request = read(&after).expect("parameters").articles("sports", None);
            request.expect("a request").after.expect("a place")
        };
        let (published_at, id) = (items[0].published_at.clone(), items[0].id.clone());
        let listed_at = published_at.expect("a time");
        assert_eq!(place_after("?limit=1"), ListPlace { listed_at, id: id.clone() });
        let listed_at = items[0].created_at.clone();
        assert_eq!(place_after("?limit=1&status=draft"), ListPlace { listed_at, id });
    }

    #[test]
    fn wrong_parameters_are_refused_and_not_ignored() {
        for query in ["?limit=0", "?limit=101", "?after=%%%", "?after=eA", "?status=secret"] {
            assert!(read(query).and_then(|list| list.articles("sports", None)).is_err(), "{query}");
        }
        for query in ["?status=draft", "?tag=a", "?category=sports"] {
            assert!(read(query).and_then(ListParameters::only_paging).is_err(), "{query}");
        }
        for query in ["?limit=x", "?q=goal", "?author=me"] {
            assert!(read(query).is_err(), "{query}");
        }
    }
}
