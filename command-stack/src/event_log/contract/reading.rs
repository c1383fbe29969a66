//! Reads return the appended events unchanged, in order, and within the limits.

use events::news::NewsEvent;
use events::personal::PersonalText;
use events::{
    Actor, DomainEvent, Metadata, NewEvent, Partition, Position, RecordedEvent, StreamId, UserId,
    Version,
};
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::super::{Append, StreamAppend};
use super::fixture::{Database, Fixture, append, event, one, part, places, positions, some_stream};

fn partition(name: &str) -> Partition {
    name.parse().expect("a partition")
}

/// Appends one event for each (stream, partition).
async fn record(on: &Fixture, events: &[(&str, &str)]) {
    for (stream, partition) in events {
        let stream_id = StreamId::from((*stream).to_owned());
        let stream = on.log.read_stream(&stream_id).await.expect("read");
        let expected = stream.last().map_or(Version::NONE, |event| event.version);
        let part = StreamAppend { stream_id, expected, events: vec![event(partition, "{}")] };
        on.log.append(append(vec![part])).await.expect("append");
    }
}

pub(super) async fn what_is_read_is_what_was_appended(on: &Fixture) {
    let metadata = Metadata {
        actor: Actor::User(UserId(Uuid::now_v7())),
        correlation_id: "Anfrage „7“ \\ \"q\"".to_owned(),
        causation_id: Uuid::now_v7(),
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
    };
    let data =
        r#"{"title":"Äpfel 🍎 \u2028 \"quoted\" \\ \t","n":[1,-2.5,null,true],"o":{"ß":""}}"#;
    let events = vec![event("news.world-cup-2026", data), event("user", "{}")];
    let stream_id = some_stream();
    let part = StreamAppend { stream_id: stream_id.clone(), expected: Version::NONE, events };
    let sent = part.events.clone();
    let append = Append { key: None, metadata: metadata.clone(), streams: vec![part] };
    let appended = on.log.append(append).await.expect("append");
    let read = on.twin.read_stream(&stream_id).await.expect("read");
    assert_eq!(places(&read), [(stream_id.as_str(), 1), (stream_id.as_str(), 2)]);
    for (read, sent) in read.iter().zip(&sent) {
        assert_eq!(read.event_id, sent.event_id);
        assert_eq!(read.partition, sent.partition);
        assert_eq!(read.event_type, sent.event_type);
        assert_eq!(read.schema_version, sent.schema_version);
        assert_eq!(read.metadata, metadata);
        assert_eq!(read.recorded_at, appended.recorded_at);
        let json = |data: &RawValue| serde_json::from_str::<Value>(data.get()).expect("JSON");
        assert_eq!(json(&read.data), json(&sent.data));
    }
    assert_eq!(format!("{:?}", on.all().await), format!("{read:?}"));
}

pub(super) async fn an_event_in_an_old_shape_is_read_in_the_newest(on: &Fixture) {
    let data = r#"{"category":"sports","title":"T","content":"C","author":"Ada","author_id":null}"#;
    let old = NewEvent { event_type: "news.article_published", ..event("news.sports", data) };
    let stream_id = some_stream();
    let part = StreamAppend { stream_id, expected: Version::NONE, events: vec![old] };
    on.log.append(append(vec![part])).await.expect("append");
    let read = on.all().await.remove(0);
    assert_eq!(
        (read.schema_version, read.routing_key().as_str()),
        (1, "news.sports.article_published")
    );
    match read.decode().expect("an event") {
        DomainEvent::News(NewsEvent::Published(event)) => {
            assert_eq!(event.text.byline, Some(PersonalText::Plain("Ada".to_owned())));
            assert_eq!((event.drafted_at, event.scheduled_for), (None, None));
            assert_eq!((event.text.title.as_str(), event.text.summary.as_str()), ("T", ""));
        }
        other => panic!("{other:?}"),
    }
}

