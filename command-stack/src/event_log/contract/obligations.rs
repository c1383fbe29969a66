//! What the log obliges the portal to do is found in the log, and gone from it once it is done.

use events::news::{
    ArticleArchived, ArticleDrafted, ArticleMovedIn, ArticleMovedOut, ArticlePublished,
    ArticleScheduled, ArticleStatus, ArticleText, ArticleUnscheduled, NewsEvent,
};
use events::personal::{PersonalText, UserKey};
use events::user::{UserErased, UserEvent, UserRegistered};
use events::{ArticleId, Category, DomainEvent, Position, StreamId, Timestamp, UserId, Version};
use uuid::Uuid;

use super::super::{Duty, Obligation, StreamAppend};
use super::fixture::{Fixture, append};
use crate::accounts::NewAccount;
use crate::email_digest::EmailDigest;

fn category(name: &str) -> Category {
    name.parse().expect("a category")
}

fn text() -> ArticleText {
    ArticleText { title: "A".to_owned(), content: "Text.".to_owned(), ..Default::default() }
}

pub(super) fn drafted(author: Option<UserId>) -> NewsEvent {
    let (category, text) = (category("sports"), text());
    NewsEvent::Drafted(ArticleDrafted { category, text, author_id: author })
}

pub(super) fn scheduled(at: i64) -> NewsEvent {
    let publish_at = Timestamp::from_millis(at);
    NewsEvent::Scheduled(ArticleScheduled { category: category("sports"), publish_at })
}

fn unscheduled() -> NewsEvent {
    NewsEvent::Unscheduled(ArticleUnscheduled { category: category("sports") })
}

fn published(author: Option<UserId>) -> NewsEvent {
    NewsEvent::Published(ArticlePublished {
        category: category("sports"),
        text: text(),
        author_id: author,
        drafted_at: None,
        scheduled_for: None,
        first_published_at: None,
    })
}

fn archived() -> NewsEvent {
    NewsEvent::Archived(ArticleArchived { category: category("sports") })
}

fn moved(author: Option<UserId>, publish_at: Option<i64>) -> [NewsEvent; 2] {
    let (from, to) = (category("sports"), category("politics"));
    let moved_out = ArticleMovedOut { category: from.clone(), to: to.clone() };
    let moved_in = ArticleMovedIn {
        category: to,
        from,
        status: publish_at.map_or(ArticleStatus::Draft, |_| ArticleStatus::Scheduled),
        text: text(),
        author_id: author,
        created_at: Timestamp::from_millis(1),
        published_at: None,
        publish_at: publish_at.map(Timestamp::from_millis),
        embargo_until: None,
        corrections: Vec::new(),
    };
    [NewsEvent::MovedOut(moved_out), NewsEvent::MovedIn(Box::new(moved_in))]
}

/// The position of the last of them.
async fn record<E: Into<DomainEvent>>(
    on: &Fixture,
    stream_id: StreamId,
    events: impl IntoIterator<Item = E>,
) -> Position {
    let before = on.log.read_stream(&stream_id).await.expect("read");
    let expected = before.last().map_or(Version::NONE, |event| event.version);
    let encoded = events.into_iter().map(|event| event.into().encode().expect("JSON"));
    let part = StreamAppend { stream_id, expected, events: encoded.collect() };
    on.log.append(append(vec![part])).await.expect("append").position
}

/// A new article with these events.
pub(super) async fn article(
    on: &Fixture,
    events: impl IntoIterator<Item = NewsEvent>,
) -> ArticleId {
    let article = ArticleId(Uuid::now_v7());
    record(on, article.into(), events).await;
    article
}

async fn then(on: &Fixture, article: ArticleId, events: impl IntoIterator<Item = NewsEvent>) {
    record(on, article.into(), events).await;
}

async fn register(on: &Fixture) -> UserId {
    let user = UserId(Uuid::now_v7());
    let key = UserKey::new([7; 32]);
    let registered = UserRegistered { name: key.seal(user, "Ada"), email: None::<PersonalText> };
    let email = EmailDigest::of(&user.to_string());
    let account = NewAccount { user, key, email, password_hash: "$argon2id$".to_owned() };
    let opened = on.accounts().open(&account, None, Timestamp::from_millis(0)).await;
    assert_eq!(opened.expect("open"), None);
    record(on, user.into(), [UserEvent::Registered(registered)]).await;
    user
}

pub(super) async fn erase(on: &Fixture, user: UserId) -> Position {
    record(on, user.into(), [UserEvent::Erased(UserErased {})]).await
}

async fn obligations(on: &Fixture, after: Position) -> Vec<Obligation> {
    on.twin.obligations(after).await.expect("read")
}

async fn duties(on: &Fixture) -> Vec<Duty> {
    let all = obligations(on, Position::START).await;
    let mut duties: Vec<_> = all.into_iter().map(|obligation| obligation.what).collect();
    duties.sort_unstable();
    duties
}

fn publish(article: ArticleId, planned: i64) -> Duty {
    Duty::Publish { article, planned: Timestamp::from_millis(planned) }
}

