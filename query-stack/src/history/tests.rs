//! Given events, the expected history of an article.

mod access;

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use events::news::{
    ArticleArchived, ArticleCorrected, ArticleDrafted, ArticleEmbargoed, ArticleMovedIn,
    ArticleMovedOut, ArticlePublished, ArticleRetracted, ArticleRevised,
};
use events::personal::{KeyReader, Keyring, UserKey};
use events::{ArticleId, LogError, UserId};
use proto::v1::field_value::Kind;
use proto::v1::{Change, FieldValue};
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::grpc::tests::newsroom::{ada, recorded};

fn sports() -> Category {
    "sports".parse().expect("a category")
}

fn politics() -> Category {
    "politics".parse().expect("a category")
}

fn text(content: &str) -> ArticleText {
    ArticleText { title: "T".to_owned(), content: content.to_owned(), ..Default::default() }
}

fn drafted() -> NewsEvent {
    let author_id = Some(ada());
    NewsEvent::Drafted(ArticleDrafted { category: sports(), text: text("secret"), author_id })
}

fn published() -> NewsEvent {
    NewsEvent::Published(ArticlePublished {
        category: sports(),
        text: text("The mayor opened it on Tuesday."),
        author_id: Some(ada()),
        drafted_at: None,
        scheduled_for: None,
        first_published_at: None,
    })
}

fn corrected() -> NewsEvent {
    let text = text("The mayor opened it on Monday.");
    NewsEvent::Corrected(ArticleCorrected { category: sports(), text, note: "The day.".to_owned() })
}

fn retracted() -> NewsEvent {
    NewsEvent::Retracted(ArticleRetracted { category: sports(), reason: "Untrue.".to_owned() })
}