pub(super) async fn a_stream_is_read_by_itself_and_in_order(on: &Fixture) {
    record(on, &[("a", "user"), ("ab", "user"), ("a", "news.x"), ("A", "user"), ("a", "user")])
        .await;
    let read = on.log.read_stream(&StreamId::from("a".to_owned())).await.expect("read");
    assert_eq!(places(&read), [("a", 1), ("a", 2), ("a", 3)]);
    assert_eq!(positions(&read), [1, 3, 5]);
    let read = on.log.read_stream(&some_stream()).await.expect("read");
    assert!(read.is_empty(), "{read:?}");
}

pub(super) async fn the_log_is_read_after_a_position_by_partition_and_in_pages(on: &Fixture) {
    let (x, u) = (("a", "news.x"), ("b", "user"));
    record(on, &[x, u, x, x, u, ("c", "news.xy"), x]).await;
    let news = partition("news.x");
    for (after, partition, limit, expected) in [
        (0, None, 100, vec![1, 2, 3, 4, 5, 6, 7]),
        (0, None, 3, vec![1, 2, 3]),
        (3, None, 3, vec![4, 5, 6]),
        (7, None, 3, vec![]),
        (0, Some(&news), 100, vec![1, 3, 4, 7]),
        (1, Some(&news), 2, vec![3, 4]),
        (5, Some(&Partition::Users), 2, vec![]),
    ] {
        let read = on.log.read_after(Position::new(after), partition, limit).await.expect("read");
        assert_eq!(positions(&read), expected, "{limit} after {after} of {partition:?}");
    }
}

pub(super) async fn a_partition_is_read_back_from_a_position(on: &Fixture) {
    let (x, u) = (("a", "news.x"), ("b", "user"));
    record(on, &[x, u, x, x, u, ("c", "news.xy"), x]).await;
    let news = partition("news.x");
    for (from, limit, expected) in [
        (Position::END, 100, vec![7, 4, 3, 1]),
        (Position::END, 2, vec![7, 4]),
        (Position::new(4), 2, vec![4, 3]),
        (Position::new(2), 9, vec![1]),
        (Position::START, 9, vec![]),
    ] {
        let read = on.log.read_back(from, &news, limit).await.expect("read");
        assert_eq!(positions(&read), expected, "{limit} back from {from}");
    }
    for (after, at_most, expected) in [(0, 100, 4), (0, 3, 3), (3, 9, 2), (4, 9, 1), (7, 9, 0)] {
        let count = on.log.count_after(Position::new(after), &news, at_most).await.expect("read");
        assert_eq!(count, expected, "after {after}, at most {at_most}");
    }
}

async fn streams(on: &Fixture, partitions: &[Partition], up_to: Position) -> Vec<RecordedEvent> {
    let mut pages = on.log.streams(partitions, up_to);
    let mut read = Vec::new();
    while let Some(page) = pages.next().await.expect("read") {
        read.extend(page);
    }
    let count = on.log.count(partitions, up_to).await.expect("read");
    assert_eq!(count, read.len() as u64);
    read
}