pub(super) async fn an_open_schedule_is_told_with_its_time_until_it_is_withdrawn_or_carried_out(
    on: &Fixture,
) {
    let time = 1_800_000_000_123;
    let open = article(on, [drafted(None), scheduled(time)]).await;
    let withdrawn = article(on, [drafted(None), scheduled(time + 1)]).await;
    let done = article(on, [drafted(None), scheduled(time + 2)]).await;
    article(on, [drafted(None)]).await;
    article(on, [published(None)]).await;
    let all = [publish(open, time), publish(withdrawn, time + 1), publish(done, time + 2)];
    assert_eq!(duties(on).await, all);
    then(on, withdrawn, [unscheduled()]).await;
    assert_eq!(duties(on).await, [publish(open, time), publish(done, time + 2)]);
    then(on, done, [published(None)]).await;
    assert_eq!(duties(on).await, [publish(open, time)]);
    let asked = obligations(on, Position::START).await;
    assert_eq!(asked[0].position, Position::new(2), "where the schedule stands in the log");
}

pub(super) async fn of_several_schedules_only_the_newest_is_told(on: &Fixture) {
    let again = article(on, [drafted(None), scheduled(1_000), scheduled(3_000)]).await;
    let earlier = article(on, [drafted(None), scheduled(2_000)]).await;
    then(on, earlier, [scheduled(500)]).await;
    let anew = article(on, [drafted(None), scheduled(4_000), unscheduled()]).await;
    assert_eq!(duties(on).await, [publish(again, 3_000), publish(earlier, 500)]);
    then(on, anew, [scheduled(4_000)]).await;
    let all = [publish(again, 3_000), publish(earlier, 500), publish(anew, 4_000)];
    assert_eq!(duties(on).await, all);
}

pub(super) async fn a_schedule_outlives_a_move_to_another_category(on: &Fixture) {
    let elsewhere = article(on, [drafted(None), scheduled(1_000)]).await;
    then(on, elsewhere, moved(None, Some(1_000))).await;
    assert_eq!(duties(on).await, [publish(elsewhere, 1_000)]);
    then(on, elsewhere, [unscheduled()]).await;
    assert_eq!(duties(on).await, []);
}

pub(super) async fn an_erased_user_is_told_until_the_key_is_gone(on: &Fixture) {
    let (ada, eve, bob) = (register(on).await, register(on).await, register(on).await);
    assert_eq!(duties(on).await, []);
    let position = erase(on, ada).await;
    erase(on, bob).await;
    let told = obligations(on, Position::START).await;
    assert!(told.contains(&Obligation { position, what: Duty::Forget { user: ada } }), "{told:?}");
    assert_eq!(duties(on).await, [Duty::Forget { user: ada }, Duty::Forget { user: bob }]);
    on.accounts().destroy(ada).await.expect("destroy");
    assert_eq!(duties(on).await, [Duty::Forget { user: bob }]);
    on.accounts().destroy(eve).await.expect("destroy");
    assert_eq!(duties(on).await, [Duty::Forget { user: bob }], "nobody erased eve");
}

pub(super) async fn drafts_of_an_erased_author_are_told_until_they_are_archived_or_published(
    on: &Fixture,
) {
    let (ada, eve) = (UserId(Uuid::now_v7()), UserId(Uuid::now_v7()));
    let first = article(on, [drafted(Some(ada))]).await;
    let second = article(on, [drafted(Some(ada))]).await;
    then(on, second, moved(Some(ada), None)).await;
    for others in [drafted(Some(eve)), drafted(None), published(Some(ada))] {
        article(on, [others]).await;
    }
    article(on, [drafted(Some(ada)), published(Some(ada))]).await;
    article(on, [drafted(Some(ada)), archived()]).await;
    assert_eq!(duties(on).await, []);
    erase(on, ada).await;
    let archive = |article| Duty::Archive { article };
    assert_eq!(duties(on).await, [archive(first), archive(second)]);
    let late = article(on, [drafted(Some(ada))]).await;
    assert_eq!(duties(on).await, [archive(first), archive(second), archive(late)]);
    then(on, first, [archived()]).await;
    then(on, second, [published(Some(ada))]).await;
    assert_eq!(duties(on).await, [archive(late)]);
}

pub(super) async fn what_was_asked_for_up_to_a_position_is_left_out_after_it(on: &Fixture) {
    let (ada, eve) = (register(on).await, register(on).await);
    let of_ada = article(on, [drafted(Some(ada)), scheduled(1_000)]).await;
    let of_eve = article(on, [drafted(Some(eve)), scheduled(2_000)]).await;
    erase(on, ada).await;
    erase(on, eve).await;
    let mut left = obligations(on, Position::START).await;
    left.sort_unstable_by_key(|obligation| (obligation.position, obligation.what));
    let archive = |article| Duty::Archive { article };
    let forget = |user| Duty::Forget { user };
    let all = [
        (4, publish(of_ada, 1_000)),
        (6, publish(of_eve, 2_000)),
        (7, forget(ada)),
        (7, archive(of_ada)),
        (8, forget(eve)),
        (8, archive(of_eve)),
    ];
    let all = all.map(|(position, what)| Obligation { position: Position::new(position), what });
    assert_eq!(left, all);
    for after in 0..=8 {
        let after = Position::new(after);
        let mut told = obligations(on, after).await;
        told.sort_unstable_by_key(|obligation| (obligation.position, obligation.what));
        left.retain(|obligation| obligation.position > after);
        assert_eq!(told, left, "after {after}");
    }
}
