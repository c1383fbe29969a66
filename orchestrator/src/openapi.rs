//! The queries as they are told in the OpenAPI document. The parameters are beside what reads them;
//! `portal/tests/it/openapi.rs` fails for a route that is not here.

use std::collections::BTreeMap;

use events::UserId;
use events::news::Article;
use events::user::User;
use proto::CloudEvent;
use proto::conventions::Health;
use proto::metrics::OPEN_METRICS;
use proto::openapi::{Call, Part, Who};
use proto::v1::{ArticleSummary, HistoryEntry};
use serde_json::Value;

use crate::home::{self, Home};
use crate::list::{ListPage, ListParameters};
use crate::parameters::{EarlierState, OnlyLimit};
use crate::recommendations::Recommendations;
use crate::{CategoryLink, feeds, live, public_log};

const ARTICLE: &str = "/v1/news/{category}/{id}";
const ARTICLE_FORMS: &str = "The article; as schema.org JSON-LD or IPTC ninjs to who accepts that \
     (docs/feeds.md).";
const FEED: &str = "The newest articles.";
const GONE: &str =
    "Taken back (`/problems/retracted`): `reason` and `retracted_at` say why and when.";

/// The queries.
#[must_use]
pub fn openapi() -> Value {
    Part::default()
        .with("Reading", reading())
        .with("For programs of others", for_others())
        .with("Users", users())
        .with("Recommendations", recommendations())
        .with("Portal", portal())
        .finish()
}

/// As `ListParameters::read_paging` has it.
fn is_paging(name: &str) -> bool {
    ["limit", "after"].contains(&name)
}

fn reading() -> [Call; 7] {
    [
        Call::query("/v1/home", "get_home", "The front page")
            .by(Who::SignedInOrNot)
            .parameters::<home::HomeParameters>()
            .waits()
            .cached()
            .json::<Home<'_>>(200, "The page; with `for_you` for who is signed in.", &[]),
        Call::query("/v1/live", "listen", "What happens, as it happens")
            .parameters::<live::LiveParameters>()
            .with("LastEventId")
            .problems(&[400, 404])
            .text("text/event-stream", "Server-sent events, without an end: docs/newsroom.md."),
        Call::query("/v1/categories", "list_categories", "The categories")
            .json::<ListPage<CategoryLink>>(200, "All of them.", &[]),
        Call::query("/v1/news", "list_all_articles", "All categories, newest first; search")
            .by(Who::SignedInOrNot)
            .parameters::<ListParameters>()
            .waits()
            .problems(&[401, 403, 404])
            .json::<ListPage<ArticleSummary>>(200, "A page.", &[]),
        Call::query("/v1/news/{category}", "list_articles", "One category, newest first; search")
            .by(Who::SignedInOrNot)
            .some_parameters::<ListParameters>(|name| name != "category")
            .waits()
            .problems(&[401, 403])
            .json::<ListPage<ArticleSummary>>(200, "A page.", &[]),
        Call::query(ARTICLE, "get_article", "An article, as it is or was")
            .by(Who::SignedInOrNot)
            .parameters::<EarlierState>()
            .waits()
            .cached()
            .json::<Article>(200, ARTICLE_FORMS, &["ETag"])
            .media::<BTreeMap<String, Value>>("application/ld+json", ARTICLE_FORMS, &["ETag"])
            .media::<BTreeMap<String, Value>>("application/ninjs+json", ARTICLE_FORMS, &["ETag"])
            .empty(301, "It has moved to another category.", &["Location"])
            .problems(&[401])
            .refuses(410, GONE),
        Call::query(
            "/v1/news/{category}/{id}/history",
            "get_history",
            "What happened to an article",
        )
        .by(Who::SignedInOrNot)
        .waits()
        .json::<Vec<HistoryEntry>>(200, "The ledger, oldest first.", &[])
        .empty(301, "It has moved to another category.", &["Location"])
        .problems(&[401, 422])
        .refuses(410, GONE),
    ]
}

fn for_others() -> [Call; 3] {
    [
        Call::query("/v1/events", "read_events", "The public log, as batches of CloudEvents 1.0")
            .parameters::<public_log::PublicLogParameters>()
            .media::<Vec<CloudEvent<'_>>>(
                CloudEvent::BATCH_CONTENT_TYPE,
                "A batch; `Link` goes on after it.",
                &["Link", "Portal-Position"],
            ),
        Call::query("/feeds/{name}", "get_feed", "RSS 2.0, Atom or JSON Feed 1.1")
            .parameters::<feeds::FeedParameters>()
            .waits()
            .cached()
            .text("application/rss+xml; charset=utf-8", FEED)
            .text("application/atom+xml; charset=utf-8", FEED)
            .media::<BTreeMap<String, Value>>("application/feed+json", FEED, &["ETag"]),
        Call::query("/sitemap-news.xml", "get_news_sitemap", "What was published within two days")
            .waits()
            .cached()
            .text("application/xml; charset=utf-8", "A sitemap, for Google News."),
    ]
}

fn users() -> [Call; 2] {
    [
        Call::query("/v1/users", "list_users", "All users, newest first")
            .by(Who::ADMINS)
            .some_parameters::<ListParameters>(is_paging)
            .waits()
            .json::<ListPage<User>>(200, "A page.", &[]),
        Call::query("/v1/users/{id}", "get_user", "A user: the own, or as an admin anyone")
            .by(Who::USERS)
            .waits()
            .cached()
            .json::<User>(200, "The user.", &["ETag"]),
    ]
}

fn recommendations() -> [Call; 2] {
    [
        Call::query(
            "/v1/recommendations/users/{id}",
            "get_recommendations",
            "For the own user only",
        )
        .by(Who::USERS)
        .parameters::<OnlyLimit>()
        .waits()
        .json::<Recommendations>(200, "What the user likes, and may like.", &[]),
        Call::query("/v1/recommendations/labels/{label}", "list_readers", "Who has read about it")
            .by(Who::ADMINS)
            .some_parameters::<ListParameters>(is_paging)
            .waits()
            .json::<ListPage<UserId>>(200, "A page of ids of users.", &[]),
    ]
}

fn portal() -> [Call; 7] {
    [
        Call::query("/", "get_index", "Where to begin").json::<BTreeMap<String, String>>(
            200,
            "Names and addresses.",
            &[],
        ),
        Call::query("/openapi.json", "get_openapi", "This document")
            .json::<BTreeMap<String, Value>>(200, "OpenAPI 3.1.", &[]),
        Call::query("/docs", "get_docs", "This document to try it on")
            .text("text/html", "A page for a browser."),
        Call::query("/docs/{file}", "get_docs_file", "What that page is made of")
            .text("text/javascript", "A script or a style sheet."),
        Call::query("/health/live", "is_alive", "Whether the process answers").json::<BTreeMap<
            String,
            String,
        >>(
            200,
            "It does.",
            &[],
        ),
        Call::query("/health/ready", "is_ready", "Whether the door can do its work")
            .json::<Health<'_>>(200, "It can, perhaps not all of it.", &[])
            .json::<Health<'_>>(503, "Nothing behind it answers.", &[]),
        Call::query("/metrics", "get_metrics", "Figures, for Prometheus")
            .text(OPEN_METRICS, "OpenMetrics."),
    ]
}
