//! RSS 2.0 with paging (RFC 5005) through Atom links, because RSS has no link for it.

use std::io;

use chrono::DateTime;
use proto::v1::ArticleSummary;
use quick_xml::escape::partial_escape;

use super::feed::{Feed, teaser};
use super::xml::{Xml, document, element, empty, text};
use crate::site::urn;

const NAMESPACES: [(&str, &str); 3] = [
    ("version", "2.0"),
    ("xmlns:atom", "http://www.w3.org/2005/Atom"),
    ("xmlns:dc", "http://purl.org/dc/elements/1.1/"),
];

pub(super) fn write(feed: &Feed<'_>) -> io::Result<Vec<u8>> {
    document("rss", &NAMESPACES, |xml| {
        element(xml, "channel", &[], |xml| {
            let title = feed.title();
            text(xml, "title", &[], &title)?;
            text(xml, "link", &[], &feed.list_url())?;
            text(xml, "description", &[], &title)?;
            text(xml, "language", &[], &feed.which.site.language)?;
            text(xml, "lastBuildDate", &[], &date(feed.updated_at()))?;
            link(xml, "self", &feed.own_url())?;
            if let Some(next) = feed.next_url() {
                link(xml, "next", &next)?;
            }
            feed.items.iter().try_for_each(|article| item(xml, feed, article))
        })
    })
}

fn link(xml: &mut Xml, relation: &str, address: &str) -> io::Result<()> {
    let media_type = ("type", "application/rss+xml");
    empty(xml, "atom:link", &[("rel", relation), ("href", address), media_type])
}

fn item(xml: &mut Xml, feed: &Feed<'_>, article: &ArticleSummary) -> io::Result<()> {
    element(xml, "item", &[], |xml| {
        text(xml, "title", &[], &article.title)?;
        text(xml, "link", &[], &feed.article_url(article))?;
        text(xml, "guid", &[("isPermaLink", "false")], &urn(&article.id))?;
        // Feed readers parse the description as HTML; ours is plain text.
        text(xml, "description", &[], &partial_escape(teaser(article)))?;
        if let Some(byline) = &article.byline {
            text(xml, "dc:creator", &[], byline)?;
        }
        text(xml, "category", &[], &article.category)?;
        article.tags.iter().try_for_each(|tag| text(xml, "category", &[], tag))?;
        let published_at = article.published_at.as_deref();
        published_at.map_or(Ok(()), |at| text(xml, "pubDate", &[], &date(at)))
    })
}

/// An RFC 822 date, with the four-digit year of RFC 2822.
fn date(time: &str) -> String {
    DateTime::parse_from_rfc3339(time).map(|time| time.to_rfc2822()).unwrap_or_default()
}
