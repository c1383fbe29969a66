//! Applies changes.

use futures::future::join_all;
use serde_json::{Value, json};

use super::*;
use crate::view_store::ViewState;

const FIRST: Checkpoint = Checkpoint::first(1);

pub(super) async fn a_new_view_has_an_empty_live_generation(store: &dyn ViewStore) {
    let state = store.state(&articles()).await.expect("a state");
    assert_eq!(state, ViewState { live: FIRST, previous: None, building: None });
    assert_eq!(all(store, &articles(), 1).await, []);
    assert_eq!(list(store, &articles(), &ListFilter::default(), 10).await, []);
}

pub(super) async fn many_may_ask_for_a_new_view_at_once(store: &dyn ViewStore) {
    let view = articles();
    for state in join_all((0..8).map(|_| store.state(&view))).await {
        assert_eq!(state.expect("a state").live, FIRST);
    }
}

pub(super) async fn documents_and_checkpoint_change_together(store: &dyn ViewStore) {
    let view = articles();
    let from = live(store, &view).await;
    let to = step(from, 7);
    let documents = [article(1, 10), article(2, None)];
    let change = Change { to: to.position, documents: &documents, ..Change::default() };
    assert_eq!(store.apply(&view, Slot::Live, from, &change).await.expect("applied"), to);
    assert_eq!(live(store, &view).await, to);
    assert_eq!(all(store, &view, to.generation).await, documents);
    let further = apply(store, &view, Slot::Live, to, &[]).await.expect("applied");
    assert_eq!(live(store, &view).await, further);
    assert_eq!(all(store, &view, to.generation).await, documents);
}

pub(super) async fn a_stale_checkpoint_is_refused_and_nothing_changes(store: &dyn ViewStore) {
    let view = articles();
    let current = put(store, &view, &[article(1, 1)]).await;
    let elsewhere = Checkpoint { generation: 2, ..current };
    let wrong = [
        (Slot::Live, FIRST),
        (Slot::Live, step(current, 1)),
        (Slot::Live, elsewhere),
        (Slot::Building, current),
    ];
    for (slot, from) in wrong {
        for documents in [&[article(2, 2)][..], &[]] {
            let refused = apply(store, &view, slot, from, documents).await;
            assert!(matches!(refused, Err(ApplyError::Moved)), "{slot:?} {from:?}: {refused:?}");
        }
    }
    assert_eq!(live(store, &view).await, current);
    assert_eq!(all(store, &view, 1).await, [article(1, 1)]);
    assert_eq!(all(store, &view, 2).await, []);
}

pub(super) async fn of_two_writers_at_one_checkpoint_exactly_one_wins(store: &dyn ViewStore) {
    let view = articles();
    let mut expected = Vec::new();
    for round in 0..20 {
        let from = live(store, &view).await;
        let (one, other) = ([article(2 * round, 1)], [article(2 * round + 1, 1)]);
        let (first, second) = tokio::join!(
            apply(store, &view, Slot::Live, from, &one),
            apply(store, &view, Slot::Live, from, &other)
        );
        match (first, second) {
            (Ok(_), Err(ApplyError::Moved)) => expected.extend(one),
            (Err(ApplyError::Moved), Ok(_)) => expected.extend(other),
            both => panic!("{both:?}"),
        }
        assert_eq!(live(store, &view).await, step(from, 1));
    }
    assert_eq!(all(store, &view, 1).await, expected);
}

pub(super) async fn a_later_document_replaces_the_earlier(store: &dyn ViewStore) {
    let view = articles();
    put(store, &view, &[article(1, 1), article(2, 2)]).await;
    let retracted =
        Document { version: Version::new(2), body: json!({ "gone": true }), ..article(1, None) };
    let published = Document { version: Version::new(3), ..article(2, 3) };
    put(store, &view, &[retracted.clone(), published.clone()]).await;
    assert_eq!(all(store, &view, 1).await, [retracted, published.clone()]);
    let listed = list(store, &view, &ListFilter::default(), 10).await;
    assert_eq!(numbers(&listed), [2]);
    assert_eq!(listed[0].listed_at, published.listed_at);
}

pub(super) async fn a_body_comes_back_exactly(store: &dyn ViewStore) {
    let body = json!({
        "text": "ä €\u{2028}\u{0} 🗞 \"quoted\" \\ $ .",
        "integers": [0, -1, 1, 2_147_483_648_i64, i64::MIN, i64::MAX],
        "floats": [0.5, -1.25e-9, 1.0],
        "nothing": null, "yes": true, "no": false,
        "empty": { "array": [], "object": {}, "text": "" },
        "deep": [[{ "a": [[{ "b": [null, [1]] }]] }]],
        "time": "2026-11-21T06:00:00.000Z",
        "2": "two", "a.b": 1, "$set": 2, "": 3, "ключ": 4,
        "like": { "$oid": "0123456789abcdef01234567", "other": [{ "$numberLong": "5" }] },
        "date": { "$date": "2026-11-21T06:00:00Z" },
    });
    let document = Document { body, ..article(1, 1) };
    put(store, &articles(), std::slice::from_ref(&document)).await;
    assert_eq!(all(store, &articles(), 1).await, std::slice::from_ref(&document));
    let listed = list(store, &articles(), &ListFilter::default(), 1).await;
    assert_eq!(listed, [document]);
    assert!(listed[0].body["integers"].as_array().is_some_and(|all| all.iter().all(Value::is_i64)));
}

/// More operations, and more bytes, than one MongoDB command can contain.
pub(super) async fn thousands_of_documents_are_applied_at_once(store: &dyn ViewStore) {
    let content = "x".repeat(8_000);
    let large = |number| Document { body: json!({ "content": content }), ..article(number, 1) };
    let documents: Vec<_> = (0..2_500).map(large).collect();
    let to = put(store, &articles(), &documents).await;
    assert_eq!(live(store, &articles()).await, to);
    assert_eq!(all(store, &articles(), 1).await, documents);
}

pub(super) async fn views_do_not_see_each_other(store: &dyn ViewStore) {
    let views = [
        articles(),
        view(Projection::Articles, "news.sports-1"),
        view(Projection::Desk, "news.sports"),
        view(Projection::Users, "user"),
        view(Projection::Front, "front"),
    ];
    for (number, view) in (1..).zip(&views) {
        put(store, view, &[article(number, 1)]).await;
    }
    let begun = store.begin_rebuild(&views[0]).await.expect("begun");
    store.switch(&views[0], begun).await.expect_err("behind");
    for (number, view) in (1..).zip(&views) {
        assert_eq!(numbers(&all(store, view, 1).await), [number]);
        assert_eq!(numbers(&list(store, view, &ListFilter::default(), 10).await), [number]);
        assert_eq!(live(store, view).await, step(FIRST, 1));
    }
}

pub(super) async fn who_waits_is_told_where_the_live_view_was_moved(store: &dyn ViewStore) {
    let view = articles();
    let mut moves = store.moves(&view);
    assert_eq!(*moves.borrow_and_update(), None);
    put(store, &super::view(Projection::Desk, "news.sports"), &[article(1, 1)]).await;
    let begun = store.begin_rebuild(&view).await.expect("begun");
    apply(store, &view, Slot::Building, begun, &[]).await.expect("applied");
    assert!(!moves.has_changed().expect("open"), "that was another one");
    let to = put(store, &view, &[article(1, 1)]).await;
    assert_eq!(moves.borrow_and_update().map(|moved| moved.to), Some(to));
}
