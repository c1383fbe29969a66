//! The public view: the articles of a category as readers see them.
//!
//! Drafts never enter it. An article enters with `ArticlePublished` or `ArticleMovedIn`, which
//! carry everything that readers get. A retraction keeps the reason and removes the text; a move
//! keeps only the new category.

use events::news::{Article, ArticleStatus, ArticleText, NewsEvent};
use events::{BoxError, DomainEvent, Stamp};

use crate::view_store::Document;

/// Returns the document of an article after an event; `None` if it is not public.
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
    if !concerns_the_public(&event, before.is_some()) {
        return Ok(before);
    }
    let before = before.map(|document| serde_json::from_value(document.body)).transpose()?;
    let mut article = Article::evolve(before, event, stamp)?;
    // Archiving a retracted article changes nothing for readers: the reason stays visible.
    if article.retraction.is_some() {
        article.status = ArticleStatus::Retracted;
    }
    let listed = article.status == ArticleStatus::Published && article.moved_to.is_none();
    if !listed {
        article.text = ArticleText::default();
        article.corrections = Vec::new();
    }
    Ok(Some(Document {
        id: stamp.id,
        version: article.version,
        listed_at: article.published_at.filter(|_| listed),
        body: serde_json::to_value(article)?,
    }))
}

/// Events before publication stay in the newsroom, also moves and archiving.
fn concerns_the_public(event: &NewsEvent, known: bool) -> bool {
    match event {
        NewsEvent::Drafted(_)
        | NewsEvent::Revised(_)
        | NewsEvent::Scheduled(_)
        | NewsEvent::Unscheduled(_)
        | NewsEvent::Embargoed(_) => false,
        NewsEvent::MovedIn(event) => event.status == ArticleStatus::Published,
        NewsEvent::Archived(_) | NewsEvent::MovedOut(_) => known,
        NewsEvent::Published(_) | NewsEvent::Corrected(_) | NewsEvent::Retracted(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use events::news::{
        ArticleArchived, ArticleCorrected, ArticleDrafted, ArticleEmbargoed, ArticleMovedIn,
        ArticleMovedOut, ArticlePublished, ArticleRetracted, ArticleRevised, ArticleScheduled,
        ArticleUnscheduled, Correction,
    };
    use events::personal::PersonalText;
    use events::{Category, Timestamp, Version};
    use uuid::Uuid;

    use super::*;

    fn sports() -> Category {
        "sports".parse().expect("a category")
    }

    fn text(content: &str) -> ArticleText {
        let byline = Some(PersonalText::Plain("Ada".to_owned()));
        let (title, content) = ("T".to_owned(), content.to_owned());
        ArticleText { title, content, byline, ..Default::default() }
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
            scheduled_for: None,
            first_published_at: None,
        })
    }

    fn corrected() -> NewsEvent {
        let (category, text) = (sports(), text("second"));
        NewsEvent::Corrected(ArticleCorrected { category, text, note: "Why.".to_owned() })
    }

    fn archived() -> NewsEvent {
        NewsEvent::Archived(ArticleArchived { category: sports() })
    }

    fn moved_out() -> NewsEvent {
        let to = "politics".parse().expect("a category");
        NewsEvent::MovedOut(ArticleMovedOut { category: sports(), to })
    }

    fn moved_in(status: ArticleStatus) -> NewsEvent {
        let published_at = Timestamp::from_millis(-5);
        NewsEvent::MovedIn(Box::new(ArticleMovedIn {
            category: sports(),
            from: "politics".parse().expect("a category"),
            status,
            text: text("moved"),
            author_id: None,
            created_at: Timestamp::from_millis(-9),
            published_at: (status == ArticleStatus::Published).then_some(published_at),
            publish_at: None,
            embargo_until: None,
            corrections: vec![Correction { at: published_at, note: "Before.".to_owned() }],
        }))
    }

    #[test]
    fn a_draft_leaves_no_trace() {
        let revised = ArticleRevised { category: sports(), text: text("also secret") };
        let until = Timestamp::from_millis(9);
        let events = vec![
            drafted(),
            NewsEvent::Revised(revised),
            NewsEvent::Embargoed(ArticleEmbargoed { category: sports(), until: Some(until) }),
            NewsEvent::Scheduled(ArticleScheduled { category: sports(), publish_at: until }),
            NewsEvent::Unscheduled(ArticleUnscheduled { category: sports() }),
        ];
        assert_eq!(view_after(events), None);
    }

    #[test]
    fn a_draft_that_is_put_away_or_moved_leaves_no_trace() {
        assert_eq!(view_after(vec![drafted(), archived()]), None);
        assert_eq!(view_after(vec![drafted(), moved_out()]), None);
        for status in [ArticleStatus::Draft, ArticleStatus::Scheduled, ArticleStatus::Archived] {
            assert_eq!(view_after(vec![moved_in(status)]), None, "{status}");
        }
    }

    #[test]
    fn a_published_article_that_comes_in_is_listed_where_its_age_puts_it() {
        let document = view_after(vec![moved_in(ArticleStatus::Published)]).expect("a document");
        assert_eq!(document.listed_at, Some(Timestamp::from_millis(-5)));
        assert_eq!(document.body["content"], "moved");
        assert_eq!(document.body["corrections"][0]["note"], "Before.");
    }

    #[test]
    fn a_published_article_that_leaves_leaves_only_where_to() {
        let document = view_after(vec![published(), corrected(), moved_out()]).expect("a document");
        assert_eq!((document.listed_at, document.version), (None, Version::new(3)));
        assert_eq!(document.body["moved_to"], "politics");
        let json = document.body.to_string();
        for gone in ["first", "second", "Why.", "Ada"] {
            assert!(!json.contains(gone), "{json}");
        }
    }

    #[test]
    fn an_article_that_comes_back_is_whole_again() {
        let events = vec![published(), moved_out(), moved_in(ArticleStatus::Published)];
        let document = view_after(events).expect("a document");
        assert_eq!(document.listed_at, Some(Timestamp::from_millis(-5)));
        assert_eq!(document.body["content"], "moved");
        assert_eq!(document.body.get("moved_to"), None);
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

    #[test]
    fn what_was_taken_back_stays_taken_back_when_it_is_put_away() {
        let reason = "Untrue.".to_owned();
        let retracted = NewsEvent::Retracted(ArticleRetracted { category: sports(), reason });
        let document = view_after(vec![published(), retracted, archived()]).expect("a document");
        assert_eq!((document.listed_at, document.version), (None, Version::new(3)));
        assert_eq!(document.body["status"], "retracted");
        assert_eq!(document.body["retraction"]["reason"], "Untrue.");
    }
}
