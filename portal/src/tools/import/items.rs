//! Which items of an export or a feed are articles, and what they say.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow, bail};
use chrono::{DateTime, NaiveDateTime, Utc};
use command_stack::http::NewStatus;
use events::Timestamp;
use events::news::{Byline, Summary};
use futures::{Stream, stream};
use tokio::sync::mpsc;

use super::article::{Label, Source};
use super::decoding::Decoded;
use super::entry::{Entry, Unusable};
use super::html;
use super::xml::{Kind, Record, Records};

/// Items that wait until they are taken in.
const AHEAD: usize = 8;
const MOST_AUTHORS: usize = 50_000;
/// Characters of a text that a report shows.
const SHOWN: usize = 60;

type Usable<T> = Result<T, Unusable>;

/// The items of a file. They are read, and their HTML is cleaned, on a thread of their own.
pub(super) fn read(path: PathBuf, file: Decoded) -> impl Stream<Item = Result<Entry>> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let reading = std::thread::spawn(move || {
        let mut items = Items { records: Records::new(file), authors: HashMap::new(), number: 0 };
        while let Some(item) = items.next().transpose() {
            let item = item.with_context(|| format!("{}", path.display()));
            let last = item.is_err();
            // Who does not listen any more has failed, and says why.
            if sender.blocking_send(item).is_err() || last {
                return;
            }
        }
    });
    stream::unfold((receiver, Some(reading)), async |(mut receiver, mut reading)| {
        if let Some(item) = receiver.recv().await {
            return Some((item, (receiver, reading)));
        }
        // It has ended, since nobody sends any more; how, or a part would be taken for the whole.
        reading.take()?.join().err()?;
        Some((Err(anyhow!("an item cannot be read: a mistake of ours")), (receiver, None)))
    })
}

struct Items {
    records: Records<Decoded>,
    /// Names as they are printed, by the names with which authors sign in.
    authors: HashMap<String, String>,
    number: u64,
}

impl Items {
    fn next(&mut self) -> Result<Option<Entry>> {
        while let Some(record) = self.records.next()? {
            if record.kind == Kind::Author {
                self.learn(&record)?;
                continue;
            }
            self.number += 1;
            let place = place(self.number, &record);
            return Ok(Some(Entry { place, at: record.at, article: self.article(&record) }));
        }
        Ok(None)
    }

    fn learn(&mut self, author: &Record) -> Result<()> {
        if self.authors.len() >= MOST_AUTHORS {
            bail!("more than {MOST_AUTHORS} authors");
        }
        if let (Some(login), Some(name)) =
            (author.get("wp:author_login"), author.get("wp:author_display_name"))
        {
            // One that is too long stays so.
            let short = |text: &str| text.chars().take(Byline::MAX + 1).collect();
            self.authors.insert(short(login), short(name));
        }
        Ok(())
    }

    fn article(&self, record: &Record) -> Usable<Source> {
        let exported = record.get("wp:post_type").is_some() || record.get("wp:status").is_some();
        if exported {
            kind_of_post(record)?;
        }
        if let Some(wrong) = &record.wrong {
            return Err(Unusable::Refused(wrong.clone()));
        }
        if record.is_garbled() {
            return refused("its encoding is broken");
        }
        match record.kind {
            _ if exported => self.post(record),
            Kind::Entry => entry(record),
            Kind::Item | Kind::Author => item(record),
        }
    }

    /// An item of an export of WordPress.
    fn post(&self, record: &Record) -> Usable<Source> {
        let stands = standing(record)?;
        let creator = record.get("dc:creator").map(|login| {
            let name = self.authors.get(login);
            name.map_or(login, String::as_str).to_owned()
        });
        let (categories, tags) = record.labels.iter().cloned().partition(is_category);
        let tags: Vec<Label> = tags;
        let tags = tags.into_iter().filter(|label| {
            label.domain.as_deref().is_some_and(|domain| matches!(domain, "post_tag" | "tag"))
        });
        let guid = record.get("guid").map(str::to_owned);
        let post_id = || Some(format!("{} {}", record.get("link")?, record.get("wp:post_id")?));
        Ok(Source {
            source_id: guid.or_else(post_id),
            categories: distinct(categories),
            tags: Some(names(tags)),
            title: title(record, "title"),
            content: html::with_paragraphs(record.get("content:encoded").unwrap_or_default()),
            summary: record.get("excerpt:encoded").map(html::text),
            byline: byline(creator),
            ..stands
        })
    }
}

fn place(number: u64, record: &Record) -> String {
    let title =
        record.get("title").or_else(|| record.get("atom:title")).unwrap_or("without a title");
    format!("item {number} ({})", brief(title))
}

/// As much of it as a report shows.
fn brief(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(SHOWN).collect()
}

fn refused<T>(reason: impl Into<String>) -> Usable<T> {
    Err(Unusable::Refused(reason.into()))
}

fn skipped<T>(reason: impl Into<String>) -> Usable<T> {
    Err(Unusable::Skipped(reason.into()))
}

/// Only posts are articles.
fn kind_of_post(record: &Record) -> Usable<()> {
    match record.get("wp:post_type").unwrap_or("post") {
        "post" => Ok(()),
        other => skipped(format!("it is of the type {:?}, and not a post", brief(other))),
    }
}

