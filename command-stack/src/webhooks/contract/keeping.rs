//! Storing subscriptions and their deliveries.

use events::Position;
use futures::future::join_all;

use super::fixture::Fixture;
use crate::webhooks::Webhook;
use crate::webhooks::store::{Created, DELIVERIES_KEPT, MOST_WEBHOOKS};
use crate::webhooks::tests::{delivery, webhook};

async fn created(on: &Fixture, webhook: &Webhook) -> Webhook {
    assert!(matches!(on.webhooks.create(webhook).await.expect("create"), Created::New));
    found(on, webhook).await.expect("it was kept")
}

async fn found(on: &Fixture, webhook: &Webhook) -> Option<Webhook> {
    on.webhooks.find(webhook.id).await.expect("find")
}

pub(super) async fn a_subscription_is_kept_as_it_was_made_and_once(on: &Fixture) {
    let (first, second) = (webhook(), webhook());
    let kept = created(on, &first).await;
    assert_eq!(
        serde_json::to_value(&kept).expect("JSON"),
        serde_json::to_value(&first).expect("JSON")
    );
    created(on, &second).await;
    let again = Webhook { url: "https://example.org/other".to_owned(), ..first.clone() };
    match on.webhooks.create(&again).await.expect("create") {
        Created::Before(before) => assert_eq!(before.url, first.url),
        Created::New | Created::TooMany => panic!("it was there before"),
    }
    let all = on.webhooks.list().await.expect("list");
    assert_eq!(all.iter().map(|webhook| webhook.id).collect::<Vec<_>>(), [first.id, second.id]);
}

pub(super) async fn of_many_who_change_the_same_state_exactly_one_does(on: &Fixture) {
    let kept = created(on, &webhook()).await;
    let changes: Vec<_> = (20..30).map(|at| kept.clone().past(Position::new(at))).collect();
    let saved = join_all(changes.iter().map(|changed| on.webhooks.save(changed, None))).await;
    let saved: Vec<_> = saved.into_iter().map(|saved| saved.expect("save")).collect();
    assert_eq!(saved.iter().filter(|saved| **saved).count(), 1);
    let winner = saved.iter().position(|saved| *saved).expect("one");
    let now = found(on, &kept).await.expect("it is there");
    assert_eq!(now.position, changes[winner].position);
    assert!(on.webhooks.save(&now, None).await.expect("save"), "who has read it may change it");
}

pub(super) async fn a_delivery_is_remembered_only_with_the_state_that_follows_from_it(
    on: &Fixture,
) {
    let kept = created(on, &webhook()).await;
    let delivered = delivery(1, 12, Some(204), 0);
    assert!(on.webhooks.save(&kept, Some(&delivered)).await.expect("save"));
    // This state has been changed meanwhile.
    let late = delivery(2, 13, Some(204), 0);
    assert!(!on.webhooks.save(&kept, Some(&late)).await.expect("save"));
    let all = on.webhooks.deliveries(kept.id, i64::MAX, 100).await.expect("deliveries");
    assert_eq!(all, [delivered]);
}

pub(super) async fn only_the_newest_deliveries_are_remembered(on: &Fixture) {
    let kept = created(on, &webhook()).await;
    // Only the ends: the slot of a delivery is reused after `DELIVERIES_KEPT` deliveries.
    for number in [1, 2, 3, DELIVERIES_KEPT, DELIVERIES_KEPT + 1, DELIVERIES_KEPT + 2] {
        let now = found(on, &kept).await.expect("it is there");
        let delivered = delivery(number, 12, Some(204), 0);
        assert!(on.webhooks.save(&now, Some(&delivered)).await.expect("save"));
    }
    let numbers = async |below, limit| -> Vec<_> {
        let page = on.webhooks.deliveries(kept.id, below, limit).await.expect("deliveries");
        page.iter().map(|delivery| delivery.number - DELIVERIES_KEPT).collect()
    };
    assert_eq!(numbers(i64::MAX, 100).await, [2, 1, 0, 3 - DELIVERIES_KEPT]);
    assert_eq!(numbers(DELIVERIES_KEPT + 1, 1).await, [0]);
}

pub(super) async fn of_a_subscription_that_is_deleted_nothing_is_left(on: &Fixture) {
    let kept = created(on, &webhook()).await;
    let delivered = delivery(1, 12, Some(204), 0);
    assert!(on.webhooks.save(&kept, Some(&delivered)).await.expect("save"));
    let now = found(on, &kept).await.expect("it is there");
    assert!(on.webhooks.delete(kept.id).await.expect("delete"));
    assert!(!on.webhooks.delete(kept.id).await.expect("delete"));
    // A delivery that was running during the deletion.
    assert!(!on.webhooks.save(&now, Some(&delivered)).await.expect("save"));
    assert!(found(on, &kept).await.is_none());
    let all = on.webhooks.deliveries(kept.id, i64::MAX, 100).await.expect("deliveries");
    assert_eq!(all, []);
}

pub(super) async fn there_are_never_too_many(on: &Fixture) {
    for _ in 0..MOST_WEBHOOKS {
        created(on, &webhook()).await;
    }
    let more = on.webhooks.create(&webhook()).await.expect("create");
    assert!(matches!(more, Created::TooMany));
}
