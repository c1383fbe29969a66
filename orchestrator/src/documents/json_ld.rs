//! A `NewsArticle` of schema.org in JSON-LD 1.1, with its corrections.

use proto::v1::{Article, Correction};
use serde::Serialize;

use crate::site::{Site, urn};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewsArticle<'a> {
    #[serde(rename = "@context")]
    context: &'static str,
    #[serde(rename = "@type")]
    kind: &'static str,
    #[serde(rename = "@id")]
    id: String,
    url: String,
    headline: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    article_body: &'a str,
    article_section: &'a str,
    keywords: &'a [String],
    in_language: &'a str,
    date_created: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    date_published: Option<&'a str>,
    date_modified: &'a str,
    version: i64,
    creative_work_status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<Named<'a>>,
    publisher: Named<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    correction: Vec<CorrectionComment<'a>>,
}

#[derive(Serialize)]
struct Named<'a> {
    #[serde(rename = "@type")]
    kind: &'static str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CorrectionComment<'a> {
    #[serde(rename = "@type")]
    kind: &'static str,
    text: &'a str,
    date_published: &'a str,
}

pub(super) fn document<'a>(site: &'a Site, article: &'a Article) -> NewsArticle<'a> {
    let byline = article.byline.as_deref();
    NewsArticle {
        context: "https://schema.org",
        kind: "NewsArticle",
        id: urn(&article.id),
        url: site.article(&article.category, &article.id),
        headline: &article.title,
        description: &article.summary,
        article_body: &article.content,
        article_section: &article.category,
        keywords: &article.tags,
        in_language: &site.language,
        date_created: &article.created_at,
        date_published: article.published_at.as_deref(),
        date_modified: &article.updated_at,
        version: article.version,
        creative_work_status: &article.status,
        author: byline.map(|name| Named { kind: "Person", name, url: None }),
        publisher: Named { kind: "Organization", name: &site.name, url: Some(site.address("/")) },
        correction: article.corrections.iter().map(correction).collect(),
    }
}

fn correction(Correction { at, note }: &Correction) -> CorrectionComment<'_> {
    CorrectionComment { kind: "CorrectionComment", text: note, date_published: at }
}
