//! Refresh tokens: each works once; the reuse of a token ends its session.

use events::UserId;
use futures::future::join_all;
use uuid::Uuid;

use super::fixture::{Fixture, MOMENT, START, at};
use crate::sessions::{SESSION_LIFETIME, TokenDigest, Used};

fn token(name: &str) -> TokenDigest {
    TokenDigest::of(name)
}

fn some_user() -> UserId {
    UserId(Uuid::now_v7())
}

impl Fixture {
    /// Starts a session of this user with this refresh token; returns its family.
    async fn signs_in(&self, user: UserId, name: &str) -> Uuid {
        let family = Uuid::now_v7();
        self.accounts.give(token(name), family, user, at(START)).await.expect("give");
        family
    }

    /// Uses a refresh token; `next` becomes its successor.
    async fn refreshes(&self, name: &str, next: &str) -> Used {
        self.accounts.use_up(token(name), token(next), at(START)).await.expect("use")
    }

    async fn is_good(&self, name: &str) -> bool {
        matches!(self.refreshes(name, &Uuid::now_v7().to_string()).await, Used::Once { .. })
    }
}

pub(super) async fn a_refresh_token_works_once_and_then_its_successor(on: &Fixture) {
    let user = some_user();
    let family = on.signs_in(user, "first").await;
    assert_eq!(on.refreshes("unknown", "nothing").await, Used::Unknown);
    assert_eq!(on.refreshes("nothing", "nothing more").await, Used::Unknown);
    for (used, next) in [("first", "second"), ("second", "third"), ("third", "fourth")] {
        assert_eq!(on.refreshes(used, next).await, Used::Once { user, family });
    }
    assert_eq!(on.refreshes("third", "another").await, Used::Again { user });
}

pub(super) async fn a_second_use_ends_the_family_with_its_newest_token_and_no_other(on: &Fixture) {
    let user = some_user();
    on.signs_in(user, "first").await;
    on.signs_in(user, "of another device").await;
    on.refreshes("first", "second").await;
    on.refreshes("second", "third").await;
    assert_eq!(on.refreshes("first", "of a thief").await, Used::Again { user });
    for ended in ["third", "second", "first", "of a thief"] {
        assert_eq!(on.refreshes(ended, "more").await, Used::Unknown, "{ended}");
    }
    assert!(on.is_good("of another device").await);
}

pub(super) async fn of_many_uses_at_once_one_succeeds_and_the_family_ends(on: &Fixture) {
    for round in 0..10 {
        let user = some_user();
        let (first, next) = (format!("first of {round}"), |n| format!("{n} of {round}"));
        let family = on.signs_in(user, &first).await;
        let names: Vec<_> = (0..20).map(next).collect();
        let uses = names.iter().map(|next| on.refreshes(&first, next));
        let uses = join_all(uses).await;
        let once = uses.iter().filter(|used| **used == Used::Once { user, family }).count();
        let late = |used: &&Used| matches!(used, Used::Again { .. } | Used::Unknown);
        assert_eq!((once, uses.iter().filter(late).count()), (1, 19), "{uses:?}");
        assert!(uses.contains(&Used::Again { user }), "nobody was told: {uses:?}");
        for name in names.iter().chain([&first]) {
            assert!(!on.is_good(name).await, "{name} has outlived its family");
        }
    }
}

pub(super) async fn an_expired_token_is_unknown(on: &Fixture) {
    let user = some_user();
    let end = START + SESSION_LIFETIME;
    let used_at = async |name, since| {
        let next = token(&Uuid::now_v7().to_string());
        on.accounts.use_up(token(name), next, at(since)).await.expect("use")
    };
    for name in ["in time", "too late", "used in time"] {
        on.signs_in(user, name).await;
    }
    assert!(matches!(used_at("in time", end).await, Used::Once { .. }));
    on.refreshes("used in time", "next").await;
    assert_eq!(used_at("too late", end + MOMENT).await, Used::Unknown);
    assert_eq!(used_at("used in time", end + MOMENT).await, Used::Unknown);
    // Each use extends the session by `SESSION_LIFETIME`.
    let family = on.signs_in(user, "long ago").await;
    on.accounts.use_up(token("long ago"), token("today"), at(end)).await.expect("use");
    assert_eq!(used_at("today", end + SESSION_LIFETIME).await, Used::Once { user, family });
    // The next sign-in deletes expired rows.
    let now = at(end + 3 * SESSION_LIFETIME);
    on.accounts.give(token("new"), Uuid::now_v7(), user, now).await.expect("give");
    assert_eq!(on.rows().await, [0, 0, 0, 1, 0]);
}

pub(super) async fn a_session_is_ended_by_itself_by_a_token_or_with_all_of_its_user(on: &Fixture) {
    let (ada, bob) = (some_user(), some_user());
    let desk = on.signs_in(ada, "desk").await;
    for name in ["phone", "tablet", "kiosk"] {
        on.signs_in(ada, name).await;
    }
    on.signs_in(bob, "bob's").await;
    on.accounts.end(desk).await.expect("end");
    assert_eq!(on.refreshes("desk", "more").await, Used::Unknown);
    // A used token also ends its session: a client that signs out may hold an old one.
    on.refreshes("phone", "phone 2").await;
    on.accounts.end_by_token(token("phone")).await.expect("end");
    assert_eq!(on.refreshes("phone 2", "more").await, Used::Unknown);
    on.accounts.end_by_token(token("tablet")).await.expect("end");
    assert_eq!(on.refreshes("tablet", "more").await, Used::Unknown);
    on.accounts.end_by_token(token("unknown")).await.expect("end");
    on.refreshes("kiosk", "kiosk 2").await;
    on.signs_in(ada, "desk again").await;
    on.accounts.end_all(ada).await.expect("end");
    for ended in ["kiosk", "kiosk 2", "desk again"] {
        assert_eq!(on.refreshes(ended, "more").await, Used::Unknown, "{ended}");
    }
    assert!(on.is_good("bob's").await);
}

/// No token works afterwards, whether the use or the end comes first.
pub(super) async fn a_session_that_is_ended_while_it_is_used_stays_ended(on: &Fixture) {
    for round in 0..30 {
        let user = some_user();
        let name = |n| format!("{n} of {round}");
        let family = on.signs_in(user, &name(0)).await;
        let first = name(0);
        let end = async {
            match round % 3 {
                0 => on.accounts.end(family).await,
                1 => on.accounts.end_by_token(token(&first)).await,
                _ => on.accounts.end_all(user).await,
            }
            .expect("end");
        };
        let uses = async {
            for n in 0..8 {
                on.refreshes(&name(n), &name(n + 1)).await;
            }
        };
        tokio::join!(uses, end);
        for n in 0..=8 {
            assert!(!on.is_good(&name(n)).await, "{} has outlived its session", name(n));
        }
    }
}
