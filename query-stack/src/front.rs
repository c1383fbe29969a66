//! The front page view: what each place shows.
//! Each event carries the whole state of its place, so only the newest counts.

use events::front::{FrontEvent, FrontPinned};
use events::{ArticleId, BoxError, DomainEvent, Stamp};
use serde::{Deserialize, Serialize};

use crate::view_store::Document;

/// The body of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// The articles pinned in a category.
    Pins(FrontPinned),
    /// The breaking news article, if one is set.
    Breaking(Option<ArticleId>),
}

/// Returns the state of a place after an event; the state before does not matter.
///
/// # Errors
/// When it is no event of the front page: the log is corrupt.
pub fn shown(event: DomainEvent) -> Result<Shown, BoxError> {
    let DomainEvent::Front(event) = event else {
        return Err("an event of something else in the partition of the front page".into());
    };
    Ok(match event {
        FrontEvent::Pinned(pins) => Shown::Pins(pins),
        FrontEvent::BreakingSet(event) => Shown::Breaking(Some(event.article_id)),
        FrontEvent::BreakingCleared(_) => Shown::Breaking(None),
    })
}

/// Returns the document of a place after an event.
///
/// # Errors
/// When it is no event of the front page: the log is corrupt.
pub fn project(
    _before: Option<Document>,
    event: DomainEvent,
    stamp: Stamp,
) -> Result<Option<Document>, BoxError> {
    let body = serde_json::to_value(shown(event)?)?;
    Ok(Some(Document { id: stamp.id, version: stamp.version, listed_at: None, body }))
}

#[cfg(test)]
mod tests {
    use events::front::{FrontBreakingCleared, FrontBreakingSet, FrontId};
    use events::{Category, Timestamp, Version};
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn sports() -> Category {
        "sports".parse().expect("a category")
    }

    fn pinned(numbers: &[u128]) -> FrontEvent {
        let articles = numbers.iter().map(|number| ArticleId(Uuid::from_u128(*number)));
        FrontEvent::Pinned(FrontPinned { category: sports(), articles: articles.collect() })
    }

    fn view_after(events: Vec<FrontEvent>) -> Document {
        let document = (1..).zip(events).fold(None, |before, (number, event)| {
            let (id, version) = (FrontId::of_category(&sports()).0, Version::new(number));
            let stamp = Stamp { id, version, at: Timestamp::from_millis(number) };
            project(before, event.into(), stamp).expect("events that can follow each other")
        });
        document.expect("a document")
    }

    #[test]
    fn what_was_pinned_last_is_all_that_is_pinned_and_stands_in_no_list() {
        let document = view_after(vec![pinned(&[1, 2]), pinned(&[2])]);
        let articles = json!([Uuid::from_u128(2)]);
        assert_eq!(document.body, json!({"pins": {"category": "sports", "articles": articles}}));
        assert_eq!((document.version, document.listed_at), (Version::new(2), None));
    }

    #[test]
    fn breaking_news_is_there_until_it_is_cleared() {
        let article_id = ArticleId(Uuid::from_u128(1));
        let set = FrontEvent::BreakingSet(FrontBreakingSet { article_id, category: sports() });
        assert_eq!(view_after(vec![set.clone()]).body, json!({"breaking": article_id}));
        let cleared = FrontEvent::BreakingCleared(FrontBreakingCleared {});
        assert_eq!(view_after(vec![set, cleared]).body, json!({"breaking": null}));
    }
}
