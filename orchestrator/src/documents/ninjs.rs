//! ninjs 3.1: the IPTC's JSON format for exchanging news.

use proto::v1::{Article, Retracted};
use serde::Serialize;

use crate::site::{Site, urn};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ninjs<'a> {
    standard: Standard,
    uri: String,
    #[serde(rename = "type")]
    kind: &'static str,
    pub_status: &'static str,
    language: &'a str,
    version_created: &'a str,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    item: Option<Item<'a>>,
    /// For the editors at the receiver.
    #[serde(skip_serializing_if = "Option::is_none")]
    ed_note: Option<&'a str>,
}

#[derive(Serialize)]
struct Standard {
    name: &'static str,
    version: &'static str,
    schema: &'static str,
}

/// The fields of an article that is not retracted.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    version: String,
    first_created: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    embargoed_until: Option<&'a str>,
    headlines: [Text<'a>; 1],
    descriptions: Vec<Text<'a>>,
    bodies: [Body<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    subjects: Vec<Subject<'a>>,
    renditions: [Rendition; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Text<'a> {
    role: &'static str,
    content_type: &'static str,
    value: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    char_count: usize,
    word_count: usize,
    #[serde(flatten)]
    text: Text<'a>,
}

#[derive(Serialize)]
struct Subject<'a> {
    name: &'a str,
    rel: &'static str,
}

/// The address of the article.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rendition {
    name: &'static str,
    href: String,
    content_type: &'static str,
}

const STANDARD: Standard = Standard {
    name: "ninjs",
    version: "3.1",
    schema: "http://www.iptc.org/std/ninjs/ninjs-schema_3.1.json#",
};

pub(super) fn document<'a>(site: &'a Site, article: &'a Article) -> Ninjs<'a> {
    let is_published = article.status == "published";
    Ninjs {
        standard: STANDARD,
        uri: urn(&article.id),
        kind: "text",
        pub_status: if is_published { "usable" } else { "withheld" },
        language: &site.language,
        version_created: &article.updated_at,
        item: Some(item(site, article)),
        ed_note: None,
    }
}

/// A retracted article: only its id, language, time and reason remain.
pub(super) fn canceled<'a>(site: &'a Site, id: &str, retracted: &'a Retracted) -> Ninjs<'a> {
    Ninjs {
        standard: STANDARD,
        uri: urn(id),
        kind: "text",
        pub_status: "canceled",
        language: &site.language,
        version_created: &retracted.at,
        item: None,
        ed_note: Some(&retracted.reason),
    }
}

fn item<'a>(site: &Site, article: &'a Article) -> Item<'a> {
    let summary = Some(article.summary.as_str()).filter(|summary| !summary.is_empty());
    let summary = summary.map(|summary| text("summary", summary));
    let corrections = article.corrections.iter().map(|it| text("correction", &it.note));
    let tags = article.tags.iter().map(|name| Subject { name, rel: "about" });
    let section = Subject { name: &article.category, rel: "section" };
    let (name, content_type) = ("json", "application/json");
    let href = site.article(&article.category, &article.id);
    Item {
        version: article.version.to_string(),
        first_created: &article.created_at,
        embargoed_until: article.embargo_until.as_deref(),
        headlines: [text("main", &article.title)],
        descriptions: summary.into_iter().chain(corrections).collect(),
        bodies: [Body {
            char_count: article.content.chars().count(),
            word_count: article.content.split_whitespace().count(),
            text: text("main", &article.content),
        }],
        by: article.byline.as_deref(),
        subjects: [section].into_iter().chain(tags).collect(),
        renditions: [Rendition { name, href, content_type }],
    }
}

const fn text<'a>(role: &'static str, value: &'a str) -> Text<'a> {
    Text { role, content_type: "text/plain", value }
}
