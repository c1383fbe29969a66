//! Optimistic concurrency: an append at any version but the expected one records nothing.

use events::StreamId;
use futures::future::join_all;

use super::super::{AppendError, LogError};
use super::fixture::{Fixture, append, is_conflict, one, part, places, positions, some_stream};

pub(super) async fn a_stream_begins_at_version_one_and_goes_on_from_its_last_event(on: &Fixture) {
    let stream = some_stream();
    let first = on.log.append(one(&stream, 0)).await.expect("append");
    let other = on.log.append(one(&some_stream(), 0)).await.expect("append");
    let more = on.log.append(append(vec![part(&stream, 1, 2)])).await.expect("append");
    assert_eq!([first, other, more].map(|appended| appended.position.get()), [1, 2, 4]);
    let events = on.log.read_stream(&stream).await.expect("read");
    assert_eq!(places(&events), [1, 2, 3].map(|version| (stream.as_str(), version)));
    assert_eq!(positions(&events), [1, 3, 4]);
    let answered = [first, more, more].map(|appended| appended.recorded_at);
    assert_eq!(events.iter().map(|event| event.recorded_at).collect::<Vec<_>>(), answered);
}

pub(super) async fn an_append_at_a_wrong_version_is_a_conflict_and_records_nothing(on: &Fixture) {
    let stream = some_stream();
    on.log.append(append(vec![part(&stream, 0, 2)])).await.expect("append");
    for wrong in [0, 1, 3] {
        let result = on.log.append(one(&stream, wrong)).await;
        assert!(is_conflict(&result), "at {wrong}: {result:?}");
    }
    let result = on.log.append(one(&some_stream(), 1)).await;
    assert!(is_conflict(&result), "a stream that does not exist: {result:?}");
    assert_eq!(positions(&on.all().await), [1, 2]);
}

pub(super) async fn of_many_appends_at_one_version_exactly_one_wins(on: &Fixture) {
    let stream = some_stream();
    for version in 0..5 {
        let rivals = (0..20).map(|n| {
            let log = if n % 2 == 0 { &on.log } else { &on.twin };
            log.append(one(&stream, version))
        });
        let results = join_all(rivals).await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        assert_eq!(results.iter().filter(|result| is_conflict(result)).count(), 19);
    }
    assert_eq!(positions(&on.all().await), [1, 2, 3, 4, 5]);
}

pub(super) async fn an_append_to_many_streams_records_all_of_them_or_none(on: &Fixture) {
    let streams = [some_stream(), some_stream(), some_stream()];
    let [a, b, c] = &streams;
    let all = append(vec![part(b, 0, 2), part(a, 0, 1), part(c, 0, 1)]);
    let appended = on.log.append(all).await.expect("append");
    assert_eq!(appended.position.get(), 4);
    for stale in 0..3 {
        let parts = streams.iter().zip(0..);
        let parts = parts.map(|(stream, n)| {
            part(stream, if n == stale { 7 } else { i64::from(stream == b) + 1 }, 1)
        });
        let result = on.log.append(append(parts.collect())).await;
        assert!(is_conflict(&result), "stream {stale} is stale: {result:?}");
    }
    let (a, b, c) = (a.as_str(), b.as_str(), c.as_str());
    assert_eq!(places(&on.all().await), [(b, 1), (b, 2), (a, 1), (c, 1)]);
}

pub(super) async fn appends_to_a_stream_are_carried_out_in_the_order_in_which_they_came(
    on: &Fixture,
) {
    let names: Vec<StreamId> = (0..20).map(|_| some_stream()).collect();
    // Each append shares a stream with the one before it, so all must keep their order.
    let mut chain = vec![one(&names[0], 0)];
    for pair in names.windows(2) {
        chain.push(append(vec![part(&pair[0], 1, 1), part(&pair[1], 0, 1)]));
        chain.push(one(&pair[0], 2));
    }
    for result in on.at_once(chain).await {
        result.expect("append");
    }
}

pub(super) async fn appends_that_are_too_big_for_one_batch_are_recorded_whole_and_in_order(
    on: &Fixture,
) {
    let streams: Vec<StreamId> = (0..4).map(|_| some_stream()).collect();
    let huge = append(vec![part(&some_stream(), 0, 1_300)]);
    let big = streams.iter().map(|stream| append(vec![part(stream, 0, 200)]));
    let small = streams.iter().map(|stream| one(stream, 200));
    let appends: Vec<_> = [huge].into_iter().chain(big).chain(small).collect();
    for result in on.at_once(appends).await {
        result.expect("append");
    }
    assert_eq!(positions(&on.all().await), (1..=1_300 + 4 * 201).collect::<Vec<_>>());
}

pub(super) async fn more_appends_than_can_wait_are_turned_away_and_record_nothing(on: &Fixture) {
    let appends = (0..4_000).map(|_| one(&some_stream(), 0)).collect();
    let results = on.at_once(appends).await;
    let turned_away = |result: &&Result<_, _>| matches!(result, Err(AppendError::Overloaded));
    let turned_away = results.iter().filter(turned_away).count();
    let recorded = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(recorded + turned_away, 4_000);
    assert!(turned_away > 0 && recorded >= 1_024, "{turned_away} turned away");
    assert_eq!(on.all().await.len(), recorded);
}

pub(super) async fn an_append_that_names_a_stream_twice_is_refused_and_blocks_nobody(on: &Fixture) {
    let (twice, other) = (some_stream(), some_stream());
    let appends = vec![
        append(vec![part(&twice, 0, 1), part(&twice, 0, 1)]),
        append(vec![part(&twice, 0, 1), part(&twice, 1, 1)]),
        one(&other, 0),
    ];
    let results = tokio::time::timeout(super::fixture::SOON, on.at_once(appends)).await;
    let results = results.expect("answered in time");
    let refused = matches!(results[0], Err(AppendError::Log(LogError::Corrupt(_))));
    assert!(refused && is_conflict(&results[1]), "{results:?}");
    assert_eq!(places(&on.all().await), [(other.as_str(), 1)]);
}