/// Where a post is in its life.
fn standing(record: &Record) -> Usable<Source> {
    let draft = || Ok(Source { status: Some(NewStatus::Draft), ..Source::default() });
    let locked = record.get("wp:post_password").is_some();
    match record.get("wp:status").unwrap_or_default() {
        "publish" | "future" if locked => draft(),
        "publish" => match first_published(record)? {
            None => refused("it says that it is published, but not when"),
            published_at => Ok(Source { published_at, ..Source::default() }),
        },
        "future" => match first_published(record)? {
            None => refused("it says that it is scheduled, but not for when"),
            publish_at => Ok(Source { publish_at, ..Source::default() }),
        },
        // Only the newsroom sees it, there as here.
        "draft" | "pending" | "private" => draft(),
        "trash" => skipped("it is in the trash"),
        "auto-draft" => skipped("it is an empty draft that WordPress made by itself"),
        other => refused(format!("its status is {:?}, which is not known", brief(other))),
    }
}

/// In UTC, where the file says it; else as it was on the clock of the site.
fn first_published(record: &Record) -> Usable<Option<Timestamp>> {
    for name in ["wp:post_date_gmt", "pubDate", "wp:post_date"] {
        // WordPress writes year 0 or -1 for a time that there is not.
        let unset = |text: &str| text.starts_with("0000-") || text.contains(" -0001 ");
        match record.get(name) {
            None => {}
            Some(text) if unset(text) => {}
            Some(text) => return time(text).map(Some),
        }
    }
    Ok(None)
}

/// RFC 3339, RFC 822 or as WordPress writes it.
fn time(text: &str) -> Usable<Timestamp> {
    let rfc_822 = || DateTime::parse_from_rfc2822(text).ok().map(|time| time.with_timezone(&Utc));
    let bare = || NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").ok();
    let rfc_3339 = DateTime::parse_from_rfc3339(text).ok().map(|time| time.with_timezone(&Utc));
    match rfc_3339.or_else(rfc_822).or_else(|| bare().map(|time| time.and_utc())) {
        Some(time) => Ok(time.into()),
        None => refused(format!("{:?} is no time", brief(text))),
    }
}

/// Exports before 1.1 name a category a second time without a domain.
fn is_category(label: &Label) -> bool {
    let domain = label.domain.as_deref();
    // What WordPress calls everything that was given no category.
    let named = label.slug.as_deref() != Some("uncategorized") && label.name != "Uncategorized";
    named && domain.is_none_or(|domain| domain == "category")
}

fn distinct(labels: Vec<Label>) -> Vec<Label> {
    let mut kept: Vec<Label> = Vec::new();
    for label in labels {
        match kept.iter_mut().find(|known| known.name == label.name) {
            Some(known) => known.slug = label.slug.or(known.slug.take()),
            None => kept.push(label),
        }
    }
    kept.iter_mut().for_each(|label| label.name = html::text(&label.name));
    kept
}

fn names(labels: impl Iterator<Item = Label>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in labels.map(|label| html::text(&label.name)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn title(record: &Record, name: &str) -> String {
    let title = record.get(name).unwrap_or_default();
    if record.is_plain(name) { title.to_owned() } else { html::text(title) }
}

/// An address is not printed.
fn byline(name: Option<String>) -> Option<String> {
    name.map(|name| html::text(&name)).filter(|name| !name.is_empty() && !name.contains('@'))
}

/// A summary that is too long is none: many feeds repeat the text there.
fn summary(text: String) -> Option<String> {
    (text.chars().count() <= Summary::MAX).then_some(text)
}

/// An item of RSS.
fn item(record: &Record) -> Usable<Source> {
    let description = record.get("description");
    let (content, short) = match record.get("content:encoded") {
        Some(content) => (content, description.map(html::text).and_then(summary)),
        None => (description.unwrap_or_default(), None),
    };
    // "address (name)", or just an address.
    let author = |author: &str| {
        let name = author.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
        name.map_or(author, |(name, _)| name).to_owned()
    };
    let published_at = record.get("pubDate").or_else(|| record.get("dc:date"));
    let creator = record.get("dc:creator").map(str::to_owned);
    Ok(Source {
        source_id: record.get("guid").or_else(|| record.get("link")).map(str::to_owned),
        categories: distinct(record.labels.clone()),
        title: title(record, "title"),
        content: html::with_paragraphs(content),
        summary: short,
        byline: byline(creator.or_else(|| record.get("author").map(author))),
        published_at: published_at.map(time).transpose()?,
        ..Source::default()
    })
}

/// An entry of Atom.
fn entry(record: &Record) -> Usable<Source> {
    let as_html = |name| {
        let text = record.get(name)?;
        Some(if record.is_plain(name) { html::escaped(text) } else { text.to_owned() })
    };
    let short = as_html("atom:summary");
    let (content, short) = match as_html("atom:content") {
        Some(content) => (content, short.map(|short| html::text(&short)).and_then(summary)),
        None => (short.unwrap_or_default(), None),
    };
    let published_at = record.get("atom:published").or_else(|| record.get("atom:updated"));
    Ok(Source {
        source_id: record.get("atom:id").map(str::to_owned),
        categories: distinct(record.labels.clone()),
        title: title(record, "atom:title"),
        content: html::with_paragraphs(&content),
        summary: short,
        byline: byline(record.get("atom:name").map(str::to_owned)),
        published_at: published_at.map(time).transpose()?,
        ..Source::default()
    })
}