/// Moves the article from sports to politics.
fn moved(published_at: Option<Timestamp>) -> [NewsEvent; 2] {
    let status = published_at.map_or(ArticleStatus::Draft, |_| ArticleStatus::Published);
    let moved_in = ArticleMovedIn {
        category: politics(),
        from: sports(),
        status,
        text: text("The mayor opened it on Tuesday."),
        author_id: Some(ada()),
        created_at: at(1),
        published_at,
        publish_at: None,
        embargo_until: None,
        corrections: Vec::new(),
    };
    [
        NewsEvent::MovedOut(ArticleMovedOut { category: sports(), to: politics() }),
        NewsEvent::MovedIn(Box::new(moved_in)),
    ]
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// Event number n is recorded at millisecond n, by Ada.
fn stream(events: Vec<NewsEvent>) -> Vec<RecordedEvent> {
    let recorded = |(number, event): (i64, NewsEvent)| {
        let new = DomainEvent::News(event).encode().expect("an event");
        recorded(ArticleId(Uuid::nil()).into(), number, Version::new(number), new)
    };
    (1..).zip(events).map(recorded).collect()
}

fn ledger(events: Vec<NewsEvent>) -> Ledger {
    Ledger::read(&stream(events)).expect("a ledger")
}

fn entries(events: Vec<NewsEvent>, since_publication: bool) -> Vec<HistoryEntry> {
    let deadline = Instant::now() + Duration::from_secs(9);
    ledger(events).entries(since_publication, deadline).expect("entries")
}

fn value(text: &str) -> Option<FieldValue> {
    Some(FieldValue { kind: Some(Kind::Text(text.to_owned())) })
}

#[test]
fn a_correction_says_who_when_why_and_what_word_by_word() {
    let entry = entries(vec![published(), corrected()], true).pop().expect("an entry");
    let (from, to) = ("The mayor opened it on Tuesday.", "The mayor opened it on Monday.");
    let expected = json!({
        "version": 2,
        "event": "article_corrected",
        "at": "1970-01-01T00:00:00.002Z",
        "actor": format!("user:{}", ada()),
        "note": "The day.",
        "changes": [{
            "field": "content",
            "from": from,
            "to": to,
            "diff": "The mayor opened it on [-Tuesday-]{+Monday+}.",
        }],
    });
    assert_eq!(serde_json::to_value(entry).expect("JSON"), expected);
}

#[test]
fn what_changes_nothing_that_is_told_and_what_has_no_value_is_not_there() {
    let retracted = entries(vec![published(), retracted()], false).pop().expect("an entry");
    let json = serde_json::to_value(retracted).expect("JSON");
    assert_eq!(json["note"], "Untrue.");
    assert_eq!(
        json["changes"],
        json!([{"field": "status", "from": "published", "to": "retracted"}])
    );
    let published = entries(vec![published()], false).pop().expect("an entry");
    let names: Vec<_> = published.changes.iter().map(|change| change.field.as_str()).collect();
    assert_eq!(names, ["title", "content", "category", "status"]);
    assert_eq!(serde_json::to_value(&published).expect("JSON").get("note"), None);
}

#[test]
fn tags_and_times_are_told_too() {
    let tagged = ArticleText { tags: vec!["cup".to_owned()], ..text("secret") };
    let events = vec![
        drafted(),
        NewsEvent::Revised(ArticleRevised { category: sports(), text: tagged }),
        NewsEvent::Embargoed(ArticleEmbargoed { category: sports(), until: Some(at(7)) }),
    ];
    let entries = entries(events, false);
    let changes = |at: usize| serde_json::to_value(&entries[at].changes).expect("JSON");
    assert_eq!(changes(1), json!([{"field": "tags", "from": [], "to": ["cup"]}]));
    let until = "1970-01-01T00:00:00.007Z";
    assert_eq!(changes(2), json!([{"field": "embargo_until", "from": null, "to": until}]));
}

#[test]
fn the_public_sees_the_article_come_from_nothing_when_it_is_published() {
    let events = vec![drafted(), published(), corrected()];
    let told = entries(events.clone(), true);
    assert_eq!(told.iter().map(|entry| entry.version).collect::<Vec<_>>(), [2, 3]);
    let content = told[0].changes.iter().find(|change| change.field == "content");
    let to = value("The mayor opened it on Tuesday.");
    assert_eq!(content, Some(&Change { field: "content".to_owned(), from: None, to, diff: None }));
    assert!(!format!("{told:?}").contains("secret"));
    assert!(!format!("{told:?}").contains("draft"));
    let all = entries(events, false);
    assert_eq!(all.len(), 3);
    let content = all[1].changes.iter().find(|change| change.field == "content");
    assert_eq!(content.expect("a change").from, value("secret"));
}

#[test]
fn the_ledger_follows_a_move() {
    let [out, into] = moved(Some(at(1)));
    let told = entries(vec![published(), out, into], true);
    let names: Vec<_> = told.iter().map(|entry| entry.event.as_str()).collect();
    assert_eq!(names, ["article_published", "article_moved_out", "article_moved_in"]);
    assert_eq!(told[1].changes, []);
    assert_eq!(told[2].changes.len(), 1);
    assert_eq!(
        (&told[2].changes[0].from, &told[2].changes[0].to),
        (&value("sports"), &value("politics"))
    );
}

#[test]
fn an_article_is_told_as_it_was_after_a_version_or_at_a_time() {
    let ledger = ledger(vec![drafted(), published(), corrected()]);
    let content = |point, since_publication| {
        let article = ledger.at(point, since_publication).expect("a state");
        article.map(|article| article.text.content)
    };
    let after = |version| Point::After(Version::new(version));
    let on = |day: &str| Some(format!("The mayor opened it on {day}."));
    assert_eq!(content(after(2), true), on("Tuesday"));
    assert_eq!(content(after(3), true), on("Monday"));
    assert_eq!(content(Point::At(at(2)), true), on("Tuesday"));
    assert_eq!(content(Point::At(at(99)), true), on("Monday"));
    for point in [after(0), after(-1), after(4), Point::At(at(0))] {
        assert_eq!(content(point, false), None, "{point:?}");
    }
    for point in [after(1), Point::At(at(1))] {
        assert_eq!(content(point, true), None, "{point:?}");
        assert_eq!(content(point, false), Some("secret".to_owned()), "{point:?}");
    }
    let first = ledger.at(after(2), true).expect("a state").expect("an article");
    assert_eq!((first.version, first.corrections), (Version::new(2), vec![]));
}

/// Returns Ada's key, or no key (erased), or fails.
struct AdasKey(Result<Option<UserKey>, ()>);

#[async_trait]
impl KeyReader for AdasKey {
    async fn keys(&self, _: &[UserId]) -> Result<HashMap<UserId, UserKey>, LogError> {
        match &self.0 {
            Ok(key) => Ok(key.iter().map(|key| (ada(), key.clone())).collect()),
            Err(()) => Err(LogError::Unavailable("down".into())),
        }
    }
}

#[tokio::test]
async fn bylines_are_told_as_they_are_printed_or_the_ledger_is_not_told() {
    let key = UserKey::new([7; 32]);
    let sealed = |name: &str| {
        let byline = Some(key.seal(ada(), name));
        ArticleText { byline, ..text("secret") }
    };
    let draft = ArticleDrafted { category: sports(), text: sealed("Ada"), author_id: None };
    let revised = ArticleRevised { category: sports(), text: sealed("Ada L.") };
    let events = vec![NewsEvent::Drafted(draft), NewsEvent::Revised(revised)];
    let told = async |keys| {
        let mut ledger = ledger(events.clone());
        let keys =
            Keyring::new(std::sync::Arc::new(AdasKey(keys))).keys_for(ledger.bylines()).await;
        ledger.open(&keys)?;
        let entries = ledger.entries(false, Instant::now()).expect("entries");
        let bylines = entries.into_iter().flat_map(|entry| entry.changes);
        let bylines = bylines.filter(|change| change.field == "byline");
        Ok::<_, Unreadable>(bylines.map(|change| (change.from, change.to)).collect::<Vec<_>>())
    };
    let opened = vec![(None, value("Ada")), (value("Ada"), value("Ada L."))];
    assert_eq!(told(Ok(Some(key.clone()))).await, Ok(opened));
    assert_eq!(told(Ok(None)).await, Ok(vec![(None, value("former contributor"))]));
    assert_eq!(told(Err(())).await, Err(Unreadable));
}
