//! JSON Feed 1.1.

use std::io;

use proto::v1::ArticleSummary;
use serde::Serialize;

use super::feed::{self, teaser};
use crate::site::urn;

#[derive(Serialize)]
struct Feed<'a> {
    version: &'static str,
    title: String,
    home_page_url: String,
    feed_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_url: Option<String>,
    language: &'a str,
    items: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct Item<'a> {
    id: String,
    url: String,
    title: &'a str,
    content_text: &'a str,
    date_published: Option<&'a str>,
    date_modified: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    authors: Option<[Author<'a>; 1]>,
    tags: Vec<&'a str>,
}

#[derive(Serialize)]
struct Author<'a> {
    name: &'a str,
}

pub(super) fn write(feed: &feed::Feed<'_>) -> io::Result<Vec<u8>> {
    let items = feed.items.iter().map(|article| item(feed, article));
    let feed = Feed {
        version: "https://jsonfeed.org/version/1.1",
        title: feed.title(),
        home_page_url: feed.list_url(),
        feed_url: feed.own_url(),
        next_url: feed.next_url(),
        language: &feed.which.site.language,
        items: items.collect(),
    };
    Ok(serde_json::to_vec(&feed)?)
}

fn item<'a>(feed: &feed::Feed<'_>, article: &'a ArticleSummary) -> Item<'a> {
    let tags = [&article.category].into_iter().chain(&article.tags);
    Item {
        id: urn(&article.id),
        url: feed.article_url(article),
        title: &article.title,
        content_text: teaser(article),
        date_published: article.published_at.as_deref(),
        date_modified: &article.updated_at,
        authors: article.byline.as_deref().map(|name| [Author { name }]),
        tags: tags.map(String::as_str).collect(),
    }
}