pub(super) async fn streams_come_whole_in_byte_order_up_to_a_position(on: &Fixture) {
    let stream = |name| (name, "news.x");
    let events = ["ä", "b", "a", "B", "a", "b", "a"].map(stream);
    record(on, &events).await;
    record(on, &[("c", "news.y"), ("a", "news.y"), ("b", "news.x"), ("d", "user")]).await;
    let of_x = [("B", 1), ("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 2), ("b", 3), ("ä", 1)];
    let early = [("B", 1), ("a", 1), ("a", 2), ("b", 1), ("ä", 1)];
    let of_two = [("a", 4), ("c", 1), ("d", 1)];
    let (end, up_to) = (Position::END, Position::new);
    let cases = [
        (&["news.x"][..], end, &of_x[..]),
        (&["news.x"], up_to(5), &early),
        (&["user", "news.y"], end, &of_two),
        (&["user", "news.y"], up_to(10), &of_two[..2]),
        (&["news.x", "news.y"], Position::START, &[]),
        (&["news.z"], end, &[]),
        (&[], end, &[]),
    ];
    for (names, up_to, expected) in cases {
        let partitions: Vec<_> = names.iter().map(|name| partition(name)).collect();
        let read = streams(on, &partitions, up_to).await;
        assert_eq!(places(&read), expected, "{names:?} up to {up_to}");
    }
}

/// Covers streams that exceed a page in events and in bytes.
pub(super) async fn a_stream_is_never_torn_apart_by_the_end_of_a_page(on: &Fixture) {
    let long = format!("\"{}\"", "x".repeat(200_000));
    let (x, many) = (partition("news.x"), StreamId::from("many".to_owned()));
    let some = |data: &str, count| (0..count).map(|_| event("news.x", data)).collect::<Vec<_>>();
    for (stream_id, events) in [
        ("long".to_owned(), some(&long, 30)),
        ("longer".to_owned(), some(&long, 2)),
        (many.as_str().to_owned(), some("1", 3_000)),
        ("more".to_owned(), some("1", 2)),
    ] {
        let stream_id = StreamId::from(stream_id);
        let part = StreamAppend { stream_id, expected: Version::NONE, events };
        on.log.append(append(vec![part])).await.expect("append");
    }
    let mut pages = on.log.streams(std::slice::from_ref(&x), Position::END);
    let mut sizes = Vec::new();
    while let Some(page) = pages.next().await.expect("read") {
        sizes.push(page.len());
    }
    assert_eq!(sizes, [30, 3_002, 2]);
}

pub(super) async fn who_has_read_enough_may_stop(on: &Fixture) {
    record(on, &[("a", "news.x"), ("b", "news.x")]).await;
    drop(on.log.streams(&[partition("news.x")], Position::END));
    assert_eq!(streams(on, &[partition("news.x")], Position::END).await.len(), 2);
}

pub(super) async fn the_last_position_is_known_of_the_log_and_of_each_partition(on: &Fixture) {
    let last = async |partition: Option<&Partition>, up_to| {
        let last = on.log.last_position(partition, up_to).await;
        last.expect("read").get()
    };
    let (news, end) = (partition("news.x"), Position::END);
    assert_eq!((last(None, end).await, last(Some(&news), end).await), (0, 0));
    let (x, u) = (("a", "news.x"), ("b", "user"));
    record(on, &[u, x, x, u, u]).await;
    assert_eq!((last(None, end).await, last(Some(&news), end).await), (5, 3));
    let up_to = Position::new;
    assert_eq!((last(None, up_to(4)).await, last(Some(&news), up_to(2)).await), (4, 2));
    assert_eq!((last(None, up_to(0)).await, last(Some(&news), up_to(1)).await), (0, 0));
}

pub(super) async fn a_log_that_lacks_an_event_says_so(on: &Fixture) {
    let stream = StreamId::from("user-1".to_owned());
    on.log.append(append(vec![part(&stream, 0, 2)])).await.expect("append");
    on.log.append(one(&some_stream(), 0)).await.expect("append");
    assert_eq!(on.log.gaps().await.expect("read"), Vec::<String>::new());
    on.execute(match &on.database {
        Database::Postgres { .. } => {
            "INSERT INTO events SELECT 5, stream_id, 4, gen_random_uuid(), partition, event_type, \
             schema_version, data, metadata, recorded_at FROM events WHERE position = 2"
        }
        Database::Sqlite { .. } => {
            "INSERT INTO events SELECT 5, stream_id, 4, randomblob(16), partition, event_type, \
             schema_version, data, metadata, recorded_at FROM events WHERE position = 2"
        }
    })
    .await
    .expect("insert");
    let gaps = on.log.gaps().await.expect("read");
    assert_eq!(gaps, ["position 4 is missing", "stream user-1 lacks a version"]);
}
