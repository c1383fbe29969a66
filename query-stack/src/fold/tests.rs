//! Folding batches of valid and invalid events.

use events::{Actor, Category, Metadata, Partition, UserId};
use serde_json::json;
use serde_json::value::RawValue;

use super::*;

fn of_user(version: i64, event_type: &str, data: &str) -> RecordedEvent {
    RecordedEvent {
        position: Position::new(version),
        stream_id: StreamId::from(UserId(Uuid::from_u128(1))),
        version: Version::new(version),
        event_id: Uuid::now_v7(),
        partition: Partition::Users,
        event_type: event_type.to_owned(),
        schema_version: 1,
        data: RawValue::from_string(data.to_owned()).expect("JSON"),
        metadata: Metadata {
            actor: Actor::Anonymous,
            correlation_id: String::new(),
            causation_id: Uuid::nil(),
            traceparent: None,
        },
        recorded_at: Timestamp::from_millis(version),
    }
}

fn event(version: i64, name: &str) -> RecordedEvent {
    let event_type = if version == 1 { "user.registered" } else { "user.renamed" };
    of_user(version, event_type, &json!({ "name": name }).to_string())
}

/// The same event in the stream of another user.
fn of_another(event: RecordedEvent) -> RecordedEvent {
    RecordedEvent { stream_id: UserId(Uuid::from_u128(2)).into(), ..event }
}

fn fold_users(known: Vec<Document>, events: &[RecordedEvent]) -> Folded {
    fold(Program::of(&View::users()), known, events, HashSet::new())
}

fn names(folded: &Folded) -> Vec<&str> {
    let mut documents: Vec<_> = folded.documents.iter().collect();
    documents.sort_unstable_by_key(|document| document.id);
    documents.iter().map(|document| document.body["name"].as_str().expect("a name")).collect()
}

/// The version of each failed event, and whether a newer program may read it.
fn failures(folded: &Folded) -> Vec<(i64, bool)> {
    folded.failed.iter().map(|failure| (failure.version.get(), failure.newer)).collect()
}

#[test]
fn a_batch_becomes_one_document_per_stream() {
    let changed = fold_users(Vec::new(), &[event(1, "A"), event(2, "B"), event(3, "C")]);
    let changed = changed.complete().expect("a fold");
    assert_eq!(changed.len(), 1);
    assert_eq!((&changed[0].body["name"], changed[0].version), (&"C".into(), Version::new(3)));
}

#[test]
fn an_event_that_comes_again_or_late_changes_nothing() {
    let (first, second) = (event(1, "A"), event(2, "B"));
    let view = fold_users(Vec::new(), &[first.clone(), second.clone()]).complete().expect("a fold");
    let again = fold_users(view.clone(), &[second, first]).complete().expect("a fold");
    assert_eq!(again, []);
    let unreadable = of_user(2, "user.exploded", "{}");
    assert_eq!(fold_users(view, &[unreadable]).complete().expect("it has it already"), []);
}

#[test]
fn a_stream_of_which_an_event_is_missing_stops_there() {
    let first = fold_users(Vec::new(), &[event(1, "A")]).complete().expect("a fold");
    let gap = fold_users(first, &[event(3, "C"), of_another(event(1, "D"))]);
    assert_eq!((names(&gap), failures(&gap)), (vec!["D"], vec![(3, false)]));
    assert_eq!(gap.failed[0].reason, "version 3 follows 1");
}

