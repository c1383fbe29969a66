//! Lists: their parameters, their cursors and their shape.

use std::ops::RangeInclusive;
use std::str::FromStr;

use axum::http::Uri;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use events::news::ArticleStatus;
use events::{Category, Invalid, Timestamp, UserId};
use proto::fields::{Field, Fields, Wrong, query};
use proto::v1::{ArticleSummary, ListArticlesRequest, ListPlace, ListUsersRequest, Viewer};
use proto::{Problem, words};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use crate::parameters::{Limit, limit};

const DEFAULT_LIMIT: u32 = 20;
/// Characters of a question, and words in it: each is one more to look for.
const LONGEST_QUESTION: usize = 200;
const MOST_WORDS: usize = 10;
/// What a place in a search says of how relevant it is.
const RELEVANCES: RangeInclusive<u32> = 1..=3;

/// What a list can be asked for.
#[derive(Debug, Default, PartialEq, JsonSchema)]
pub(crate) struct ListParameters {
    /// Items of a page: 20 if nothing is said.
    #[schemars(with = "Option<Limit>")]
    limit: u32,
    /// The `next` of the page before.
    #[schemars(with = "Option<String>")]
    after: Option<ListPlace>,
    /// See `/v1/categories`.
    #[schemars(with = "Option<Category>")]
    pub(crate) category: Option<String>,
    /// Only with this tag.
    tag: Option<String>,
    /// Only by this user.
    author: Option<UserId>,
    /// Only of this status, for the newsroom: also what is not published.
    pub(crate) status: Option<ArticleStatus>,
    /// Only with all these words, the most relevant first: up to 10 words.
    q: Option<Question>,
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
    /// For an address of all categories.
    ///
    /// # Errors
    /// 422 that names what is wrong with the query string.
    pub(crate) fn read(uri: &Uri) -> Result<Self, Problem> {
        query(uri, |fields| {
            let (category, list) = (fields.optional("category"), Self::of_category(fields));
            Ok(Self { category: category?, ..list? })
        })
    }

    /// For an address that is one category by itself.
    ///
    /// # Errors
    /// 422 that names what is wrong with the query string.
    pub(crate) fn read_of_category(uri: &Uri) -> Result<Self, Problem> {
        query(uri, Self::of_category)
    }

    /// For an address of which only pages can be asked for.
    ///
    /// # Errors
    /// 422 that names what is wrong with the query string.
    pub(crate) fn read_paging(uri: &Uri) -> Result<Self, Problem> {
        query(uri, |fields| {
            let (limit, after) = (limit(fields, DEFAULT_LIMIT), place_after(fields, false));
            Ok(Self::pages(limit?, after?))
        })
    }

    /// The pages of a length.
    pub(crate) fn pages(limit: u32, after: Option<ListPlace>) -> Self {
        Self { limit, after, ..Self::default() }
    }

    fn of_category(fields: &mut Fields<'_>) -> Result<Self, Wrong> {
        let (limit, tag) = (limit(fields, DEFAULT_LIMIT), fields.optional("tag"));
        let (author, status) = (fields.optional("author"), fields.optional("status"));
        let (q, byline) = (fields.optional("q"), fields.optional("byline"));
        let (from, to) = (fields.optional("from"), fields.optional("to"));
        let after = place_after(fields, !matches!(q, Ok(None)));
        if let (Ok(Some(_)), Ok(Some(_))) = (&q, &status) {
            let both = "cannot be combined with status: only what is published is searched";
            fields.check("q", Err::<(), _>(both))?;
        }
        Ok(Self {
            limit: limit?,
            after: after?,
            category: None,
            tag: tag?,
            author: author?,
            status: status?,
            q: q?,
            byline: byline?,
            from: from?,
            to: to?,
        })
    }

    /// The question for one category: one more than the page, to know whether there is a next one.
    pub(crate) fn articles(&self, category: &str, viewer: Option<Viewer>) -> ListArticlesRequest {
        ListArticlesRequest {
            category: category.to_owned(),
            limit: self.limit + 1,
            after: self.after.clone(),
            tag: self.tag.clone(),
            author_id: self.author.map(|id| id.to_string()),
            min_position: 0,
            status: self.status.map(|status| status.to_string()),
            viewer,
            q: self.q.as_ref().map(|Question(text)| text.clone()),
            byline: self.byline.clone(),
            from: self.from.map(|time| time.to_string()),
            to: self.to.map(|time| time.to_string()),
        }
    }

    /// The question for users, likewise.
    pub(crate) fn users(&self) -> ListUsersRequest {
        let (limit, after) = (self.limit + 1, self.after.clone());
        ListUsersRequest { limit, after, min_position: 0 }
    }

