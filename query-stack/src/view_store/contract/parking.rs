//! Parked streams.

use super::*;
use crate::view_store::{Parked, ParkedCounts, ParkedState};
use events::StreamId;

fn stream(number: u128) -> StreamId {
    events::ArticleId(Uuid::from_u128(number)).into()
}

fn parked(number: u128, state: ParkedState) -> Parked {
    Parked {
        stream: stream(number),
        state,
        position: Position::new(7),
        version: Version::new(3),
        event_type: "news.article_exploded".to_owned(),
        error: "unknown event type \"news.article_exploded\" 🗞".to_owned(),
        attempts: 2,
        since: Timestamp::from_millis(1_000),
        tried_at: Timestamp::from_millis(2_001),
    }
}

/// Parks streams with the event after `from`.
async fn park(
    store: &dyn ViewStore,
    view: &View,
    from: Checkpoint,
    parked: &[Parked],
) -> Result<Checkpoint, ApplyError> {
    let to = step(from, 1).position;
    store.apply(view, Slot::Live, from, &Change { to, parked, ..Change::default() }).await
}

async fn all_parked(store: &dyn ViewStore, view: &View, generation: i64) -> Vec<Parked> {
    store.parked(view, generation, None, 10_000).await.expect("parked streams")
}

pub(super) async fn a_parked_stream_is_told_exactly(store: &dyn ViewStore) {
    let view = articles();
    let from = live(store, &view).await;
    let names = ["", "a/b", "article-", "user-x", "ä €"].map(str::to_owned).map(StreamId::from);
    let strange = names.map(|stream| Parked { stream, ..parked(1, ParkedState::Parked) });
    park(store, &view, from, &strange).await.expect("parked");
    assert_eq!(all_parked(store, &view, 1).await, strange, "in the order of the names");
    let among = store.parked_among(&view, 1, &[strange[3].stream.clone(), stream(9)]).await;
    assert_eq!(among.expect("an answer"), [strange[3].clone()]);
    assert_eq!(store.parked_among(&view, 1, &[]).await.expect("an answer"), []);
}

pub(super) async fn parking_and_the_checkpoint_change_together(store: &dyn ViewStore) {
    let view = articles();
    let from = put(store, &view, &[article(1, 1), article(2, 2)]).await;
    assert_eq!(from.revision, 0);
    let one = [parked(1, ParkedState::Parked), parked(2, ParkedState::Waiting)];
    let to = park(store, &view, from, &one).await.expect("parked");
    assert_eq!((to, to.revision), (Checkpoint { revision: 1, ..step(from, 1) }, 1));
    assert_eq!(live(store, &view).await, to);

    // Freed and discarded, without another event.
    let (freed, removed) = ([stream(1), stream(7)], [Uuid::from_u128(2), Uuid::from_u128(7)]);
    let discarded = [Parked { attempts: 3, ..parked(2, ParkedState::Discarded) }];
    let documents = [Document { version: Version::new(4), ..article(1, 9) }];
    let change = Change {
        to: to.position,
        documents: &documents,
        removed: &removed,
        parked: &discarded,
        freed: &freed,
    };
    let after = store.apply(&view, Slot::Live, to, &change).await.expect("applied");
    assert_eq!(after, Checkpoint { revision: 2, ..to });
    assert_eq!(live(store, &view).await, after);
    assert_eq!(all_parked(store, &view, 1).await, discarded);
    assert_eq!(all(store, &view, 1).await, documents);
}

pub(super) async fn a_writer_that_has_not_seen_the_parking_is_refused(store: &dyn ViewStore) {
    let view = articles();
    let from = put(store, &view, &[article(1, 1)]).await;
    let seen = park(store, &view, from, &[parked(1, ParkedState::Parked)]).await.expect("parked");
    let unseen = Checkpoint { revision: 0, ..seen };
    let later = Checkpoint { revision: 2, ..seen };
    for stale in [from, unseen, later] {
        let (freed, removed) = ([stream(1)], [Uuid::from_u128(1)]);
        let put = [parked(2, ParkedState::Parked)];
        let to = step(seen, 1).position;
        let change = Change {
            to,
            documents: &[article(2, 2)],
            removed: &removed,
            parked: &put,
            freed: &freed,
        };
        let refused = store.apply(&view, Slot::Live, stale, &change).await;
        assert!(matches!(refused, Err(ApplyError::Moved)), "{stale:?}: {refused:?}");
    }
    assert_eq!(all_parked(store, &view, 1).await, [parked(1, ParkedState::Parked)]);
    assert_eq!(all(store, &view, 1).await, [article(1, 1)]);
    assert_eq!(live(store, &view).await, seen);
}

