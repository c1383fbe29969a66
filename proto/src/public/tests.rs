//! Which events the public is told of.

use events::{Actor, ArticleId, Metadata, Position, StreamId, Timestamp, Version};
use serde_json::json;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::*;

fn recorded(partition: &str, event_type: &str, data: &serde_json::Value) -> RecordedEvent {
    RecordedEvent {
        position: Position::new(7),
        stream_id: StreamId::from(ArticleId(Uuid::from_u128(1))),
        version: Version::new(3),
        event_id: Uuid::from_u128(2),
        partition: partition.parse().expect("a partition"),
        event_type: event_type.to_owned(),
        schema_version: 1,
        data: RawValue::from_string(data.to_string()).expect("JSON"),
        metadata: Metadata {
            actor: Actor::Anonymous,
            correlation_id: String::new(),
            causation_id: Uuid::nil(),
            traceparent: None,
        },
        recorded_at: Timestamp::from_millis(1),
    }
}

/// The event of an article that comes in with this status.
fn moved_in(status: ArticleStatus) -> RecordedEvent {
    let moved = json!({
        "category": "sports", "from": "politics", "status": status, "title": "T", "content": "C",
        "author_id": null, "created_at": "2026-11-21T07:00:00.000Z", "published_at": null,
        "publish_at": null, "embargo_until": null, "corrections": [],
    });
    recorded("news.sports", EventKind::ArticleMovedIn.name(), &moved)
}

#[test]
fn public_types_are_what_they_always_were() {
    let expected = [
        "news.article_published",
        "news.article_corrected",
        "news.article_retracted",
        "news.article_moved_in",
        "front.pinned",
        "front.breaking_set",
        "front.breaking_cleared",
    ];
    assert_eq!(*PUBLIC_TYPES, expected);
}

/// The data is unreadable, which must not matter but for an article that moves.
#[test]
fn the_public_is_told_of_the_public_types_and_knows_them_again() {
    for kind in EventKind::ALL {
        let name = kind.name();
        let (partition, _) = name.split_once('.').expect("a part");
        let partition = if partition == "news" { "news.sports" } else { partition };
        let event = match kind {
            EventKind::ArticleMovedIn => moved_in(ArticleStatus::Published),
            _ => recorded(partition, name, &json!({})),
        };
        let told = public(&event);
        assert_eq!(told.is_some(), PUBLIC_TYPES.contains(&name), "{name}");
        if let Some(told) = told {
            assert_eq!((told.event_type(), told.kind()), (name.to_owned(), Some(*kind)));
            assert_eq!(told.is_of_front(), partition == "front", "{name}");
        }
    }
}

#[test]
fn of_an_article_that_moves_only_a_published_one_is_public() {
    for status in [ArticleStatus::Draft, ArticleStatus::Scheduled, ArticleStatus::Archived] {
        assert_eq!(public(&moved_in(status)), None, "{status}");
    }
    let told = public(&moved_in(ArticleStatus::Published)).expect("a public event");
    assert_eq!(
        (told.category.as_deref(), told.from.as_deref()),
        (Some("sports"), Some("politics"))
    );
}

#[test]
fn of_types_of_a_newer_program_only_those_of_the_front_page_are_public() {
    assert_eq!(public(&recorded("news.sports", "news.article_praised", &json!({}))), None);
    assert_eq!(public(&recorded("user", "user.praised", &json!({}))), None);
    let told = public(&recorded("front", "front.praised", &json!({}))).expect("a public event");
    assert_eq!((told.event.as_str(), told.kind()), ("front_praised", None));
    assert!(told.is_of_front());
}