    /// A page of items that are in order, each list one longer than the page if there is more.
    pub(crate) fn page<T>(
        &self,
        mut items: Vec<T>,
        place: impl Fn(&T) -> Place<'_>,
    ) -> ListPage<T> {
        let limit = self.limit as usize;
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

/// What is searched for.
#[derive(Debug, PartialEq, Eq, JsonSchema)]
#[schemars(inline)]
struct Question(#[schemars(length(min = 1, max = LONGEST_QUESTION))] String);

impl FromStr for Question {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let problem = match text.chars().count() {
            0 => "is empty",
            length if length > LONGEST_QUESTION => "is too long",
            _ if words(text).len() > MOST_WORDS => "has too many words",
            _ => return Ok(Self(text.to_owned())),
        };
        Err(Invalid::new(problem, <Self as Field>::allowed()))
    }
}

impl Field for Question {
    fn allowed() -> String {
        format!("1 to {LONGEST_QUESTION} characters with at most {MOST_WORDS} words")
    }

    fn read(text: &str) -> Result<Self, Invalid> {
        text.parse()
    }
}

/// The place after which a list goes on. A place in a list is none in a search, which has another
/// order.
///
/// # Errors
/// When the cursor is none that this list gave.
pub(crate) fn place_after(
    fields: &mut Fields<'_>,
    searches: bool,
) -> Result<Option<ListPlace>, Wrong> {
    let Some(Cursor(place)) = fields.optional("after")? else { return Ok(None) };
    let is_of_list = place.relevance.is_some() == searches;
    let wrong = || Invalid::new("is of another list", <Cursor as Field>::allowed());
    fields.check("after", is_of_list.then_some(place).ok_or_else(wrong)).map(Some)
}

struct Cursor(ListPlace);

impl FromStr for Cursor {
    type Err = Invalid;

    fn from_str(cursor: &str) -> Result<Self, Invalid> {
        let decoded = URL_SAFE_NO_PAD.decode(cursor).ok();
        let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        let place = text.as_deref().and_then(read_place);
        let wrong = || Invalid::new("is not a cursor", <Self as Field>::allowed());
        place.map(Self).ok_or_else(wrong)
    }
}

impl Field for Cursor {
    fn allowed() -> String {
        "the next of the page before, of the same list".to_owned()
    }

    fn read(text: &str) -> Result<Self, Invalid> {
        text.parse()
    }
}

pub(crate) fn write_cursor((relevance, listed_at, id): Place<'_>) -> String {
    let relevance = relevance.map(|relevance| format!(" {relevance}")).unwrap_or_default();
    URL_SAFE_NO_PAD.encode(format!("{listed_at} {id}{relevance}"))
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

#[cfg(test)]
mod tests {
    use proto::FieldError;

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
            request.after.expect("a place")
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
            assert_eq!(read(&query).is_ok(), taken, "{query}");
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
            assert_eq!(q.parse::<Question>().is_ok(), taken, "{q}");
        }
    }

    #[test]
    fn wrong_parameters_are_refused_and_not_ignored() {
        for query in [
            "?limit=0",
            "?limit=101",
            "?limit=x",
            "?after=%%%",
            "?after=eA",
            "?status=secret",
            "?status=draft&q=cup",
            "?query=goal",
            "?author=me",
            "?from=today",
        ] {
            assert!(read(query).is_err(), "{query}");
        }
        let uri = |query: &str| format!("/v1/users{query}").parse().expect("an address");
        for query in ["?status=draft", "?tag=a", "?category=sports", "?q=a", "?byline=a"] {
            assert!(ListParameters::read_paging(&uri(query)).is_err(), "{query}");
        }
        assert!(ListParameters::read_of_category(&uri("?category=sports")).is_err());
        assert!(ListParameters::read_of_category(&uri("?tag=a")).is_ok());
    }

    #[test]
    fn every_wrong_parameter_is_named() {
        let wrong = read("?limit=x&after=%25&status=secret&author=me&from=today&colour=red");
        let expected = [
            ("limit", "is not a whole number: must be a whole number from 1 to 100"),
            ("author", "is not valid: must be the id of a user: a UUID"),
            (
                "status",
                "is not valid: must be one of draft, scheduled, published, retracted, archived",
            ),
            ("from", "is not valid: must be a time as in RFC 3339, such as 2026-11-21T07:00:00Z"),
            ("after", "is not a cursor: must be the next of the page before, of the same list"),
            (
                "colour",
                "is not a parameter here: there are category, limit, tag, author, status, q, \
                 byline, from, to, after",
            ),
        ];
        let expected = expected.map(|(name, detail)| FieldError::new(name, detail));
        assert_eq!(wrong, Err(Problem::invalid(expected.into())));
    }
}