#[test]
fn what_cannot_be_read_stops_its_stream_and_no_other() {
    let bad = [
        (of_user(2, "user.renamed", r#"{"name":7}"#), false),
        (of_user(2, "user.exploded", "{}"), true),
        (RecordedEvent { schema_version: 999, ..event(2, "B") }, true),
        (of_user(2, "news.article_unscheduled", r#"{"category":"sports"}"#), false),
    ];
    for (bad, newer) in bad {
        let events = [
            event(1, "A"),
            bad,
            of_another(event(1, "D")),
            event(3, "C"),
            of_another(event(2, "E")),
        ];
        let folded = fold_users(Vec::new(), &events);
        // The stopped stream keeps its earlier events.
        let kept = vec!["A", "E"];
        assert_eq!(
            (names(&folded), failures(&folded)),
            (kept, vec![(2, newer)]),
            "{:?}",
            events[1]
        );
    }
}

#[test]
fn a_stream_without_an_aggregate_stops_alone() {
    let nobody = RecordedEvent { stream_id: StreamId::from("nobody".to_owned()), ..event(1, "A") };
    let folded = fold_users(Vec::new(), &[nobody, of_another(event(1, "D"))]);
    assert_eq!((names(&folded), failures(&folded)), (vec!["D"], vec![(1, false)]));
}

#[test]
fn a_bug_stops_the_stream_that_meets_it() {
    fn project(
        before: Option<Document>,
        event: DomainEvent,
        stamp: Stamp,
    ) -> Result<Option<Document>, BoxError> {
        assert!(stamp.version != Version::new(2), "a bug");
        users::project(before, event, stamp)
    }
    let program = Program { project, ..Program::of(&View::users()) };
    let events = [event(1, "A"), of_another(event(1, "D")), event(2, "B"), event(3, "C")];
    let folded = fold(program, Vec::new(), &events, HashSet::new());
    assert_eq!((names(&folded), failures(&folded)), (vec!["A", "D"], vec![(2, false)]));
    assert_eq!(folded.failed[0].reason, "the projection panicked: a bug");
}

#[test]
fn what_is_left_out_stays_as_it_is_until_it_is_taken_back() {
    let known = fold_users(Vec::new(), &[event(1, "A")]).complete().expect("a fold");
    let left_out = HashSet::from([event(1, "A").stream_id]);
    let pass = |events: &[RecordedEvent]| {
        fold(Program::of(&View::users()), known.clone(), events, left_out.clone())
    };
    let passed = pass(&[event(3, "C"), of_user(4, "user.exploded", "{}")]);
    assert!(passed.documents.is_empty() && passed.removed.is_empty() && passed.failed.is_empty());
    let erased = pass(&[event(3, "C"), of_user(4, "user.erased", "{}")]);
    assert_eq!(erased.removed, [Uuid::from_u128(1)]);
    assert!(erased.documents.is_empty() && erased.failed.is_empty());
}

#[test]
fn breaking_news_that_was_cleared_is_taken_back_also_when_it_cannot_be_read() {
    let of_front = |version, name, data| {
        let stream_id = events::front::FrontId::breaking().into();
        let partition = Partition::Front;
        RecordedEvent { stream_id, partition, ..of_user(version, name, data) }
    };
    let article = Uuid::from_u128(1);
    let set = format!(r#"{{"article_id":"{article}","category":"sports"}}"#);
    let events =
        [of_front(1, "front.breaking_set", &set), of_front(2, "front.breaking_cleared", "[1]")];
    let folded = fold(Program::of(&View::front()), Vec::new(), &events, HashSet::new());
    assert_eq!((folded.documents.len(), folded.removed.len()), (0, 1));
    assert_eq!(failures(&folded), [(2, false)]);
}

fn sports() -> Category {
    "sports".parse().expect("a category")
}

fn of_article(version: i64, event_type: &str, data: &str) -> RecordedEvent {
    let partition = Partition::News(sports());
    RecordedEvent { partition, ..of_user(version, event_type, data) }
}

const PUBLISHED: &str = r#"{"category":"sports","title":"T","content":"C"}"#;
const MOVED_OUT: &str = r#"{"category":"sports","to":"politics"}"#;

#[test]
fn what_takes_an_article_back_takes_it_back_also_when_it_cannot_be_read() {
    for back in ["news.article_retracted", "news.article_archived", "news.article_moved_out"] {
        for (bad, newer) in [(of_article(2, back, "[]"), false), (of_article(2, back, "{}"), true)]
        {
            let bad = RecordedEvent { schema_version: if newer { 99 } else { 1 }, ..bad };
            let published = of_article(1, "news.article_published", PUBLISHED);
            let view = View::articles(sports());
            let folded = fold(Program::of(&view), Vec::new(), &[published, bad], HashSet::new());
            assert_eq!((folded.documents.len(), folded.removed.len()), (0, 1), "{back}");
            assert_eq!(failures(&folded), [(2, newer)], "{back}");
        }
    }
}

#[test]
fn an_article_that_comes_back_may_leap_over_what_happened_elsewhere() {
    let moved_in = r#"{"category":"sports","from":"politics","status":"published","title":"T",
        "content":"C","created_at":"2026-11-21T07:00:00.000Z","corrections":[],
        "published_at":"2026-11-21T07:00:00.000Z"}"#;
    let events = [
        of_article(1, "news.article_published", PUBLISHED),
        of_article(2, "news.article_moved_out", MOVED_OUT),
        of_article(9, "news.article_moved_in", moved_in),
    ];
    for view in [View::articles(sports()), View::desk(sports())] {
        let fold = |known, events: &[_]| {
            fold(Program::of(&view), known, events, HashSet::new()).complete().expect("a fold")
        };
        let back = fold(fold(Vec::new(), &events[..2]), &events[2..]);
        assert_eq!(back[0].version, Version::new(9));
        assert_eq!(fold(Vec::new(), &events), back);
    }
    let leap = [events[0].clone(), of_article(3, "news.article_moved_out", MOVED_OUT)];
    let view = View::articles(sports());
    let folded = fold(Program::of(&view), Vec::new(), &leap, HashSet::new());
    assert_eq!(failures(&folded), [(3, false)]);
}

#[test]
fn the_same_failure_again_is_another_attempt_and_another_failure_begins_anew() {
    let fails = |event| fold_users(Vec::new(), &[event]).failed.pop().expect("a failure");
    let (early, late) = (Timestamp::from_millis(1), Timestamp::from_millis(2));
    let first = fails(of_user(1, "user.registered", "[]")).parked(None, early);
    assert_eq!((first.state, first.attempts, first.since), (ParkedState::Parked, 1, early));
    let again = fails(of_user(1, "user.registered", "[]")).parked(Some(&first), late);
    assert_eq!((again.attempts, again.since, again.tried_at), (2, early, late));
    let other = fails(of_user(2, "user.exploded", "[]")).parked(Some(&again), late);
    assert_eq!((other.state, other.attempts, other.since), (ParkedState::Waiting, 1, late));
}
