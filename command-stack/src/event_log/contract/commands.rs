//! Idempotency: the log records a command id at most once.

use futures::future::join_all;

use super::super::{AppendError, FirstAnswer};
use super::fixture::{Fixture, append, is_conflict, one, part, some_stream, with_key};
use events::{Position, Version};

pub(super) async fn a_command_is_carried_out_once_and_gets_the_first_answer_again(on: &Fixture) {
    let stream = some_stream();
    on.log.append(one(&stream, 0)).await.expect("append");
    let command = with_key(append(vec![part(&stream, 1, 2)]), "key", 7);
    on.log.append(command.clone()).await.expect("append");
    let first = FirstAnswer {
        fingerprint: [7; 32],
        stream_id: stream.clone(),
        version: Version::new(3),
        position: Position::new(3),
    };
    // The same request, the same request at the current version, and a different request.
    let again = with_key(one(&stream, 3), "key", 7);
    let other = with_key(one(&some_stream(), 0), "key", 8);
    for (append, log) in [(command, &on.log), (again, &on.log), (other, &on.twin)] {
        match log.append(append).await {
            Err(AppendError::Repeated(answer)) => assert_eq!(answer, first),
            result => panic!("{result:?}"),
        }
    }
    assert_eq!(on.twin.find_command("key").await.expect("find"), Some(first));
    assert_eq!(on.twin.find_command("another").await.expect("find"), None);
    assert_eq!(on.all().await.len(), 3);
}

pub(super) async fn a_command_that_was_refused_can_be_tried_again_with_its_id(on: &Fixture) {
    let stream = some_stream();
    let result = on.log.append(with_key(one(&stream, 1), "key", 1)).await;
    assert!(is_conflict(&result), "{result:?}");
    assert_eq!(on.log.find_command("key").await.expect("find"), None);
    on.log.append(with_key(one(&stream, 0), "key", 1)).await.expect("append");
}

pub(super) async fn of_many_appends_with_one_command_id_exactly_one_is_carried_out(on: &Fixture) {
    let rivals = (0..20).map(|n| {
        let log = if n % 2 == 0 { &on.log } else { &on.twin };
        log.append(with_key(one(&some_stream(), 0), "key", n))
    });
    let results = join_all(rivals).await;
    let first = on.log.find_command("key").await.expect("find").expect("remembered");
    let (mut appended, mut repeated) = (Vec::new(), 0);
    for (n, result) in (0..).zip(results) {
        match result {
            Ok(_) => appended.push(n),
            Err(AppendError::Repeated(answer)) if answer == first => repeated += 1,
            result => panic!("{result:?}"),
        }
    }
    assert_eq!((appended.len(), repeated), (1, 19));
    assert_eq!(first.fingerprint, [appended[0]; 32]);
    let events = on.all().await;
    assert_eq!(events.len(), 1);
    assert_eq!((&events[0].stream_id, events[0].position), (&first.stream_id, first.position));
}

pub(super) async fn a_command_to_many_streams_is_remembered_by_its_last_event(on: &Fixture) {
    let (first, last) = (some_stream(), some_stream());
    let command = append(vec![part(&first, 0, 1), part(&last, 0, 2)]);
    on.log.append(with_key(command, "key", 1)).await.expect("append");
    let answer = on.log.find_command("key").await.expect("find").expect("remembered");
    assert_eq!((answer.stream_id, answer.version.get(), answer.position.get()), (last, 2, 3));
}

pub(super) async fn a_command_id_that_reads_like_a_stream_is_no_obstacle(on: &Fixture) {
    let stream = some_stream();
    let command = with_key(one(&stream, 0), stream.as_str(), 1);
    let appended = tokio::time::timeout(super::fixture::SOON, on.log.append(command)).await;
    appended.expect("answered in time").expect("append");
}
