//! Loads a generation in bulk.

use futures::future::join_all;

use super::*;

fn is_moved(loaded: &Result<(), ApplyError>) -> bool {
    matches!(loaded, Err(ApplyError::Moved))
}

pub(super) async fn what_is_loaded_is_there_when_the_checkpoint_has_moved(store: &dyn ViewStore) {
    let view = articles();
    put(store, &view, &[article(1, 1)]).await;
    let begun = store.begin_rebuild(&view).await.expect("begun");
    store.load(&view, begun, &[article(2, 7), article(1, 5)]).await.expect("loaded");
    store.load(&view, begun, &[]).await.expect("nothing to load");
    store.load(&view, begun, &[article(3, None)]).await.expect("loaded");
    assert_eq!(store.state(&view).await.expect("a state").building, Some(begun));
    assert!(matches!(store.switch(&view, begun).await, Err(ApplyError::Moved)), "not complete");
    assert_eq!(numbers(&list(store, &view, &ListFilter::default(), 10).await), [1]);

    let complete = apply(store, &view, Slot::Building, begun, &[]).await.expect("complete");
    store.switch(&view, complete).await.expect("switched");
    let loaded = [article(1, 5), article(2, 7), article(3, None)];
    assert_eq!(all(store, &view, begun.generation).await, loaded);
    assert_eq!(numbers(&list(store, &view, &ListFilter::default(), 10).await), [2, 1]);
    put(store, &view, &[article(1, 9)]).await;
    assert_eq!(numbers(&list(store, &view, &ListFilter::default(), 10).await), [1, 2]);
}

pub(super) async fn many_load_at_the_same_time(store: &dyn ViewStore) {
    let views = [articles(), view(Projection::Desk, "news.sports")];
    let begun = join_all(views.iter().map(|view| store.begin_rebuild(view))).await;
    let begun: Vec<_> = begun.into_iter().map(|begun| begun.expect("begun")).collect();
    let loads = (0..20_u128).map(|load| {
        let (view, begun) = (&views[usize::from(load % 2 == 1)], begun[usize::from(load % 2 == 1)]);
        let documents: Vec<_> = (0..150).map(|number| article(load * 1_000 + number, 1)).collect();
        async move { store.load(view, begun, &documents).await }
    });
    for loaded in join_all(loads).await {
        loaded.expect("loaded");
    }
    for (view, begun) in views.iter().zip(begun) {
        assert_eq!(all(store, view, begun.generation).await.len(), 1_500);
    }
}

pub(super) async fn what_broke_off_is_gone_when_the_next_rebuild_begins(store: &dyn ViewStore) {
    let view = articles();
    put(store, &view, &[article(1, 1)]).await;
    let first = store.begin_rebuild(&view).await.expect("begun");
    store.load(&view, first, &[article(2, 2)]).await.expect("loaded");
    let second = store.begin_rebuild(&view).await.expect("begun");
    assert_eq!(all(store, &view, first.generation).await, []);
    assert_eq!(all(store, &view, second.generation).await, []);
    store.load(&view, second, &[article(2, 2)]).await.expect("loaded");
    assert_eq!(numbers(&all(store, &view, second.generation).await), [2]);
    assert_eq!(numbers(&all(store, &view, 1).await), [1]);
}

pub(super) async fn who_was_superseded_loads_nothing(store: &dyn ViewStore) {
    let view = articles();
    let first = store.begin_rebuild(&view).await.expect("begun");
    let second = store.begin_rebuild(&view).await.expect("begun");
    assert!(is_moved(&store.load(&view, first, &[article(1, 1)]).await));
    assert!(is_moved(&store.load(&view, first, &[]).await));
    assert_eq!(all(store, &view, first.generation).await, []);
    assert_eq!(all(store, &view, second.generation).await, []);
}

pub(super) async fn what_is_complete_or_live_or_on_its_way_back_takes_no_load(
    store: &dyn ViewStore,
) {
    let view = articles();
    let old = put(store, &view, &[article(1, 1)]).await;
    let begun = store.begin_rebuild(&view).await.expect("begun");
    store.load(&view, begun, &[article(1, 1)]).await.expect("loaded");
    let complete = apply(store, &view, Slot::Building, begun, &[]).await.expect("complete");
    let refused = async |building| is_moved(&store.load(&view, building, &[article(9, 9)]).await);
    assert!(refused(begun).await && refused(complete).await, "complete");
    store.switch(&view, complete).await.expect("switched");
    assert!(refused(begun).await && refused(complete).await, "live");
    assert!(refused(old).await, "previous");
    store.begin_rollback(&view).await.expect("begun");
    assert!(refused(old).await, "on its way back");
    assert_eq!(numbers(&all(store, &view, 1).await), [1]);
    assert_eq!(numbers(&all(store, &view, begun.generation).await), [1]);
}
