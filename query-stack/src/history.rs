//! The ledger of an article: what happened to it, and how it was at any time.
//!
//! It is served from the log itself and not from a view: the record that settles arguments must be
//! the record; it has no limit of size per document; and the stream of an article goes on when the
//! article moves. Pure functions over the events of one stream.

mod changes;
mod diff;

use std::collections::HashSet;
use std::time::Instant;

use events::news::{
    Article, ArticleStatus, ArticleText, NewsEvent, OutOfOrder, Retraction, Viewer,
};
use events::personal::{Keys, Opened, PersonalText};
use events::{
    Actor, BoxError, Category, DomainEvent, Partition, RecordedEvent, Stamp, Timestamp, Version,
};
use proto::v1::HistoryEntry;

use crate::fold::{Program, fold};
use crate::view_store::View;

/// What somebody gets to read of an article's past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Access {
    All,
    /// What happened since readers first saw it.
    SincePublication,
    /// Only that it was taken back, and why.
    Retracted(Retraction),
    /// Only where it is now.
    Moved(Category),
    /// Not even that there is such an article.
    Nothing,
}

/// An earlier state of an article.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// After the event with this version.
    After(Version),
    /// At this time.
    At(Timestamp),
}

/// What a reader gets of an article of this category, by what its views say now. A member of the
/// newsroom who may see it gets all, also of what was taken back; the public gets what is public.
///
/// # Errors
/// When the events cannot follow each other: the log is corrupt.
pub(crate) fn access(
    events: &[RecordedEvent],
    category: &Category,
    viewer: Option<Viewer>,
    now: Timestamp,
) -> Result<Access, BoxError> {
    let view = match viewer {
        Some(_) => View::desk(category.clone()),
        None => View::articles(category.clone()),
    };
    let partition = Partition::News(category.clone());
    let here = events.iter().filter(|event| event.partition == partition).cloned();
    let here: Vec<_> = here.collect();
    let folded = fold(Program::of(&view), Vec::new(), &here, HashSet::new());
    // Who may see it can only be told of an article of which everything is known.
    let Some(document) = folded.complete()?.pop() else { return Ok(Access::Nothing) };
    let article: Article = serde_json::from_value(document.body)?;
    Ok(match viewer {
        Some(viewer) if !article.is_seen_by(viewer, now) => Access::Nothing,
        _ if article.moved_to.is_some() => article.moved_to.map_or(Access::Nothing, Access::Moved),
        Some(_) => Access::All,
        None => public(article),
    })
}

fn public(article: Article) -> Access {
    match (article.retraction, article.status) {
        (Some(retraction), _) => Access::Retracted(retraction),
        (None, ArticleStatus::Published) => Access::SincePublication,
        (None, _) => Access::Nothing,
    }
}

/// The events of an article.
pub(crate) struct Ledger(Vec<Step>);

struct Step {
    stamp: Stamp,
    actor: Actor,
    event: NewsEvent,
}

/// A byline cannot be read now: a ledger without it would be wrong.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

impl Ledger {
    /// The ledger of a stream, from its first event on.
    ///
    /// # Errors
    /// When an event cannot be read.
    pub(crate) fn read(events: &[RecordedEvent]) -> Result<Self, BoxError> {
        let step = |recorded: &RecordedEvent| match recorded.decode()? {
            DomainEvent::News(event) => {
                let (stamp, actor) = (recorded.stamp()?, recorded.metadata.actor.clone());
                Ok(Step { stamp, actor, event })
            }
            DomainEvent::User(_) | DomainEvent::Front(_) => {
                Err("an event of something else in the stream of an article".into())
            }
        };
        events.iter().map(step).collect::<Result<_, _>>().map(Self)
    }

    /// The bylines that must be opened.
    pub(crate) fn bylines(&self) -> impl Iterator<Item = &PersonalText> {
        let texts = self.0.iter().filter_map(|step| text(&step.event));
        texts.filter_map(|text| text.byline.as_ref())
    }

    /// Opens the bylines.
    pub(crate) fn open(&mut self, keys: &Keys) -> Result<(), Unreadable> {
        if self.bylines().any(|byline| keys.open(byline) == Opened::Unknown) {
            return Err(Unreadable);
        }
        let texts = self.0.iter_mut().filter_map(|step| text_mut(&mut step.event));
        texts.for_each(|text| text.open_byline(keys));
        Ok(())
    }

    /// The entries, oldest first. To the public the article comes from nothing when it is
    /// published: what the draft was stays in the newsroom. After the deadline the differences are
    /// coarse.
    ///
    /// # Errors
    /// When the events cannot follow each other.
    pub(crate) fn entries(
        &self,
        since_publication: bool,
        deadline: Instant,
    ) -> Result<Vec<HistoryEntry>, OutOfOrder> {
        let (mut entries, mut known) = (Vec::new(), None);
        for (step, after) in self.0.iter().zip(self.states()?) {
            if !since_publication || after.published_at.is_some() {
                entries.push(HistoryEntry {
                    version: step.stamp.version.get(),
                    event: short_name(&step.event).to_owned(),
                    at: step.stamp.at.to_string(),
                    actor: step.actor.to_string(),
                    note: note(&step.event).map(str::to_owned),
                    changes: changes::between(known.as_ref(), &after, deadline),
                });
                known = Some(after);
            }
        }
        Ok(entries)
    }

    /// The article as it was; `None` when it was not there yet or, since publication, not public.
    ///
    /// # Errors
    /// When the events cannot follow each other.
    pub(crate) fn at(
        &self,
        point: Point,
        since_publication: bool,
    ) -> Result<Option<Article>, OutOfOrder> {
        let mut states = self.states()?;
        let found = match point {
            Point::After(version) => states.iter().position(|state| state.version == version),
            Point::At(time) => states.iter().rposition(|state| state.updated_at <= time),
        };
        let state = found.map(|at| states.swap_remove(at));
        Ok(state.filter(|state| !since_publication || state.published_at.is_some()))
    }

    /// The article after each event.
    fn states(&self) -> Result<Vec<Article>, OutOfOrder> {
        let mut states: Vec<Article> = Vec::with_capacity(self.0.len());
        for step in &self.0 {
            let before = states.last().cloned();
            states.push(Article::evolve(before, step.event.clone(), step.stamp)?);
        }
        Ok(states)
    }
}

/// `article_corrected`, without the part of the log.
fn short_name(event: &NewsEvent) -> &'static str {
    let name = event.event_type();
    name.split_once('.').map_or(name, |(_, short)| short)
}

/// What readers were told.
fn note(event: &NewsEvent) -> Option<&str> {
    match event {
        NewsEvent::Corrected(event) => Some(&event.note),
        NewsEvent::Retracted(event) => Some(&event.reason),
        _ => None,
    }
}

fn text(event: &NewsEvent) -> Option<&ArticleText> {
    match event {
        NewsEvent::Drafted(event) => Some(&event.text),
        NewsEvent::Revised(event) => Some(&event.text),
        NewsEvent::Published(event) => Some(&event.text),
        NewsEvent::Corrected(event) => Some(&event.text),
        NewsEvent::MovedIn(event) => Some(&event.text),
        _ => None,
    }
}

fn text_mut(event: &mut NewsEvent) -> Option<&mut ArticleText> {
    match event {
        NewsEvent::Drafted(event) => Some(&mut event.text),
        NewsEvent::Revised(event) => Some(&mut event.text),
        NewsEvent::Published(event) => Some(&mut event.text),
        NewsEvent::Corrected(event) => Some(&mut event.text),
        NewsEvent::MovedIn(event) => Some(&mut event.text),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
