//! E-mail addresses: one user each. They live beside the log, in the same database.

use events::UserId;
use futures::future::join_all;
use uuid::Uuid;

use super::super::EventLog;
use super::fixture::{Fixture, append, part};
use crate::credentials::{ClaimError, Credentials, claim};

const LONG_AGO: &str = "UPDATE credentials SET claimed_at = 0";

fn credentials(email: &str) -> Credentials {
    let user_id = UserId(Uuid::now_v7());
    Credentials { user_id, email: email.to_owned(), password_hash: "$argon2id$".to_owned() }
}

async fn claims(on: &Fixture, new: &Credentials) -> bool {
    match claim(on.credentials(), &on.log, new).await {
        Ok(()) => true,
        Err(ClaimError::EmailTaken) => false,
        Err(error) => panic!("{error:?}"),
    }
}

async fn register(log: &dyn EventLog, user: UserId) {
    log.append(append(vec![part(&user.into(), 0, 1)])).await.expect("append");
}

pub(super) async fn an_address_is_taken_whatever_its_letter_case(on: &Fixture) {
    assert!(claims(on, &credentials("Ada@Example.org")).await);
    for taken in ["Ada@Example.org", "ada@example.org", "ADA@EXAMPLE.ORG"] {
        assert!(!claims(on, &credentials(taken)).await, "{taken}");
    }
    let (émile, other) = (credentials("Émile@example.org"), credentials("bob@example.org"));
    assert!(claims(on, &émile).await && claims(on, &other).await);
    assert!(!claims(on, &credentials("éMILE@example.org")).await);
    let store = on.credentials();
    assert!(!store.change_email(other.user_id, "ÉMILE@example.org").await.expect("change"));
    assert!(store.change_email(other.user_id, "Bob@example.org").await.expect("change"));
    assert!(store.change_email(other.user_id, "rob@example.org").await.expect("change"));
    assert!(claims(on, &credentials("bob@example.org")).await, "what was given up is free");
}

pub(super) async fn of_many_who_claim_an_address_at_once_exactly_one_gets_it(on: &Fixture) {
    let all: Vec<_> = (0..20)
        .map(|n| credentials(if n % 2 == 0 { "ada@example.org" } else { "ADA@example.org" }))
        .collect();
    let results = join_all(all.iter().map(|new| claims(on, new))).await;
    assert_eq!(results.into_iter().filter(|claimed| *claimed).count(), 1);
}

pub(super) async fn a_fresh_claim_is_kept_and_an_abandoned_one_goes_to_exactly_one_other(
    on: &Fixture,
) {
    assert!(claims(on, &credentials("ada@example.org")).await);
    assert!(!claims(on, &credentials("ada@example.org")).await, "it is going on");
    on.execute(LONG_AGO).await.expect("update");
    let all: Vec<_> = (0..20).map(|_| credentials("ada@example.org")).collect();
    let results = join_all(all.iter().map(|new| claims(on, new))).await;
    assert_eq!(results.into_iter().filter(|claimed| *claimed).count(), 1);
}

pub(super) async fn an_old_claim_of_a_registered_user_is_kept(on: &Fixture) {
    let ada = credentials("ada@example.org");
    assert!(claims(on, &ada).await);
    register(&*on.log, ada.user_id).await;
    on.execute(LONG_AGO).await.expect("update");
    assert!(!claims(on, &credentials("ada@example.org")).await);
}
