//! Lists: their parameters, their cursors and their shape.

use std::ops::RangeInclusive;

use axum::http::Uri;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use events::news::ArticleStatus;
use events::{Category, Timestamp, UserId};
use proto::v1::{ArticleSummary, ListArticlesRequest, ListPlace, ListUsersRequest, Viewer};
use proto::{Problem, words};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::parameters::{self, invalid};

const DEFAULT_LIMIT: u32 = 20;
/// Characters of a question, and words in it: each is one more to look for.
const LONGEST_QUESTION: usize = 200;
const MOST_WORDS: usize = 10;
/// What a place in a search says of how relevant it is.
const RELEVANCES: RangeInclusive<u32> = 1..=3;

/// What a list can be asked for.
#[derive(Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListParameters {
    /// Items of a page: 1 to 100, 20 if nothing is said.
    #[schemars(range(min = 1, max = 100))]
    pub(crate) limit: Option<u32>,
    /// The `next` of the page before.
    after: Option<String>,
    /// See `/v1/categories`.
    #[schemars(with = "Option<Category>")]
    pub(crate) category: Option<String>,
    /// Only with this tag.
    tag: Option<String>,
    /// Only by this user.
    author: Option<UserId>,
    /// Only of this status, for the newsroom: also what is not published.
    #[schemars(with = "Option<ArticleStatus>")]
    pub(crate) status: Option<String>,
    /// Only with all these words, the most relevant first: up to 10 words.
    #[schemars(length(min = 1, max = LONGEST_QUESTION))]
    q: Option<String>,
    /// Only with exactly this byline, of somebody who has no account.
    byline: Option<String>,
    /// Only what was published from then on.
    from: Option<Timestamp>,
    /// Only what was published before then.
    to: Option<Timestamp>,
}

/// A page of a list.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "{T}Page")]
pub(crate) struct ListPage<T> {
    pub(crate) items: Vec<T>,
    /// For `after`; null on the last page.
    pub(crate) next: Option<String>,
}

impl ListParameters {
    /// # Errors
    /// 422 that names what is wrong with the query string.
    pub(crate) fn read(uri: &Uri) -> Result<Self, Problem> {
        parameters::read(uri)
    }

    /// The pages of a length.
    pub(crate) fn pages(limit: u32, after: Option<String>) -> Self {
        Self { limit: Some(limit), after, ..Self::default() }
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

    /// For an address of which only pages can be asked for.
    ///
    /// # Errors
    /// 422 when more is asked for.
    pub(crate) fn only_paging(self) -> Result<Self, Problem> {
        let Self { limit, after, .. } = self;
        let paging = Self { limit, after, ..Self::default() };
        let rest = Self { limit: None, after: None, ..self };
        if rest == Self::default() {
            Ok(paging)
        } else {
            Err(invalid("", "only limit and after are possible here"))
        }
    }

    /// # Errors
    /// 422 when the limit is not within 1 to 100.
    pub(crate) fn limit(&self) -> Result<u32, Problem> {
        parameters::limit(self.limit, DEFAULT_LIMIT)
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
            limit: self.limit()? + 1,
            after: self.place_after()?,
            tag: self.tag.clone(),
            author_id: self.author.map(|id| id.to_string()),
            min_position: 0,
            status: self.status.as_deref().map(known_status).transpose()?,
            viewer,
            q: self.question()?,
            byline: self.byline.clone(),
            from: self.from.map(|time| time.to_string()),
            to: self.to.map(|time| time.to_string()),
        })
    }

    /// What is searched for.
    fn question(&self) -> Result<Option<String>, Problem> {
        let Some(question) = &self.q else { return Ok(None) };
        if self.status.is_some() {
            return Err(invalid("q", "only what is published is searched: leave status out"));
        }
        if !(1..=LONGEST_QUESTION).contains(&question.chars().count()) {
            return Err(invalid("q", format!("1 to {LONGEST_QUESTION} characters")));
        }
        if words(question).len() > MOST_WORDS {
            return Err(invalid("q", format!("at most {MOST_WORDS} words")));
        }
        Ok(Some(question.clone()))
    }

    /// A place in a list is none in a search, which has another order.
    fn place_after(&self) -> Result<Option<ListPlace>, Problem> {
        let after = self.after.as_deref().map(read_cursor).transpose()?;
        match after {
            Some(place) if place.relevance.is_some() != self.q.is_some() => Err(not_a_cursor()),
            after => Ok(after),
        }
    }

    /// The question for users, likewise.
    ///
    /// # Errors
    /// 422 when the cursor or the limit is not one of ours.
    pub(crate) fn users(&self) -> Result<ListUsersRequest, Problem> {
        Ok(ListUsersRequest {
            limit: self.limit()? + 1,
            after: self.place_after()?,
            min_position: 0,
        })
    }

    /// The id after which a list goes on that is in the order of ids.
    ///
    /// # Errors
    /// 422 when the cursor is not one of ours.
    pub(crate) fn after_id(&self) -> Result<Option<String>, Problem> {
        let id = self.after.as_ref().map(|after| Uuid::parse_str(after).map(|id| id.to_string()));
        id.transpose().map_err(|_| invalid("after", "not a cursor that a list gave"))
    }

    /// A page of items that are in order, each list one longer than the page if there is more.
    pub(crate) fn page<T>(
        &self,
        mut items: Vec<T>,
        place: impl Fn(&T) -> Place<'_>,
    ) -> ListPage<T> {
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT) as usize;
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|last| write_cursor(place(last)));
        ListPage { items, next }
    }

    /// Where an article stands: in the public's list by when it was published, in the newsroom's
    /// by when it was begun.
    pub(crate) fn place<'a>(&self, article: &'a ArticleSummary) -> Place<'a> {
        let listed_at = match self.status {
            None => article.published_at.as_deref().unwrap_or_default(),
            Some(_) => &article.created_at,
        };
        (article.relevance, listed_at, &article.id)
    }
}

