//! The newsroom view: all articles of a category, from the first draft on.
//! `Article::is_seen_by` decides who may see which, when an answer is composed.

use events::news::{Article, ArticleText};
use events::{BoxError, DomainEvent, Stamp};

use crate::view_store::Document;

/// Returns the document of an article after an event.
///
/// # Errors
/// When the event cannot follow: the log is corrupt.
pub fn project(
    before: Option<Document>,
    event: DomainEvent,
    stamp: Stamp,
) -> Result<Option<Document>, BoxError> {
    let DomainEvent::News(event) = event else {
        return Err("an event of something else in a partition of news".into());
    };
    let before = before.map(|document| serde_json::from_value(document.body)).transpose()?;
    let mut article = Article::evolve(before, event, stamp)?;
    let is_here = article.moved_to.is_none();
    if !is_here {
        // The text moved to the new category; a copy here would become outdated.
        article.text = ArticleText::default();
        article.corrections = Vec::new();
    }
    Ok(Some(Document {
        id: stamp.id,
        version: article.version,
        listed_at: is_here.then_some(article.created_at),
        body: serde_json::to_value(article)?,
    }))
}

#[cfg(test)]
mod tests {
    use events::news::{
        ArticleDrafted, ArticleMovedIn, ArticleMovedOut, ArticlePublished, ArticleRetracted,
        ArticleScheduled, ArticleStatus, NewsEvent,
    };
    use events::{Category, Timestamp, UserId, Version};
    use uuid::Uuid;

    use super::*;

    fn sports() -> Category {
        "sports".parse().expect("a category")
    }

    fn politics() -> Category {
        "politics".parse().expect("a category")
    }

    fn text(content: &str) -> ArticleText {
        ArticleText { title: "T".to_owned(), content: content.to_owned(), ..Default::default() }
    }

    /// Event number n is recorded at millisecond n.
    fn view_after(events: Vec<NewsEvent>) -> Document {
        let document = (1..).zip(events).fold(None, |before, (number, event)| {
            let (id, version) = (Uuid::nil(), Version::new(number));
            let stamp = Stamp { id, version, at: Timestamp::from_millis(number) };
            project(before, event.into(), stamp).expect("events that can follow each other")
        });
        document.expect("a document")
    }

    fn drafted() -> NewsEvent {
        let author_id = Some(UserId(Uuid::nil()));
        NewsEvent::Drafted(ArticleDrafted { category: sports(), text: text("draft"), author_id })
    }

    fn published() -> NewsEvent {
        NewsEvent::Published(ArticlePublished {
            category: sports(),
            text: text("first"),
            author_id: None,
            drafted_at: Some(Timestamp::from_millis(1)),
            scheduled_for: None,
            first_published_at: None,
        })
    }

    #[test]
    fn a_draft_is_here_and_listed_by_when_it_was_begun() {
        let publish_at = Timestamp::from_millis(99);
        let scheduled = ArticleScheduled { category: sports(), publish_at };
        let document = view_after(vec![drafted(), NewsEvent::Scheduled(scheduled)]);
        assert_eq!(document.listed_at, Some(Timestamp::from_millis(1)));
        assert_eq!(
            (&document.body["status"], document.version),
            (&"scheduled".into(), Version::new(2))
        );
        assert_eq!(document.body["content"], "draft");
    }

    #[test]
    fn publication_does_not_move_it_in_the_list() {
        let document = view_after(vec![drafted(), published()]);
        assert_eq!(document.listed_at, Some(Timestamp::from_millis(1)));
        assert_eq!(document.body["status"], "published");
    }

    #[test]
    fn what_was_taken_back_keeps_its_text() {
        let retracted = ArticleRetracted { category: sports(), reason: "Untrue.".to_owned() };
        let document = view_after(vec![published(), NewsEvent::Retracted(retracted)]);
        assert_eq!(document.listed_at, Some(Timestamp::from_millis(1)));
        assert_eq!(document.body["content"], "first");
        assert_eq!(document.body["retraction"]["reason"], "Untrue.");
    }

    #[test]
    fn an_article_that_left_is_listed_no_more_and_its_author_is_told_where_it_is() {
        let moved_out = ArticleMovedOut { category: sports(), to: politics() };
        let document = view_after(vec![drafted(), NewsEvent::MovedOut(moved_out)]);
        assert_eq!((document.listed_at, document.version), (None, Version::new(2)));
        assert_eq!(document.body["moved_to"], "politics");
        assert_eq!(document.body["author_id"], Uuid::nil().to_string());
        assert_eq!(document.body["content"], "");
    }

    #[test]
    fn a_draft_that_came_in_is_listed_by_when_it_was_begun() {
        let moved_in = ArticleMovedIn {
            category: sports(),
            from: politics(),
            status: ArticleStatus::Draft,
            text: text("moved"),
            author_id: None,
            created_at: Timestamp::from_millis(-9),
            published_at: None,
            publish_at: None,
            embargo_until: None,
            corrections: Vec::new(),
        };
        let document = view_after(vec![NewsEvent::MovedIn(Box::new(moved_in))]);
        assert_eq!(document.listed_at, Some(Timestamp::from_millis(-9)));
        assert_eq!(
            (&document.body["content"], &document.body["status"]),
            (&"moved".into(), &"draft".into())
        );
    }
}
