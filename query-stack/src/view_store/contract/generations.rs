//! Rebuilds, switches and rollbacks.

use futures::future::join_all;

use super::*;

fn moved<T: std::fmt::Debug>(result: Result<T, ApplyError>) -> bool {
    matches!(result, Err(ApplyError::Moved))
}

/// A rebuild with these documents that has caught up with the live generation.
async fn rebuilt(store: &dyn ViewStore, view: &View, documents: &[Document]) -> Checkpoint {
    let begun = store.begin_rebuild(view).await.expect("begun");
    let to = step(begun, live(store, view).await.position.get() + 1);
    let change = Change { to: to.position, documents, ..Change::default() };
    store.apply(view, Slot::Building, begun, &change).await.expect("applied")
}

pub(super) async fn nobody_sees_a_rebuild_before_the_switch(store: &dyn ViewStore) {
    let view = articles();
    let old = put(store, &view, &[article(1, 1)]).await;
    let building = rebuilt(store, &view, &[article(1, 5), article(2, 6)]).await;
    assert_eq!(building.generation, 2);
    let state = store.state(&view).await.expect("a state");
    assert_eq!((state.live, state.building, state.previous), (old, Some(building), None));
    assert_eq!(numbers(&list(store, &view, &ListFilter::default(), 10).await), [1]);
    store.switch(&view, building).await.expect("switched");
    let state = store.state(&view).await.expect("a state");
    assert_eq!((state.live, state.building, state.previous), (building, None, Some(old)));
    assert_eq!(numbers(&list(store, &view, &ListFilter::default(), 10).await), [2, 1]);
    assert_eq!(all(store, &view, 1).await, [article(1, 1)]);
}

pub(super) async fn a_switch_waits_until_the_rebuild_has_caught_up(store: &dyn ViewStore) {
    let view = articles();
    let building = rebuilt(store, &view, &[article(1, 1)]).await;
    let old = put(store, &view, &[article(1, 1)]).await;
    let old = apply(store, &view, Slot::Live, old, &[article(2, 2)]).await.expect("applied");
    assert!(moved(store.switch(&view, building).await));
    assert!(moved(store.switch(&view, step(building, 1)).await));
    let state = store.state(&view).await.expect("a state");
    assert_eq!((state.live, state.building, state.previous), (old, Some(building), None));
    let caught_up =
        apply(store, &view, Slot::Building, building, &[article(2, 2)]).await.expect("applied");
    assert!(moved(store.switch(&view, building).await));
    store.switch(&view, caught_up).await.expect("switched");
    assert!(moved(store.switch(&view, caught_up).await));
    assert_eq!(live(store, &view).await, caught_up);
}

pub(super) async fn after_a_switch_the_old_generation_takes_no_writes(store: &dyn ViewStore) {
    let view = articles();
    let old = put(store, &view, &[article(1, 1)]).await;
    let building = rebuilt(store, &view, &[article(1, 1)]).await;
    store.switch(&view, building).await.expect("switched");
    for slot in [Slot::Live, Slot::Building] {
        assert!(moved(apply(store, &view, slot, old, &[article(2, 2)]).await));
    }
    assert!(moved(apply(store, &view, Slot::Building, building, &[article(2, 2)]).await));
    assert_eq!(numbers(&all(store, &view, 1).await), [1]);
    apply(store, &view, Slot::Live, building, &[article(2, 2)]).await.expect("applied");
    assert_eq!(numbers(&all(store, &view, 2).await), [1, 2]);
}

pub(super) async fn a_second_rebuild_throws_the_first_out(store: &dyn ViewStore) {
    let view = articles();
    let first = rebuilt(store, &view, &[article(1, 1)]).await;
    let second = store.begin_rebuild(&view).await.expect("begun");
    assert_eq!(second, Checkpoint::first(3));
    for documents in [&[article(2, 2)][..], &[]] {
        assert!(moved(apply(store, &view, Slot::Building, first, documents).await));
    }
    assert!(moved(store.switch(&view, first).await));
    assert_eq!(all(store, &view, first.generation).await, []);
    assert_eq!(store.state(&view).await.expect("a state").building, Some(second));
    store.switch(&view, second).await.expect("an empty view is caught up");
    assert_eq!(live(store, &view).await, second);
}