pub(super) async fn of_a_projector_and_a_retry_exactly_one_wins(store: &dyn ViewStore) {
    let view = articles();
    for _ in 0..20 {
        let from = live(store, &view).await;
        let from =
            park(store, &view, from, &[parked(1, ParkedState::Parked)]).await.expect("parked");
        let freed = [stream(1)];
        let retry = Change { to: from.position, freed: &freed, ..Change::default() };
        let (projected, retried) = tokio::join!(
            apply(store, &view, Slot::Live, from, &[]),
            store.apply(&view, Slot::Live, from, &retry)
        );
        let left = all_parked(store, &view, 1).await.len();
        match (projected, retried) {
            (Ok(_), Err(ApplyError::Moved)) => assert_eq!(left, 1),
            (Err(ApplyError::Moved), Ok(_)) => assert_eq!(left, 0),
            both => panic!("{both:?}"),
        }
    }
}

pub(super) async fn parked_streams_are_paged_and_counted(store: &dyn ViewStore) {
    let view = articles();
    let from = live(store, &view).await;
    let states = [ParkedState::Parked, ParkedState::Waiting, ParkedState::Parked];
    let expected: Vec<_> =
        (1..=12).map(|number| parked(number, states[number as usize % 3])).collect();
    park(store, &view, from, &expected).await.expect("parked");
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.parked(&view, 1, after.as_ref(), 5).await.expect("a page");
        assert!(page.len() <= 5);
        let Some(last) = page.last() else { break };
        after = Some(last.stream.clone());
        found.extend(page);
    }
    assert_eq!(found, expected);
    let counts = store.count_parked(&view, 1).await.expect("counts");
    assert_eq!(counts, ParkedCounts { parked: 8, waiting: 4, discarded: 0 });
}

pub(super) async fn each_generation_of_each_view_parks_for_itself(store: &dyn ViewStore) {
    let view = articles();
    let neighbour = super::view(Projection::Articles, "news.sports-1");
    let from = live(store, &view).await;
    let old = park(store, &view, from, &[parked(1, ParkedState::Parked)]).await.expect("parked");
    let there = live(store, &neighbour).await;
    park(store, &neighbour, there, &[parked(2, ParkedState::Parked)]).await.expect("parked");

    let begun = store.begin_rebuild(&view).await.expect("begun");
    assert_eq!((begun.revision, all_parked(store, &view, begun.generation).await), (0, vec![]));
    let put = [parked(3, ParkedState::Waiting)];
    let change = Change { to: old.position, parked: &put, ..Change::default() };
    let built = store.apply(&view, Slot::Building, begun, &change).await.expect("applied");
    store.switch(&view, built).await.expect("switched");
    let state = store.state(&view).await.expect("a state");
    assert_eq!((state.live, state.previous), (built, Some(old)));
    assert_eq!(all_parked(store, &view, built.generation).await, put);
    let back = store.begin_rollback(&view).await.expect("begun").expect("a previous one");
    let begun = Checkpoint { revision: old.revision + 1, ..old };
    assert_eq!((back, all_parked(store, &view, 1).await.len()), (begun, 1));

    // Only records that are no longer needed are dropped.
    for _ in 0..2 {
        let begun = store.begin_rebuild(&view).await.expect("begun");
        let change = Change { to: old.position, ..Change::default() };
        let built = store.apply(&view, Slot::Building, begun, &change).await.expect("applied");
        store.switch(&view, built).await.expect("switched");
    }
    for generation in 1..=2 {
        assert_eq!(all_parked(store, &view, generation).await, []);
    }
    assert_eq!(all_parked(store, &neighbour, 1).await.len(), 1);
}
