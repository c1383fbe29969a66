//! The view of a category's articles as the public sees them.
//!
//! A draft is not hidden here: it is not here. An article enters with `ArticlePublished`, which
//! carries all that readers get; a retraction leaves the reason and takes the text away.

use events::news::{Article, ArticleStatus, ArticleText, NewsEvent};
use events::{BoxError, DomainEvent, Stamp};

use crate::view_store::Document;

/// The document of an article after an event; `None`: the public knows nothing of it.
///
/// # Errors
/// When the event cannot follow: the log is corrupt.
pub fn project(
    before: Option<Document>,
    event: DomainEvent,
    stamp: Stamp,
) -> Result<Option<Document>, BoxError> {
    let DomainEvent::News(event) = event else {
        return Err("an event of a user in a partition of news".into());
    };
    if let NewsEvent::Drafted(_) | NewsEvent::Revised(_) = event {
        return Ok(before);
    }
    let before = before.map(|document| serde_json::from_value(document.body)).transpose()?;
    let mut article = Article::evolve(before, event, stamp)?;
    if article.status == ArticleStatus::Retracted {
        article.text = ArticleText::default();
        article.corrections = Vec::new();
    }
    let listed = article.status == ArticleStatus::Published;
    Ok(Some(Document {
        id: stamp.id,
        version: article.version,
        listed_at: article.published_at.filter(|_| listed),
        body: serde_json::to_value(article)?,
    }))
}

#[cfg(test)]
mod tests {
    use events::news::{
        ArticleCorrected, ArticleDrafted, ArticlePublished, ArticleRetracted, ArticleRevised,
    };
    use events::{Category, Timestamp, Version};
    use uuid::Uuid;

    use super::*;

    fn sports() -> Category {
        "sports".parse().expect("a category")
    }

    fn text(content: &str) -> ArticleText {
        ArticleText { title: "T".to_owned(), content: content.to_owned(), ..Default::default() }
    }

    /// Event number n is recorded at millisecond n.
    fn view_after(events: Vec<NewsEvent>) -> Option<Document> {
        (1..).zip(events).fold(None, |before, (number, event)| {
            let (id, version) = (Uuid::nil(), Version::new(number));
            let stamp = Stamp { id, version, at: Timestamp::from_millis(number) };
            project(before, event.into(), stamp).expect("events that can follow each other")
        })
    }

    fn drafted() -> NewsEvent {
        let (category, text) = (sports(), text("secret"));
        NewsEvent::Drafted(ArticleDrafted { category, text, author_id: None })
    }

    fn published() -> NewsEvent {
        NewsEvent::Published(ArticlePublished {
            category: sports(),
            text: text("first"),
            author_id: None,
            drafted_at: None,
        })
    }

    fn corrected() -> NewsEvent {
        let (category, text) = (sports(), text("second"));
        NewsEvent::Corrected(ArticleCorrected { category, text, note: "Why.".to_owned() })
    }

    #[test]
    fn a_draft_leaves_no_trace() {
        let revised = ArticleRevised { category: sports(), text: text("also secret") };
        assert_eq!(view_after(vec![drafted(), NewsEvent::Revised(revised)]), None);
    }

    #[test]
    fn a_draft_that_is_published_is_whole_and_listed_by_the_time_of_publication() {
        let document = view_after(vec![drafted(), published()]).expect("a document");
        assert_eq!(document.listed_at, Some(Timestamp::from_millis(2)));
        assert_eq!(
            (document.version, &document.body["content"]),
            (Version::new(2), &"first".into())
        );
    }

    #[test]
    fn a_correction_changes_the_text_and_not_the_place_in_the_list() {
        let document = view_after(vec![published(), corrected()]).expect("a document");
        assert_eq!(document.listed_at, Some(Timestamp::from_millis(1)));
        assert_eq!(document.body["content"], "second");
        assert_eq!(document.body["corrections"][0]["note"], "Why.");
    }

    #[test]
    fn a_retraction_leaves_the_reason_and_nothing_of_the_text() {
        let reason = "Untrue.".to_owned();
        let retracted = NewsEvent::Retracted(ArticleRetracted { category: sports(), reason });
        let document = view_after(vec![published(), corrected(), retracted]).expect("a document");
        assert_eq!((document.listed_at, document.version), (None, Version::new(3)));
        assert_eq!(document.body["retraction"]["reason"], "Untrue.");
        let json = document.body.to_string();
        assert!(!json.contains("first") && !json.contains("second") && !json.contains("Why."));
    }
}
