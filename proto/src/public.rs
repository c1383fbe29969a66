//! What the public may know of an event: that it happened, and where. Not what it says, because an
//! article can be taken back, and who reads the past of the log must not find it there.
//!
//! The one rule for all who are told: the live updates, the public log, and webhooks.

use events::front::FrontEvent;
use events::news::{ArticleStatus, NewsEvent};
use events::{Category, DomainEvent, Partition, RecordedEvent};

use crate::v1::PublicEvent;

/// The types of the events that the public is told of, as the log names them.
pub const PUBLIC_TYPES: [&str; 7] = [
    "news.article_published",
    "news.article_corrected",
    "news.article_retracted",
    "news.article_moved_in",
    "front.pinned",
    "front.breaking_set",
    "front.breaking_cleared",
];

/// `None` for what happens behind the door of the newsroom. Every event is looked at by itself, so
/// that it does not matter from where on somebody reads.
#[must_use]
pub fn public(event: &RecordedEvent) -> Option<PublicEvent> {
    let category = match &event.partition {
        Partition::News(category) => category,
        Partition::Front => return of_front(event),
        Partition::Users => return None,
    };
    match event.event_type.as_str() {
        // Only what is published can be corrected or taken back.
        "news.article_published" | "news.article_corrected" | "news.article_retracted" => {
            of_article(event, category)
        }
        // Leaving and coming are one thing for the public. Who leaves does not say whether it was
        // public, who comes does.
        "news.article_moved_in" => match event.decode() {
            Ok(DomainEvent::News(NewsEvent::MovedIn(moved)))
                if moved.status == ArticleStatus::Published =>
            {
                let public = of_article(event, category)?;
                Some(PublicEvent { from: Some(moved.from.to_string()), ..public })
            }
            _ => None,
        },
        _ => None,
    }
}

/// What the editors change on the front page concerns everybody, or everybody who follows a category.
fn of_front(event: &RecordedEvent) -> Option<PublicEvent> {
    let public = named(event)?;
    Some(match event.decode() {
        Ok(DomainEvent::Front(FrontEvent::Pinned(pinned))) => {
            PublicEvent { category: Some(pinned.category.to_string()), ..public }
        }
        // Which article, says the front page: it may have been taken back.
        _ => public,
    })
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
    let name = if part == "front" { format!("front_{name}") } else { name.to_owned() };
    let (position, at) = (event.position.get(), event.recorded_at.to_string());
    let id = event.event_id.to_string();
    Some(PublicEvent { position, event: name, at, id, ..Default::default() })
}

impl PublicEvent {
    /// The name that the event has in the log: `news.article_published`, `front.pinned`.
    #[must_use]
    pub fn event_type(&self) -> String {
        match self.event.strip_prefix("front_") {
            Some(name) => format!("front.{name}"),
            None => format!("news.{}", self.event),
        }
    }
}
