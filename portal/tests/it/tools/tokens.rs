//! `portal token` and `portal rotate-signing-key`.

use std::thread;

use chrono::Utc;
use command_stack::signing_keys::SigningKeys;
use events::{Role, Timestamp};
use proto::token::{Principal, TokenError, Verifier};
use uuid::Uuid;

use crate::support::{Environment, Portal, Wiring};

fn portal() -> Portal {
    Portal::not_started(Wiring::Embedded, Environment::new())
}

fn token(portal: &Portal, arguments: &[&str]) -> String {
    let output = portal.tool(&[&["token"], arguments].concat());
    let token = output.strip_suffix('\n').expect("a line").to_owned();
    assert!(!token.contains(char::is_whitespace), "nothing but the token: {output:?}");
    token
}

/// Whose token it is so many minutes from now, by the keys of the data directory.
fn verify(portal: &Portal, token: &str, minutes: i64) -> Result<Principal, TokenError> {
    let keys = SigningKeys::open_or_create(portal.data_file("signing-keys.json")).expect("keys");
    let then = Timestamp::from_millis(Utc::now().timestamp_millis() + minutes * 60_000);
    Verifier::new(keys.public()).verify(token, then)
}

#[tokio::test]
async fn a_token_is_for_whom_and_for_as_long_as_it_was_asked_for() {
    let portal = portal();
    let ada = Uuid::now_v7().to_string();
    let arguments = ["--role", "editor", "--role", "author", "--user", &ada, "--minutes", "5"];
    let token = token(&portal, &arguments);
    let principal = verify(&portal, &token, 4).expect("a good token");
    assert_eq!(principal.user_id.to_string(), ada);
    assert_eq!(principal.roles, [Role::Author, Role::Editor].into());
    assert_eq!(verify(&portal, &token, 7), Err(TokenError::Expired));
}

#[tokio::test]
async fn without_a_user_each_token_is_somebody_elses_and_good_for_an_hour() {
    let portal = portal();
    let [one, other] = [(); 2].map(|()| {
        verify(&portal, &token(&portal, &["--role", "admin"]), 59).expect("a good token")
    });
    assert!(one.has(Role::Admin) && !one.has(Role::Editor));
    assert_ne!(one.user_id, other.user_id);
}

#[tokio::test]
async fn processes_that_start_at_the_same_time_share_a_key() {
    let portal = portal();
    let tokens: Vec<_> = thread::scope(|scope| {
        let start = |_| scope.spawn(|| token(&portal, &["--role", "reader"]));
        let processes: Vec<_> = (0..4).map(start).collect();
        processes.into_iter().map(|process| process.join().expect("a token")).collect()
    });
    for token in tokens {
        assert!(verify(&portal, &token, 0).is_ok());
    }
}

#[tokio::test]
async fn a_rotation_leaves_the_tokens_that_are_out_good() {
    let portal = portal();
    let before = token(&portal, &["--role", "reader"]);
    let kid = portal.tool(&["rotate-signing-key"]);
    let after = token(&portal, &["--role", "reader"]);
    assert!(verify(&portal, &before, 0).is_ok() && verify(&portal, &after, 0).is_ok());
    let file = std::fs::read_to_string(portal.data_file("signing-keys.json")).expect("a file");
    assert!(file.contains(kid.trim()) && !kid.trim().is_empty());
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_a_reason() {
    let portal = portal();
    for (arguments, word) in [
        (&["token"][..], "--role"),
        (&["token", "--role", "owner"], "a role is reader, author, editor or admin"),
        (&["token", "--role", "admin", "--minutes", "1441"], "1..=1440"),
        (&["token", "--role", "admin", "--minutes", "0"], "1..=1440"),
        (&["token", "--role", "admin", "--user", "ada"], "--user"),
        (&["rotate-signing-key"], "signing-keys.json"),
    ] {
        let output = portal.run(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}");
        assert!(error.contains(word), "{arguments:?}: {error}");
        assert!(!portal.data_file("signing-keys.json").exists());
    }
}
