//! Contract tests of the reading store, run against each adapter.

use events::readings::Reading;
use events::{ArticleId, Position, Timestamp, UserId};
use futures::future::join_all;
use uuid::Uuid;

use super::{MostRead, Profile, Reader, ReadingStore, expire, rebuild};
use crate::view_store::contract::{mongodb, sqlite};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

fn user(number: u128) -> UserId {
    UserId(Uuid::from_u128(number))
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// Characters that are special in a document key and valid in a label.
const TAG: &str = "a.b $c \u{0} \"ä\"";

fn reading(by: u128, of: u128, millis: i64) -> Reading {
    let category = "sports".parse().expect("a category");
    let article = ArticleId(Uuid::from_u128(of));
    Reading::new(user(by), article, category, &[TAG.to_owned()], at(millis))
}

async fn record(store: &dyn ReadingStore, readings: &[Reading]) {
    store.record(readings).await.expect("recorded");
}

async fn profile(store: &dyn ReadingStore, of: u128) -> Profile {
    store.reader(user(of)).await.expect("a reader").profile
}

async fn readers_of(store: &dyn ReadingStore, label: &str) -> Vec<UserId> {
    store.readers_of(label, None, 100).await.expect("readers")
}

async fn a_reading_counts_once_however_often_it_comes(store: &dyn ReadingStore) {
    assert_eq!(store.reader(user(1)).await.expect("nobody"), Reader::default());
    let (first, again) = (reading(1, 1, MINUTE), reading(1, 1, 2 * MINUTE));
    record(store, &[first.clone(), again.clone()]).await;
    record(store, &[again, first.clone(), reading(2, 1, MINUTE)]).await;
    assert_eq!(profile(store, 1).await, Profile::default().with([&first]));
    let an_hour_later = reading(1, 1, HOUR);
    record(store, std::slice::from_ref(&an_hour_later)).await;
    let both = Profile::default().with([&first, &an_hour_later]);
    assert_eq!(profile(store, 1).await, both);
    let names: Vec<_> = both.labels.iter().map(|label| label.label.as_str()).collect();
    assert_eq!(names, [TAG, "sports"]);
}

async fn many_may_record_at_the_same_time(store: &dyn ReadingStore) {
    let batch = |batch: u128| (0..20).map(move |of| reading(of % 3, 100 * batch + of, MINUTE));
    let batches: Vec<Vec<_>> = (0..8).map(|number| batch(number).collect()).collect();
    for done in join_all(batches.iter().map(|batch| store.record(batch))).await {
        done.expect("recorded");
    }
    for number in 0..3 {
        let of_user = batches.iter().flatten().filter(|reading| reading.user_id == user(number));
        assert_eq!(profile(store, number).await, Profile::default().with(of_user));
    }
}

async fn a_label_names_its_users_page_by_page(store: &dyn ReadingStore) {
    let readings: Vec<_> = (1..=5).map(|by| reading(by, 1, MINUTE)).collect();
    record(store, &readings).await;
    assert_eq!(readers_of(store, TAG).await, [1, 2, 3, 4, 5].map(user));
    assert_eq!(readers_of(store, "weather").await, []);
    let page = store.readers_of("sports", Some(user(2)), 2).await.expect("readers");
    assert_eq!(page, [3, 4].map(user));
}

async fn what_is_most_read_counts_users_within_a_time(store: &dyn ReadingStore) {
    let category = "politics".parse().expect("a category");
    let readings = [
        reading(1, 1, HOUR),
        reading(1, 1, 3 * HOUR - 1),
        Reading { category, ..reading(2, 1, 2 * HOUR) },
        reading(3, 2, HOUR),
        reading(1, 3, 2 * HOUR),
        reading(4, 2, 5 * HOUR),
    ];
    record(store, &readings).await;
    let most_read = async |from, to, limit| {
        let most_read = store.most_read(at(from), at(to), limit).await.expect("articles");
        let told =
            |one: MostRead| (one.article_id.0.as_u128(), one.category.to_string(), one.readers);
        most_read.into_iter().map(told).collect::<Vec<_>>()
    };
    let sports = || "sports".to_owned();
    let all = [(2, sports(), 2), (1, sports(), 2), (3, sports(), 1)];
    assert_eq!(most_read(0, 5 * HOUR, 10).await, all);
    assert_eq!(most_read(0, 5 * HOUR, 1).await, all[..1]);
    let until_two = [(1, "politics".to_owned(), 2), (3, sports(), 1), (2, sports(), 1)];
    assert_eq!(most_read(0, 2 * HOUR, 10).await, until_two);
    assert_eq!(most_read(3 * HOUR, 5 * HOUR, 10).await, [(2, sports(), 1)]);
    assert_eq!(most_read(5 * HOUR, 6 * HOUR, 10).await, []);
}

async fn what_is_forgotten_is_gone_and_does_not_come_back(store: &dyn ReadingStore) {
    let (before, after) = (reading(1, 1, HOUR), reading(1, 2, 2 * HOUR));
    record(store, &[before.clone(), after.clone(), reading(2, 1, HOUR)]).await;
    let forget = async |up_to, by| {
        store.forget(user(1), up_to, Position::new(by)).await.expect("forgotten");
    };
    forget(at(HOUR), 7).await;
    assert_eq!(profile(store, 1).await, Profile::default().with([&after]));
    record(store, &[before, reading(1, 3, HOUR - 1)]).await;
    assert_eq!(profile(store, 1).await, Profile::default().with([&after]), "late");

    // The event with the later position counts, in any order of arrival.
    forget(Timestamp::END, 9).await;
    forget(at(2 * HOUR), 8).await;
    assert_eq!(profile(store, 1).await, Profile::default());
    record(store, &[reading(1, 4, 9 * HOUR)]).await;
    assert_eq!(profile(store, 1).await, Profile::default());
    assert_eq!(readers_of(store, "sports").await, [user(2)]);
    let most_read = store.most_read(at(0), Timestamp::END, 10).await.expect("articles");
    assert_eq!((most_read.len(), most_read[0].readers), (1, 1));

    forget(at(10 * HOUR), 10).await;
    let new = reading(1, 4, 11 * HOUR);
    record(store, std::slice::from_ref(&new)).await;
    assert_eq!(profile(store, 1).await, Profile::default().with([&new]));
}

async fn to_forget_while_it_is_read_leaves_nothing(store: &dyn ReadingStore) {
    let read = async {
        for number in 0..20 {
            record(store, &[reading(1, number, HOUR)]).await;
        }
    };
    let forget = store.forget(user(1), Timestamp::END, Position::new(1));
    let ((), forgotten) = tokio::join!(read, forget);
    forgotten.expect("forgotten");
    assert_eq!(profile(store, 1).await, Profile::default());
    assert_eq!(store.most_read(at(0), Timestamp::END, 10).await.expect("articles"), []);
}

async fn profiles_are_made_again_from_what_is_kept(store: &dyn ReadingStore) {
    let readings = [reading(1, 1, HOUR), reading(1, 2, 3 * HOUR), reading(2, 1, HOUR)];
    record(store, &readings).await;
    store.forget(user(3), Timestamp::END, Position::new(1)).await.expect("forgotten");
    assert_eq!(rebuild(store, at(0)).await.expect("rebuilt"), 3);
    assert_eq!(profile(store, 1).await, Profile::default().with(&readings[..2]));
    assert_eq!(rebuild(store, at(2 * HOUR)).await.expect("rebuilt"), 3);
    assert_eq!(profile(store, 1).await, Profile::default().with([&readings[1]]));
    assert_eq!(profile(store, 2).await, Profile::default());
    assert_eq!(readers_of(store, "sports").await, [user(1)]);
    let forgotten = store.reader(user(3)).await.expect("a reader");
    assert_eq!(forgotten.forgotten_until, Some(Timestamp::END), "still");
}

async fn of_who_stops_reading_nothing_is_left(store: &dyn ReadingStore) {
    let readings = [reading(1, 1, HOUR), reading(1, 2, 3 * HOUR), reading(2, 1, HOUR + 1)];
    record(store, &readings).await;
    assert_eq!(store.expired(at(HOUR), 10).await.expect("users"), []);
    assert_eq!(store.expired(at(2 * HOUR), 1).await.expect("users"), [user(1)], "the oldest");
    expire(store, at(2 * HOUR)).await.expect("expired");
    assert_eq!(profile(store, 1).await, Profile::default().with([&readings[1]]));
    assert_eq!(profile(store, 2).await, Profile::default());
    assert_eq!(readers_of(store, TAG).await, [user(1)]);
    assert_eq!(store.expired(at(2 * HOUR), 10).await.expect("users"), []);
    let most_read = store.most_read(at(0), at(2 * HOUR), 10).await.expect("articles");
    assert_eq!(most_read, []);
}

async fn a_clock_that_is_ahead_hides_nothing_from_forgetting(store: &dyn ReadingStore) {
    let forgotten = at(HOUR);
    let five_seconds_later = HOUR + 5_000;
    let ahead = reading(1, 1, five_seconds_later);
    let after = reading(1, 2, five_seconds_later + 1);
    record(store, &[ahead, after.clone()]).await;
    store.forget(user(1), forgotten, Position::new(1)).await.expect("forgotten");
    record(store, &[reading(1, 3, five_seconds_later)]).await;
    assert_eq!(profile(store, 1).await, Profile::default().with([&after]));
    let known = store.reader(user(1)).await.expect("a reader");
    assert_eq!(known.forgotten_until, Some(forgotten), "to be compared with the log's");
}

async fn the_log_is_followed_forwards_only(store: &dyn ReadingStore) {
    assert_eq!(store.followed().await.expect("a position"), Position::START);
    for (to, at) in [(7, 7), (5, 7), (9, 9)] {
        store.follow(Position::new(to)).await.expect("followed");
        assert_eq!(store.followed().await.expect("a position"), Position::new(at));
    }
}

macro_rules! contract {
    ($($promise:ident)*) => {
        mod sqlite_store {
            $(#[tokio::test] async fn $promise() {
                let (store, _folder) = super::sqlite().await;
                super::$promise(&store).await;
            })*
        }
        mod mongodb_store {
            $(#[tokio::test] async fn $promise() {
                let (store, database) = super::mongodb().await;
                super::$promise(&store).await;
                database.drop().await.expect("dropped");
            })*
        }
    };
}

contract! {
    a_reading_counts_once_however_often_it_comes
    many_may_record_at_the_same_time
    a_label_names_its_users_page_by_page
    what_is_most_read_counts_users_within_a_time
    what_is_forgotten_is_gone_and_does_not_come_back
    to_forget_while_it_is_read_leaves_nothing
    profiles_are_made_again_from_what_is_kept
    of_who_stops_reading_nothing_is_left
    a_clock_that_is_ahead_hides_nothing_from_forgetting
    the_log_is_followed_forwards_only
}