pub(super) async fn rebuilds_that_begin_at_once_get_generations_of_their_own(
    store: &dyn ViewStore,
) {
    let view = articles();
    let begun = join_all((0..4).map(|_| store.begin_rebuild(&view))).await;
    let mut generations: Vec<_> =
        begun.into_iter().map(|begun| begun.expect("begun").generation).collect();
    generations.sort_unstable();
    assert_eq!(generations, [2, 3, 4, 5]);
    let building = store.state(&view).await.expect("a state").building;
    assert_eq!(building, Some(Checkpoint::first(5)));
}

pub(super) async fn a_rollback_brings_the_previous_generation_back(store: &dyn ViewStore) {
    let view = articles();
    let good = put(store, &view, &[article(1, 1)]).await;
    let bad = rebuilt(store, &view, &[article(9, 9)]).await;
    store.switch(&view, bad).await.expect("switched");
    let back = store.begin_rollback(&view).await.expect("begun");
    // An interrupted one may have parked streams, so its successor must load them.
    let begun = Checkpoint { revision: good.revision + 1, ..good };
    assert_eq!(back, Some(begun));
    let state = store.state(&view).await.expect("a state");
    let (building, previous) = (state.building, state.previous);
    assert_eq!((state.live, building, previous), (bad, Some(begun), Some(good)));
    let again = store.begin_rollback(&view).await.expect("begun");
    assert_eq!(again, Some(begun), "an interrupted rollback can be begun again");
    assert!(moved(store.switch(&view, begun).await), "it has to catch up first");
    let caught_up =
        apply(store, &view, Slot::Building, begun, &[article(2, 2)]).await.expect("applied");
    store.switch(&view, caught_up).await.expect("switched");
    let state = store.state(&view).await.expect("a state");
    assert_eq!((state.live, state.building, state.previous), (caught_up, None, Some(bad)));
    assert_eq!(numbers(&list(store, &view, &ListFilter::default(), 10).await), [2, 1]);
    let next = store.begin_rebuild(&view).await.expect("begun");
    assert_eq!(next.generation, 3, "a number is never used twice");
}

pub(super) async fn without_a_previous_generation_there_is_no_rollback(store: &dyn ViewStore) {
    let view = articles();
    assert_eq!(store.begin_rollback(&view).await.expect("an answer"), None);
    let building = rebuilt(store, &view, &[article(1, 1)]).await;
    assert_eq!(store.begin_rollback(&view).await.expect("an answer"), None);
    assert_eq!(store.state(&view).await.expect("a state").building, Some(building));
}

pub(super) async fn a_generation_that_nobody_needs_is_dropped(store: &dyn ViewStore) {
    let view = articles();
    put(store, &view, &[article(1, 1)]).await;
    let neighbour = super::view(Projection::Articles, "news.sports-1");
    put(store, &neighbour, &[article(1, 1)]).await;
    for _ in 0..2 {
        let building = rebuilt(store, &view, &[article(2, 2)]).await;
        store.switch(&view, building).await.expect("switched");
    }
    let abandoned = rebuilt(store, &view, &[article(3, 3)]).await;
    store.begin_rollback(&view).await.expect("begun");
    assert_eq!(all(store, &view, 1).await, []);
    assert_eq!(all(store, &view, abandoned.generation).await, []);
    assert_eq!(numbers(&all(store, &view, 2).await), [2]);
    assert_eq!(numbers(&all(store, &view, 3).await), [2]);
    assert_eq!(numbers(&all(store, &neighbour, 1).await), [1]);
}
