//! E-mail addresses: one user each, as the log says; a claim that the log does not confirm is
//! believed for a while.

use futures::future::join_all;

use super::super::{CLAIM_LIFETIME, Claim};
use super::fixture::{Fixture, MOMENT, START, account, at};
use crate::email_digest::EmailDigest;

const LONG: std::time::Duration = std::time::Duration::from_secs(365 * 24 * 3600);

pub(super) async fn of_many_who_open_an_account_with_one_address_at_once_exactly_one_gets_it(
    on: &Fixture,
) {
    let spellings = ["ada@example.org", "ADA@example.org"].into_iter().cycle();
    let rivals: Vec<_> = spellings.take(20).map(account).collect();
    let opened = join_all(rivals.iter().map(|rival| on.opens(rival, START))).await;
    let winners: Vec<_> = rivals.iter().zip(opened).filter(|(_, opened)| *opened).collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(on.holder("ada@example.org").await, Some(winners[0].0.user));
    assert_eq!(on.rows().await, [1, 1, 1, 0, 0], "who lost left something");
}

pub(super) async fn an_address_is_taken_whatever_its_letter_case(on: &Fixture) {
    on.registers("Émile", "Émile@Example.org").await;
    for taken in ["Émile@Example.org", "émile@example.org", "ÉMILE@EXAMPLE.ORG"] {
        assert!(!on.opens(&account(taken), START).await, "{taken}");
    }
    let bob = on.registers("Bob", "bob@example.org").await;
    assert!(!on.claims(bob.user, "éMILE@example.org", START).await);
    assert!(on.claims(bob.user, "BOB@example.org", START).await, "the own address");
    assert!(on.opens(&account("emile@example.org"), START).await, "another letter");
}

pub(super) async fn a_claim_without_a_user_gives_way_after_its_lifetime_and_not_before(
    on: &Fixture,
) {
    let (abandoned, next) = (account("ada@example.org"), account("ada@example.org"));
    assert!(on.opens(&abandoned, START).await);
    for since in [START, CLAIM_LIFETIME / 2, CLAIM_LIFETIME] {
        assert!(!on.opens(&next, since).await, "after {since:?}");
    }
    assert!(on.opens(&next, CLAIM_LIFETIME + MOMENT).await);
    assert_eq!(on.holder("ada@example.org").await, Some(next.user));
    let left = on.accounts.keys(&[abandoned.user, next.user]).await.expect("keys");
    assert_eq!(left.into_keys().collect::<Vec<_>>(), [next.user], "of nobody nothing is kept");
    let third = account("ada@example.org");
    assert!(!on.opens(&third, 2 * CLAIM_LIFETIME).await, "the new claim has a life of its own");
    let bob = on.registers("Bob", "bob@example.org").await;
    assert!(!on.claims(bob.user, "ada@example.org", 2 * CLAIM_LIFETIME).await);
    assert!(on.claims(bob.user, "ada@example.org", 3 * CLAIM_LIFETIME).await);
}

pub(super) async fn of_many_who_replace_an_abandoned_claim_at_once_exactly_one_gets_it(
    on: &Fixture,
) {
    assert!(on.opens(&account("ada@example.org"), START).await);
    let rivals: Vec<_> = (0..20).map(|_| account("ada@example.org")).collect();
    let opened = join_all(rivals.iter().map(|rival| on.opens(rival, LONG))).await;
    let winners: Vec<_> = rivals.iter().zip(opened).filter(|(_, opened)| *opened).collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(on.holder("ada@example.org").await, Some(winners[0].0.user));
}

pub(super) async fn a_claim_that_the_log_confirms_never_gives_way(on: &Fixture) {
    let ada = on.registers("Ada", "ada@example.org").await;
    let bob = on.registers("Bob", "bob@example.org").await;
    for since in [CLAIM_LIFETIME + MOMENT, LONG] {
        assert!(!on.opens(&account("ada@example.org"), since).await, "after {since:?}");
        assert!(!on.claims(bob.user, "ada@example.org", since).await, "after {since:?}");
    }
    assert!(on.claims(ada.user, "lovelace@example.org", LONG).await);
    on.changes_to(&ada, "lovelace@example.org").await;
    assert!(!on.opens(&account("lovelace@example.org"), 2 * LONG).await);
}

pub(super) async fn a_claim_that_its_user_has_changed_away_from_gives_way(on: &Fixture) {
    let ada = on.registers("Ada", "ada@example.org").await;
    assert!(on.claims(ada.user, "lovelace@example.org", START).await);
    on.changes_to(&ada, "lovelace@example.org").await;
    let next = account("ada@example.org");
    assert!(!on.opens(&next, CLAIM_LIFETIME).await);
    assert!(on.opens(&next, CLAIM_LIFETIME + MOMENT).await);
    assert_eq!(on.holder("lovelace@example.org").await, Some(ada.user));
}

pub(super) async fn a_user_may_claim_the_own_address_again_and_is_believed_as_long_again(
    on: &Fixture,
) {
    let ada = on.registers("Ada", "ada@example.org").await;
    // As if the process had died before the event.
    assert!(on.claims(ada.user, "lovelace@example.org", START).await);
    assert!(on.claims(ada.user, "lovelace@example.org", LONG).await);
    let other = account("lovelace@example.org");
    assert!(!on.opens(&other, LONG + MOMENT).await, "ada's event is on its way");
    assert!(!on.opens(&other, LONG + CLAIM_LIFETIME).await);
    assert!(on.opens(&other, LONG + CLAIM_LIFETIME + MOMENT).await);
}

pub(super) async fn a_claim_that_was_renewed_meanwhile_is_not_replaced(on: &Fixture) {
    let (store, email) = (&on.accounts, EmailDigest::of("lovelace@example.org"));
    let ada = on.registers("Ada", "ada@example.org").await;
    assert!(on.claims(ada.user, "lovelace@example.org", START).await);
    let other = account("lovelace@example.org");
    let void = store.open(&other, None, at(LONG)).await.expect("open").expect("in the way");
    assert_eq!(void, Claim { user: ada.user, since: at(START) });
    assert!(on.claims(ada.user, "lovelace@example.org", LONG).await);
    let renewed = Some(Claim { user: ada.user, since: at(LONG) });
    assert_eq!(store.open(&other, Some(void), at(LONG)).await.expect("open"), renewed);
    let bob = on.registers("Bob", "bob@example.org").await;
    let claimed = store.claim(bob.user, &email, Some(void), at(LONG)).await;
    assert_eq!(claimed.expect("claim"), renewed);
}
