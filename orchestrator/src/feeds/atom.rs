//! Atom (RFC 4287) with paging (RFC 5005) and tombstones of retracted articles (RFC 6721).

use std::io;

use proto::v1::{ArticleSummary, TakenBack};

use super::feed::{Feed, teaser};
use super::xml::{Xml, document, element, empty, text};
use crate::site::urn;

const NAMESPACES: [(&str, &str); 2] = [
    ("xmlns", "http://www.w3.org/2005/Atom"),
    ("xmlns:at", "http://purl.org/atompub/tombstones/1.0"),
];

pub(super) fn write(feed: &Feed<'_>) -> io::Result<Vec<u8>> {
    let language = [("xml:lang", feed.which.site.language.as_str())];
    let attributes = [&NAMESPACES[..], &language].concat();
    document("feed", &attributes, |xml| {
        text(xml, "id", &[], &feed.first_url())?;
        text(xml, "title", &[], &feed.title())?;
        text(xml, "updated", &[], feed.updated_at())?;
        author(xml, &feed.which.site.name)?;
        empty(xml, "link", &[("rel", "alternate"), ("href", &feed.list_url())])?;
        let first = feed.first_url();
        let pages =
            [("self", Some(feed.own_url())), ("first", Some(first)), ("next", feed.next_url())];
        for (relation, address) in pages {
            if let Some(address) = address {
                empty(xml, "link", &[("rel", relation), ("href", &address)])?;
            }
        }
        feed.items.iter().try_for_each(|article| entry(xml, feed, article))?;
        feed.taken_back.iter().try_for_each(|article| deleted(xml, article))
    })
}

fn author(xml: &mut Xml, name: &str) -> io::Result<()> {
    element(xml, "author", &[], |xml| text(xml, "name", &[], name))
}

fn entry(xml: &mut Xml, feed: &Feed<'_>, article: &ArticleSummary) -> io::Result<()> {
    element(xml, "entry", &[], |xml| {
        text(xml, "id", &[], &urn(&article.id))?;
        text(xml, "title", &[("type", "text")], &article.title)?;
        empty(xml, "link", &[("rel", "alternate"), ("href", &feed.article_url(article))])?;
        let published_at = article.published_at.as_deref();
        published_at.map_or(Ok(()), |at| text(xml, "published", &[], at))?;
        text(xml, "updated", &[], &article.updated_at)?;
        article.byline.as_deref().map_or(Ok(()), |byline| author(xml, byline))?;
        empty(xml, "category", &[("term", &article.category)])?;
        article.tags.iter().try_for_each(|tag| empty(xml, "category", &[("term", tag)]))?;
        text(xml, "summary", &[("type", "text")], teaser(article))
    })
}

fn deleted(xml: &mut Xml, article: &TakenBack) -> io::Result<()> {
    let what = [("ref", &*urn(&article.id)), ("when", &*article.at)];
    element(xml, "at:deleted-entry", &what, |xml| text(xml, "at:comment", &[], &article.reason))
}
