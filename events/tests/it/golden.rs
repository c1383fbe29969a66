//! Every shape in which an event was ever written can still be read: one file per type and schema
//! version in `events/golden`. A change that breaks one of them would make a log unreadable.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use events::news::{ArticlePublished, ArticleText, NewsEvent};
use events::personal::PersonalText;
use events::{
    Actor, DecodeError, DomainEvent, Metadata, Partition, Position, RecordedEvent, StreamId,
    Timestamp, Version,
};
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

fn recorded(event_type: &str, schema_version: u16, data: &str) -> RecordedEvent {
    RecordedEvent {
        position: Position::new(7),
        stream_id: StreamId::from("article-01940000-0000-7000-8000-000000000002".to_owned()),
        version: Version::new(3),
        event_id: Uuid::from_u128(9),
        partition: "news.politics".parse::<Partition>().expect("a partition"),
        event_type: event_type.to_owned(),
        schema_version,
        data: RawValue::from_string(data.to_owned()).expect("JSON"),
        metadata: Metadata {
            actor: Actor::System("import".to_owned()),
            correlation_id: "request-1".to_owned(),
            causation_id: Uuid::from_u128(10),
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        },
        recorded_at: Timestamp::from_millis(1_764_000_000_123),
    }
}

fn golden_files() -> Vec<(String, u16, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
        let (event_type, version) = name.rsplit_once(".v").expect("<type>.v<version>.json");
        let version = version.parse().expect("a schema version");
        (event_type.to_owned(), version, fs::read_to_string(&path).expect("a text"))
    };
    fs::read_dir(folder).expect("the folder").map(read).collect()
}

#[test]
fn every_golden_file_decodes_and_the_newest_version_writes_the_same_json() {
    let mut newest = BTreeMap::new();
    for (event_type, version, json) in golden_files() {
        let event = recorded(&event_type, version, json.trim()).decode();
        let event = event.unwrap_or_else(|error| panic!("{event_type}.v{version}: {error}"));
        let written = event.encode().expect("events can be written");
        assert_eq!(written.event_type, event_type);
        assert!(version <= written.schema_version, "{event_type}.v{version} is from the future");
        if version == written.schema_version {
            let golden: Value = serde_json::from_str(&json).expect("JSON");
            let again: Value = serde_json::from_str(written.data.get()).expect("JSON");
            assert_eq!(again, golden, "{event_type}.v{version}");
            newest.insert(event_type, version);
        }
    }
    let expected = [
        ("front.breaking_cleared", 1),
        ("front.breaking_set", 1),
        ("front.pinned", 1),
        ("news.article_archived", 1),
        ("news.article_corrected", 2),
        ("news.article_drafted", 2),
        ("news.article_embargoed", 1),
        ("news.article_moved_in", 1),
        ("news.article_moved_out", 1),
        ("news.article_published", 4),
        ("news.article_retracted", 1),
        ("news.article_revised", 2),
        ("news.article_scheduled", 1),
        ("news.article_unscheduled", 1),
        ("user.email_changed", 1),
        ("user.erased", 1),
        ("user.password_changed", 1),
        ("user.reading_profile_cleared", 1),
        ("user.recommendations_switched", 1),
        ("user.registered", 2),
        ("user.renamed", 2),
        ("user.roles_changed", 1),
    ];
    assert_eq!(newest, expected.map(|(t, v)| (t.to_owned(), v)).into());
}

#[test]
fn version_1_of_article_published_reads_as_the_newest() {
    let json = include_str!("../../golden/news.article_published.v1.json");
    let event = recorded("news.article_published", 1, json).decode().expect("an event");
    let text = ArticleText {
        title: "Mayor opens bridge".to_owned(),
        summary: String::new(),
        content: "The mayor opened the bridge on Monday.".to_owned(),
        tags: Vec::new(),
        byline: Some(PersonalText::Plain("Ada Reporter".to_owned())),
    };
    let category = "politics".parse().expect("a category");
    let published = ArticlePublished {
        category,
        text,
        author_id: None,
        drafted_at: None,
        scheduled_for: None,
        first_published_at: None,
    };
    assert_eq!(event, DomainEvent::News(NewsEvent::Published(published)));
}

#[test]
fn an_event_of_a_newer_program_is_told_from_a_broken_one() {
    let newer = recorded("news.article_published", 5, "{}").decode();
    assert!(matches!(newer, Err(DecodeError::NewerSchema { found: 5, known: 4, .. })));
    let unknown = recorded("news.article_praised", 1, "{}").decode();
    assert!(matches!(unknown, Err(DecodeError::UnknownType(_))));
    let broken = recorded("user.renamed", 1, r#"{"name":7}"#).decode();
    assert!(matches!(broken, Err(DecodeError::Malformed { .. })));
}

#[test]
fn the_envelope_is_a_cloud_event_and_reads_back_whole() {
    let event = recorded("user.renamed", 1, r#"{"name":"Ada"}"#);
    let json = serde_json::to_value(&event).expect("JSON");
    for (attribute, value) in [
        ("specversion", "1.0"),
        ("id", "00000000-0000-0000-0000-000000000009"),
        ("source", "news.politics"),
        ("type", "user.renamed"),
        ("subject", "article-01940000-0000-7000-8000-000000000002"),
        ("time", "2025-11-24T16:00:00.123Z"),
        ("actor", "system:import"),
        ("correlationid", "request-1"),
    ] {
        assert_eq!(json[attribute], value, "{attribute}");
    }
    let valid = |name: &String| name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    assert!(json.as_object().expect("an object").keys().all(valid), "CloudEvents 1.0, 3.1");
    let again: RecordedEvent = serde_json::from_str(&json.to_string()).expect("an event");
    assert_eq!(serde_json::to_value(&again).expect("JSON"), json);
}