/// How relevant, if that was asked for, when, and the id, which breaks ties: every list is in
/// descending order of them.
pub(crate) type Place<'a> = (Option<u32>, &'a str, &'a str);

fn known_status(text: &str) -> Result<String, Problem> {
    let known = ArticleStatus::ALL.into_iter().find(|status| status.as_str() == text);
    known.map(|status| status.to_string()).ok_or_else(|| {
        let all = ArticleStatus::ALL.map(ArticleStatus::as_str).join(", ");
        invalid("status", format!("one of {all}"))
    })
}

fn write_cursor((relevance, listed_at, id): Place<'_>) -> String {
    let relevance = relevance.map(|relevance| format!(" {relevance}")).unwrap_or_default();
    URL_SAFE_NO_PAD.encode(format!("{listed_at} {id}{relevance}"))
}

fn read_cursor(cursor: &str) -> Result<ListPlace, Problem> {
    let decoded = URL_SAFE_NO_PAD.decode(cursor).ok();
    let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    text.as_deref().and_then(read_place).ok_or_else(not_a_cursor)
}

fn read_place(text: &str) -> Option<ListPlace> {
    let mut parts = text.split(' ');
    let time: Timestamp = parts.next()?.parse().ok()?;
    let id = Uuid::parse_str(parts.next()?).ok()?;
    let relevance = parts.next().map(str::parse).transpose().ok()?;
    if relevance.is_some_and(|relevance| !RELEVANCES.contains(&relevance)) {
        return None;
    }
    let place = ListPlace { listed_at: time.to_string(), id: id.to_string(), relevance };
    parts.next().is_none().then_some(place)
}

fn not_a_cursor() -> Problem {
    invalid("after", "not a cursor that this list gave")
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
        let place = ListPlace { listed_at, id, relevance: None };
        assert_eq!(place_after("?limit=1"), place);
        let listed_at = items[0].created_at.clone();
        assert_eq!(place_after("?limit=1&status=draft"), ListPlace { listed_at, ..place });
    }

    #[test]
    fn a_place_in_a_search_is_none_in_a_list() {
        let time = "2026-11-21T07:00:00.000Z";
        let id = Uuid::nil().to_string();
        let after = |relevance| write_cursor((relevance, time, &id));
        let (listed, found) = (after(None), after(Some(3)));
        for (query, taken) in [
            (format!("?after={listed}"), true),
            (format!("?after={found}"), false),
            (format!("?after={listed}&q=cup"), false),
            (format!("?after={found}&q=cup"), true),
            (format!("?after={}&q=cup", after(Some(4))), false),
        ] {
            let request = read(&query).and_then(|list| list.articles("sports", None));
            assert_eq!(request.is_ok(), taken, "{query}");
        }
    }

    #[test]
    fn a_question_is_one_to_two_hundred_characters_and_ten_words_at_most() {
        let long = "é".repeat(200);
        for (q, taken) in [
            ("", false),
            ("*", true),
            ("a b c d e f g h i j", true),
            ("a b c d e f g h i j k", false),
            ("a-b-c-d-e-f-g-h-i-j-k", false),
            (&long, true),
            (&format!("{long}x"), false),
        ] {
            let list = ListParameters { q: Some(q.to_owned()), ..ListParameters::default() };
            assert_eq!(list.articles("sports", None).is_ok(), taken, "{q}");
        }
    }

    #[test]
    fn wrong_parameters_are_refused_and_not_ignored() {
        for query in [
            "?limit=0",
            "?limit=101",
            "?after=%%%",
            "?after=eA",
            "?status=secret",
            "?status=draft&q=cup",
        ] {
            assert!(read(query).and_then(|list| list.articles("sports", None)).is_err(), "{query}");
        }
        for query in ["?status=draft", "?tag=a", "?category=sports", "?q=a", "?byline=a"] {
            assert!(read(query).and_then(ListParameters::only_paging).is_err(), "{query}");
        }
        for query in ["?limit=x", "?query=goal", "?author=me", "?from=today"] {
            assert!(read(query).is_err(), "{query}");
        }
    }
}
