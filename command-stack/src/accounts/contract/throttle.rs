//! Guessing passwords: after five failures within a minute an address has to wait.

use std::time::Duration;

use futures::future::join_all;

use super::fixture::{Fixture, MOMENT, START, at, seconds};
use crate::email_digest::EmailDigest;
use crate::sessions::Attempt;

const ADA: &str = "ada@example.org";

fn wait(retry_after_seconds: u32) -> Attempt {
    Attempt::Throttled { retry_after_seconds }
}

impl Fixture {
    async fn tries(&self, email: &str, since: Duration) -> Attempt {
        self.accounts.try_sign_in(&EmailDigest::of(email), at(since)).await.expect("try")
    }

    /// Five failures, at the start and each second after.
    async fn fails_five_times(&self, email: &str) {
        for n in 0..5 {
            assert_eq!(self.tries(email, seconds(n)).await, Attempt::Allowed, "number {n}");
        }
    }
}

pub(super) async fn the_sixth_sign_in_after_five_failures_within_a_minute_has_to_wait(
    on: &Fixture,
) {
    on.fails_five_times(ADA).await;
    assert_eq!(on.tries(ADA, seconds(4)).await, wait(56));
    assert_eq!(on.tries("ADA@example.org", seconds(10)).await, wait(50));
    assert_eq!(on.tries(ADA, seconds(59)).await, wait(1));
    assert_eq!(on.tries(ADA, seconds(59) + 999 * MOMENT).await, wait(1));
    assert_eq!(on.tries(ADA, seconds(60)).await, Attempt::Allowed);
}

pub(super) async fn asking_while_throttled_does_not_prolong_the_wait(on: &Fixture) {
    on.fails_five_times(ADA).await;
    for since in 5..60 {
        let left = u32::try_from(60 - since).expect("seconds");
        assert_eq!(on.tries(ADA, seconds(since)).await, wait(left));
    }
    assert_eq!(on.tries(ADA, seconds(60)).await, Attempt::Allowed);
}

pub(super) async fn each_failure_counts_for_a_minute_of_its_own(on: &Fixture) {
    on.fails_five_times(ADA).await;
    for n in 60..65 {
        assert_eq!(on.tries(ADA, seconds(n)).await, Attempt::Allowed);
        let again = if n == 64 { wait(56) } else { wait(1) };
        assert_eq!(on.tries(ADA, seconds(n)).await, again, "{n}");
    }
    let later = START + seconds(1_000);
    assert_eq!(on.tries(ADA, later).await, Attempt::Allowed);
    assert_eq!(on.rows().await, [0, 0, 0, 0, 1], "what no longer counts is cleared away");
}

pub(super) async fn a_success_forgets_the_failures(on: &Fixture) {
    on.fails_five_times(ADA).await;
    on.fails_five_times("bob@example.org").await;
    on.accounts.signed_in(&EmailDigest::of(ADA)).await.expect("forget");
    on.fails_five_times(ADA).await;
    assert_eq!(on.tries(ADA, seconds(5)).await, wait(55));
    assert_eq!(on.tries("bob@example.org", seconds(5)).await, wait(55), "bob has not signed in");
}

pub(super) async fn another_address_is_not_affected(on: &Fixture) {
    on.fails_five_times(ADA).await;
    assert_eq!(on.tries(ADA, seconds(5)).await, wait(55));
    on.fails_five_times("bob@example.org").await;
}

pub(super) async fn of_many_who_try_at_once_exactly_five_are_allowed(on: &Fixture) {
    for round in 0..10 {
        let email = format!("ada-{round}@example.org");
        let tries = join_all((0..20).map(|_| on.tries(&email, START))).await;
        let allowed = tries.iter().filter(|attempt| **attempt == Attempt::Allowed).count();
        let throttled = tries.iter().filter(|attempt| **attempt == wait(60)).count();
        assert_eq!((allowed, throttled), (5, 15), "round {round}: {tries:?}");
    }
}
