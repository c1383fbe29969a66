//! Given the events so far, when a command comes, then these events follow, or this refusal.

use events::Timestamp;

use super::*;

fn sports() -> Category {
    "sports".parse().expect("a category")
}

fn text(title: &str) -> ArticleText {
    ArticleText { title: title.to_owned(), content: "Text.".to_owned(), ..Default::default() }
}

fn drafted() -> NewsEvent {
    NewsEvent::Drafted(ArticleDrafted { category: sports(), text: text("A"), author_id: None })
}

fn published(drafted_at: Option<Timestamp>) -> NewsEvent {
    let (category, text) = (sports(), text("A"));
    NewsEvent::Published(ArticlePublished { category, text, author_id: None, drafted_at })
}

fn revised(title: &str) -> NewsEvent {
    NewsEvent::Revised(ArticleRevised { category: sports(), text: text(title) })
}

fn corrected(title: &str, note: &str) -> NewsEvent {
    let (category, text, note) = (sports(), text(title), note.to_owned());
    NewsEvent::Corrected(ArticleCorrected { category, text, note })
}

fn retracted() -> NewsEvent {
    NewsEvent::Retracted(ArticleRetracted { category: sports(), reason: "Untrue.".to_owned() })
}

fn change(change: Change) -> NewsCommand {
    NewsCommand::Change { category: sports(), change }
}

fn new_text(title: &str, note: Option<&str>) -> NewsCommand {
    change(Change::Text { text: text(title), correction_note: note.map(str::to_owned) })
}

fn retract() -> NewsCommand {
    change(Change::Retract { reason: "Untrue.".to_owned() })
}

struct Given(Option<Article>);

/// Event number n is recorded at millisecond n.
fn given(events: &[NewsEvent]) -> Given {
    let mut state = None;
    for (number, event) in (1..).zip(events) {
        let stamp = Stamp {
            id: Uuid::nil(),
            version: Version::new(number),
            at: Timestamp::from_millis(number),
        };
        let event = event.clone().into();
        let next = <Article as Aggregate>::evolve(state, event, stamp);
        state = Some(next.expect("events that can follow each other"));
    }
    Given(state)
}

impl Given {
    fn when(&self, command: &NewsCommand) -> Result<Vec<NewsEvent>, NewsError> {
        Article::decide(self.0.as_ref(), command)
    }
}

fn refused(status: ArticleStatus, command: &'static str) -> Result<Vec<NewsEvent>, NewsError> {
    Err(NewsError::IllegalTransition { status, command })
}

#[test]
fn an_article_begins_as_a_draft_or_published_and_only_once() {
    let (category, text) = (sports(), text("A"));
    let draft = NewsCommand::DraftArticle {
        category: category.clone(),
        text: text.clone(),
        author_id: None,
    };
    let publish = NewsCommand::PublishArticle { category, text, author_id: None };
    assert_eq!(given(&[]).when(&draft), Ok(vec![drafted()]));
    assert_eq!(given(&[]).when(&publish), Ok(vec![published(None)]));
    assert_eq!(given(&[drafted()]).when(&publish), Err(NewsError::Exists));
}

#[test]
fn nothing_can_be_changed_that_is_not_there_or_is_elsewhere() {
    for command in [change(Change::PublishDraft), new_text("B", Some("Note.")), retract()] {
        assert_eq!(given(&[]).when(&command), Err(NewsError::NotFound));
    }
    let elsewhere = NewsCommand::Change {
        category: "politics".parse().expect("a category"),
        change: Change::PublishDraft,
    };
    assert_eq!(given(&[drafted()]).when(&elsewhere), Err(NewsError::NotFound));
}

#[test]
fn a_draft_is_revised_without_a_note_and_published_with_its_whole_text() {
    let draft = given(&[drafted()]);
    assert_eq!(draft.when(&new_text("B", None)), Ok(vec![revised("B")]));
    let began = Some(Timestamp::from_millis(1));
    assert_eq!(draft.when(&change(Change::PublishDraft)), Ok(vec![published(began)]));
    assert_eq!(draft.when(&retract()), refused(ArticleStatus::Draft, "retracted"));
}

#[test]
fn a_published_article_is_corrected_with_a_note_or_retracted() {
    let article = given(&[published(None)]);
    assert_eq!(article.when(&new_text("B", Some("Typo."))), Ok(vec![corrected("B", "Typo.")]));
    assert_eq!(article.when(&new_text("B", None)), Err(NewsError::MissingNote));
    assert_eq!(article.when(&retract()), Ok(vec![retracted()]));
    let again = article.when(&change(Change::PublishDraft));
    assert_eq!(again, refused(ArticleStatus::Published, "published"));
}

#[test]
fn the_same_text_again_changes_nothing() {
    assert_eq!(given(&[drafted()]).when(&new_text("A", None)), Ok(vec![]));
    assert_eq!(given(&[published(None)]).when(&new_text("A", Some("Note."))), Ok(vec![]));
}

#[test]
fn a_retraction_is_final() {
    let article = given(&[published(None), retracted()]);
    let refused = |command| refused(ArticleStatus::Retracted, command);
    assert_eq!(article.when(&change(Change::PublishDraft)), refused("published"));
    assert_eq!(article.when(&new_text("B", Some("Note."))), refused("changed"));
    assert_eq!(article.when(&retract()), refused("retracted"));
}

#[test]
fn the_article_is_what_its_events_say() {
    let events = [drafted(), revised("B"), published(Some(Timestamp::from_millis(1)))];
    let corrections = [corrected("C", "First."), corrected("D", "Second.")];
    let article = given(&[&events[..], &corrections[..]].concat()).0.expect("an article");
    let at = Timestamp::from_millis;
    assert_eq!((article.status, article.version), (ArticleStatus::Published, Version::new(5)));
    assert_eq!((article.created_at, article.published_at), (at(1), Some(at(3))));
    assert_eq!((article.updated_at, article.text.title.as_str()), (at(5), "D"));
    let notes: Vec<_> = article.corrections.iter().map(|c| (c.at, c.note.as_str())).collect();
    assert_eq!(notes, [(at(5), "Second."), (at(4), "First.")], "newest first");
}
