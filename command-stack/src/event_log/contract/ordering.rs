//! Positions follow the commit order: a reader at a position has missed no event before it.

use std::sync::Arc;

use events::{LogError, Position, RecordedEvent, Timestamp};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::super::{AppendError, EventLog};
use super::fixture::{
    Database, Fixture, SOON, append, is_conflict, one, part, positions, some_stream, with_key,
};

const WRITERS: i64 = 16;
const APPENDS: i64 = 50;

pub(super) async fn positions_have_no_holes_although_appends_are_refused(on: &Fixture) {
    let (stream, other) = (some_stream(), some_stream());
    let appends = vec![
        with_key(one(&stream, 0), "key", 1),
        one(&stream, 0),
        with_key(one(&other, 0), "key", 1),
        append(vec![part(&stream, 1, 1), part(&other, 9, 1)]),
        append(vec![part(&stream, 1, 3)]),
        one(&other, 1),
        one(&other, 0),
    ];
    let results = on.at_once(appends).await;
    let accepted: Vec<_> = results.iter().map(Result::is_ok).collect();
    assert_eq!(accepted, [true, false, false, false, true, false, true]);
    assert_eq!(positions(&on.all().await), [1, 2, 3, 4, 5]);
}

/// Two append queues compete for the log, as two command stacks do.
pub(super) async fn a_reader_never_passes_an_event_that_appears_later(on: &Fixture) {
    // The lock of SQLite is not fair: under load an append may time out.
    let may_be_busy = matches!(on.database, Database::Sqlite { .. });
    let mut writers = JoinSet::new();
    for n in 0..WRITERS {
        let log = Arc::clone(if n % 2 == 0 { &on.log } else { &on.twin });
        writers.spawn(write(log, may_be_busy));
    }
    let read = async { tokio::join!(tail(&*on.log, WRITERS * APPENDS), writers.join_all()).0 };
    let read = timeout(6 * SOON, read).await.expect("in time");
    assert_eq!(positions(&on.all().await), positions(&read));
}

async fn write(log: Arc<dyn EventLog>, may_be_busy: bool) {
    let stream = some_stream();
    let is_busy = |error: &AppendError| {
        may_be_busy && matches!(error, AppendError::Log(LogError::Unavailable(_)))
    };
    for version in 0..APPENDS {
        let command = with_key(one(&stream, version), &format!("{stream}@{version}"), 1);
        // An append with a key can be retried safely after an unknown result.
        let mut result = log.append(command.clone()).await;
        while result.as_ref().is_err_and(is_busy) {
            result = log.append(command.clone()).await;
        }
        assert!(matches!(result, Ok(_) | Err(AppendError::Repeated(_))), "{result:?}");
        if version % 5 == 0 {
            let stale = log.append(one(&stream, version)).await;
            assert!(is_conflict(&stale) || stale.as_ref().is_err_and(is_busy), "{stale:?}");
        }
    }
}

/// Reads continuously and asserts that each event has exactly the next position.
async fn tail(log: &dyn EventLog, until: i64) -> Vec<RecordedEvent> {
    let mut read: Vec<RecordedEvent> = Vec::new();
    let (mut seen, mut time) = (Position::START, Timestamp::from_millis(0));
    while seen.get() < until {
        for event in log.read_after(seen, None, 64).await.expect("read") {
            assert_eq!(event.position.get(), seen.get() + 1);
            assert!(event.recorded_at >= time, "position {seen} was recorded later than the next");
            (seen, time) = (event.position, event.recorded_at);
            read.push(event);
        }
    }
    read
}

pub(super) async fn an_event_is_not_recorded_before_the_one_ahead_of_it_even_if_the_clock_was_set_back(
    on: &Fixture,
) {
    // Simulates a clock that was one hour ahead.
    let ahead = match &on.database {
        Database::Postgres { .. } => {
            "INSERT INTO events VALUES (1, 'user-1', 1, gen_random_uuid(), 'user', 'user.renamed', \
             1, '{}', '{\"actor\":\"anonymous\",\"correlation_id\":\"c\",\
             \"causation_id\":\"01940000-0000-7000-8000-000000000001\"}', now() + interval '1 hour')"
        }
        Database::Sqlite { .. } => {
            "INSERT INTO events VALUES (1, 'user-1', 1, randomblob(16), 'user', 'user.renamed', \
             1, '{}', '{\"actor\":\"anonymous\",\"correlation_id\":\"c\",\
             \"causation_id\":\"01940000-0000-7000-8000-000000000001\"}', \
             (strftime('%s', 'now') + 3600) * 1000)"
        }
    };
    on.execute(ahead).await.expect("insert");
    let appended = on.log.append(one(&some_stream(), 0)).await.expect("append");
    let events = on.all().await;
    assert_eq!(positions(&events), [1, 2]);
    assert!(events[1].recorded_at >= events[0].recorded_at);
    assert_eq!(events[1].recorded_at, appended.recorded_at);
}
