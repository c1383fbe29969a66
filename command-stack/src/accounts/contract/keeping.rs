//! What is kept is found again, and what is destroyed is gone.

use std::collections::HashMap;

use events::UserId;
use uuid::Uuid;

use super::super::CLAIM_LIFETIME;
use super::fixture::{Fixture, START, account, at};
use crate::email_digest::EmailDigest;
use crate::sessions::TokenDigest;

pub(super) async fn an_account_is_found_by_its_address_and_by_no_other(on: &Fixture) {
    let ada = on.registers("Ada", "Ada@example.org").await;
    let bob = on.registers("Bob", "bob@example.org").await;
    let find = async |email: &str| on.accounts.find(&EmailDigest::of(email)).await.expect("find");
    let found = Some((ada.user, ada.password_hash.clone()));
    assert_eq!(find("ada@EXAMPLE.org").await, found);
    assert_eq!(find("bob@example.org").await, Some((bob.user, bob.password_hash)));
    assert_eq!(find("eve@example.org").await, None);
    assert!(on.claims(ada.user, "lovelace@example.org", START).await);
    assert_eq!(find("lovelace@example.org").await, found, "a user can have two for a while");
}

pub(super) async fn the_newest_password_replaces_the_one_before(on: &Fixture) {
    let ada = on.registers("Ada", "ada@example.org").await;
    let bob = on.registers("Bob", "bob@example.org").await;
    let password = async |user| on.accounts.password(user).await.expect("read");
    assert_eq!(password(ada.user).await, Some(ada.password_hash));
    on.accounts.set_password(ada.user, "$argon2id$ new").await.expect("set");
    assert_eq!(password(ada.user).await.as_deref(), Some("$argon2id$ new"));
    assert_eq!(password(bob.user).await, Some(bob.password_hash));
    let nobody = UserId(Uuid::now_v7());
    on.accounts.set_password(nobody, "$argon2id$ new").await.expect("set");
    assert_eq!(password(nobody).await, None);
}

pub(super) async fn keys_are_read_of_several_users_at_once_and_of_none(on: &Fixture) {
    let ada = on.registers("Ada", "ada@example.org").await;
    let bob = on.registers("Bob", "bob@example.org").await;
    let nobody = UserId(Uuid::now_v7());
    let keys = async |users: &[UserId]| on.accounts.keys(users).await.expect("read");
    let (of_ada, of_bob) = ((ada.user, ada.key), (bob.user, bob.key));
    assert_eq!(keys(&[]).await, HashMap::new());
    assert_eq!(keys(&[nobody]).await, HashMap::new());
    assert_eq!(keys(&[ada.user]).await, HashMap::from([of_ada.clone()]));
    let all = keys(&[bob.user, nobody, ada.user, bob.user]).await;
    assert_eq!(all, HashMap::from([of_ada, of_bob]));
}

pub(super) async fn an_account_that_was_not_opened_leaves_nothing(on: &Fixture) {
    let ada = on.registers("Ada", "ada@example.org").await;
    let late = account("ada@example.org");
    assert!(!on.opens(&late, 2 * CLAIM_LIFETIME).await);
    assert_eq!(on.accounts.password(late.user).await.expect("read"), None);
    assert_eq!(on.accounts.keys(&[late.user]).await.expect("read"), HashMap::new());
    assert_eq!(on.holder("ada@example.org").await, Some(ada.user));
    assert_eq!(on.rows().await, [1, 1, 1, 0, 0]);
}

pub(super) async fn all_that_is_kept_of_a_user_is_destroyed_and_nothing_of_others(on: &Fixture) {
    let ada = on.registers("Ada", "ada@example.org").await;
    assert_eq!(on.rows().await, [1, 1, 1, 0, 0]);
    on.accounts.destroy(ada.user).await.expect("destroy");
    assert_eq!(on.rows().await, [0; 5]);

    let (ada, bob) = (account("ada@example.org"), account("bob@example.org"));
    for account in [&ada, &bob] {
        assert!(on.opens(account, START).await, "the address is free again");
        for n in 0..2 {
            let token = TokenDigest::of(&format!("token {n} of {}", account.user));
            let given = on.accounts.give(token, Uuid::now_v7(), account.user, at(START)).await;
            given.expect("give");
            on.accounts.try_sign_in(&account.email, at(START)).await.expect("try");
        }
    }
    assert!(on.claims(ada.user, "lovelace@example.org", START).await);
    assert_eq!(on.rows().await, [2, 2, 3, 4, 4]);
    for _ in 0..2 {
        on.accounts.destroy(ada.user).await.expect("destroy");
        assert_eq!(on.rows().await, [1, 1, 1, 2, 2]);
    }
    assert_eq!(on.holder("bob@example.org").await, Some(bob.user));
    assert_eq!(on.accounts.keys(&[ada.user, bob.user]).await.expect("read").len(), 1);
    let token = TokenDigest::of(&format!("token 0 of {}", bob.user));
    let used = on.accounts.use_up(token, TokenDigest::of("next"), at(START)).await.expect("use");
    assert!(matches!(used, crate::sessions::Used::Once { user, .. } if user == bob.user));
}
