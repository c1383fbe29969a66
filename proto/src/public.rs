//! What the public may know of an event: that it happened, and where. Not what it says, because an
//! article can be taken back, and who reads the past of the log must not find it there.
//!
//! The one rule for all who are told: the live updates, the public log, and webhooks.

use std::sync::LazyLock;

use events::front::FrontEvent;
use events::news::{ArticleStatus, NewsEvent};
use events::{Audience, Category, DomainEvent, EventKind, Partition, RecordedEvent};

use crate::v1::PublicEvent;

/// The types of the events that the public is told of, as the log names them.
pub static PUBLIC_TYPES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let kinds = EventKind::ALL.iter().filter(|kind| match kind.audience() {
        Audience::Internal => false,
        Audience::Article | Audience::PublishedArticle | Audience::FrontPage => true,
    });
    kinds.map(|kind| kind.name()).collect()
});

/// How [`PublicEvent::event`] begins when the event is one of the front page.
const FRONT: &str = "front_";

/// `None` for what happens behind the door of the newsroom. Every event is looked at by itself, so
/// that it does not matter from where on somebody reads.
#[must_use]
pub fn public(event: &RecordedEvent) -> Option<PublicEvent> {
    let audience = event.kind().map(EventKind::audience);
    match (&event.partition, audience) {
        (Partition::News(category), Some(Audience::Article)) => of_article(event, category),
        (Partition::News(category), Some(Audience::PublishedArticle)) => moved_in(event, category),
        // A change that only a newer program knows is a change of the front page as well.
        (Partition::Front, Some(Audience::FrontPage) | None) => of_front(event),
        (Partition::News(_), Some(Audience::Internal | Audience::FrontPage) | None)
        | (
            Partition::Front,
            Some(Audience::Internal | Audience::Article | Audience::PublishedArticle),
        )
        | (Partition::Users, _) => None,
    }
}

/// Leaving and coming are one thing for the public. Who leaves does not say whether it was public,
/// who comes does.
fn moved_in(event: &RecordedEvent, category: &Category) -> Option<PublicEvent> {
    match event.decode() {
        Ok(DomainEvent::News(NewsEvent::MovedIn(moved)))
            if moved.status == ArticleStatus::Published =>
        {
            let public = of_article(event, category)?;
            Some(PublicEvent { from: Some(moved.from.to_string()), ..public })
        }
        _ => None,
    }
}

/// What the editors change on the front page concerns everybody, or everybody who follows a category.
fn of_front(event: &RecordedEvent) -> Option<PublicEvent> {
    let public = named(event)?;
    let category = match event.decode() {
        Ok(DomainEvent::Front(FrontEvent::Pinned(pinned))) => Some(pinned.category.to_string()),
        // Which article, says the front page: it may have been taken back.
        Ok(DomainEvent::Front(FrontEvent::BreakingSet(_) | FrontEvent::BreakingCleared(_))) => None,
        Ok(DomainEvent::News(_) | DomainEvent::User(_)) | Err(_) => None,
    };
    Some(PublicEvent { category, ..public })
}

fn of_article(event: &RecordedEvent, category: &Category) -> Option<PublicEvent> {
    let article_id = event.stream_id.aggregate_id().ok()?.to_string();
    Some(PublicEvent {
        category: Some(category.to_string()),
        article_id: Some(article_id),
        version: Some(event.version.get()),
        ..named(event)?
    })
}

/// `article_published`, `front_pinned`
fn named(event: &RecordedEvent) -> Option<PublicEvent> {
    let (part, name) = event.event_type.split_once('.')?;
    let name = if part == "front" { format!("{FRONT}{name}") } else { name.to_owned() };
    let (position, at) = (event.position.get(), event.recorded_at.to_string());
    let id = event.event_id.to_string();
    Some(PublicEvent { position, event: name, at, id, ..Default::default() })
}

impl PublicEvent {
    /// The name that the event has in the log: `news.article_published`, `front.pinned`.
    #[must_use]
    pub fn event_type(&self) -> String {
        match self.event.strip_prefix(FRONT) {
            Some(name) => format!("front.{name}"),
            None => format!("news.{}", self.event),
        }
    }

    /// Which kind of event this is; `None`: only a newer program knows its type.
    #[must_use]
    pub fn kind(&self) -> Option<EventKind> {
        EventKind::named(&self.event_type())
    }

    /// Whether it is an event of the front page, also of a kind that only a newer program knows.
    #[must_use]
    pub fn is_of_front(&self) -> bool {
        self.event.starts_with(FRONT)
    }
}

#[cfg(test)]
mod tests;
