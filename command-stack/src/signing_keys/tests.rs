//! Keys as operators and running processes use them.

use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use events::{Role, UserId};
use proto::token::{TokenError, Verifier};
use tempfile::TempDir;
use uuid::Uuid;

use super::file::{KeyFile, beside};
use super::*;

const HOUR: i64 = 60 * 60 * 1000;

/// A folder, and the path of a missing key file in it.
fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("signing-keys.json");
    (folder, path)
}

fn now() -> Timestamp {
    Utc::now().into()
}

fn after(time: Timestamp, hours: i64) -> Timestamp {
    Timestamp::from_millis(time.millis() + hours * HOUR)
}

fn admin() -> Principal {
    let roles = BTreeSet::from([Role::Admin]);
    Principal { user_id: UserId(Uuid::now_v7()), roles, session: None }
}

fn open(path: &Path) -> SigningKeys {
    SigningKeys::open_or_create(path).expect("keys")
}

fn sign(keys: &SigningKeys, at: Timestamp) -> String {
    keys.sign(&admin(), MAX_LIFETIME, at).expect("a token")
}

fn kids(keys: &SigningKeys) -> Vec<String> {
    let json = serde_json::to_value(keys.public()).expect("JSON");
    let keys = json["keys"].as_array().expect("keys").iter();
    keys.map(|key| key["kid"].as_str().expect("a name").to_owned()).collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").mode() & 0o777
}

#[test]
fn the_first_start_makes_a_key_and_every_later_one_finds_it() {
    let (_folder, path) = folder();
    let token = sign(&open(&path), now());
    let again = open(&path);
    assert_eq!(kids(&again).len(), 1);
    assert!(Verifier::new(again.public()).verify(&token, now()).is_ok());
}

#[test]
fn only_the_owner_may_read_the_file_also_after_a_rotation() {
    let (_folder, path) = folder();
    open(&path);
    assert_eq!(mode(&path), 0o600);
    rotate(&path, now()).expect("a rotation");
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn those_who_start_at_the_same_time_get_the_same_key() {
    for _ in 0..10 {
        let (_folder, path) = folder();
        let opened: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| kids(&open(&path)))).collect();
            threads.into_iter().map(|thread| thread.join().expect("keys")).collect()
        });
        assert_eq!(opened[0].len(), 1);
        assert!(opened.iter().all(|kids| *kids == opened[0]), "{opened:?}");
    }
}

#[test]
fn rotations_at_the_same_time_lose_no_key() {
    let (_folder, path) = folder();
    let keys = open(&path);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| rotate(&path, now()).expect("a rotation"));
        }
    });
    assert_eq!(kids(&keys).len(), 9);
}

#[test]
fn a_running_process_signs_with_the_new_key_after_a_rotation() {
    let (_folder, path) = folder();
    let keys = open(&path);
    let before = sign(&keys, now());
    let old = Verifier::new(keys.public());

    let kid = rotate(&path, now()).expect("a rotation");
    let token = sign(&keys, now());
    assert_eq!(old.verify(&token, now()), Err(TokenError::UnknownKey));
    assert_eq!(kids(&keys).last(), Some(&kid));
    let new = Verifier::new(keys.public());
    assert!(new.verify(&token, now()).is_ok());
    assert!(new.verify(&before, now()).is_ok(), "the former key still verifies");
}

#[test]
fn a_key_stays_for_as_long_as_a_token_of_its_may_live() {
    let (_folder, path) = folder();
    let keys = open(&path);
    let start = now();
    // Superseded after ten hours, so its last token lives until hour 34.
    let first = kids(&keys).remove(0);
    let second = rotate(&path, after(start, 10)).expect("a rotation");
    let last_token = sign(&keys, after(start, 10));
    let third = rotate(&path, after(start, 33)).expect("a rotation");
    assert_eq!(kids(&keys), [first, second.clone(), third.clone()]);

    let fourth = rotate(&path, after(start, 35)).expect("a rotation");
    assert_eq!(kids(&keys), [second, third, fourth.clone()]);
    assert!(Verifier::new(keys.public()).verify(&last_token, after(start, 34)).is_ok());

    let fifth = rotate(&path, after(start, 1000)).expect("a rotation");
    assert_eq!(kids(&keys), [fourth, fifth], "the fourth has signed until now");
}

#[test]
fn the_newest_key_is_the_newest_also_when_the_clock_went_back() {
    let (_folder, path) = folder();
    let keys = open(&path);
    let kid = rotate(&path, after(now(), -100)).expect("a rotation");
    assert_eq!(kids(&keys).last(), Some(&kid));
    assert_eq!(kids(&keys).len(), 2);
}

#[test]
fn no_token_outlives_its_key() {
    let (_folder, path) = folder();
    let keys = open(&path);
    let longer = MAX_LIFETIME + Duration::from_secs(1);
    let refused = keys.sign(&admin(), longer, now());
    assert!(matches!(refused, Err(SigningKeysError::LivesTooLong)));
}

#[test]
fn a_file_that_is_broken_or_gone_stops_a_start_and_not_a_running_process() {
    let (_folder, path) = folder();
    let keys = open(&path);
    let before = kids(&keys);
    let good = fs::read(&path).expect("the file");
    for broken in ["", "{}", r#"{"keys": []}"#, r#"{"keys": [{"kid": "a"}]}"#, "[", "\u{0}"] {
        fs::write(&path, broken).expect("the file");
        let error = SigningKeys::open_or_create(&path).expect_err(broken);
        assert!(matches!(error, SigningKeysError::Corrupt { .. }), "{broken}: {error}");
        assert_eq!(fs::read_to_string(&path).expect("the file"), broken, "left as it is");
        assert_eq!(kids(&keys), before);
    }
    fs::remove_file(&path).expect("the file");
    assert_eq!(kids(&keys), before);
    sign(&keys, now());
    assert!(rotate(&path, now()).is_err(), "a mistyped path gets no keys");
    assert!(!path.exists());

    fs::write(&path, good).expect("the file");
    rotate(&path, now()).expect("a rotation");
    assert_eq!(kids(&keys).len(), 2, "and it goes on as soon as the file is good again");
}

#[test]
fn a_rotation_needs_keys_to_rotate_and_leaves_nothing_where_there_are_none() {
    let (folder, path) = folder();
    assert!(rotate(&path, now()).is_err_and(|error| is_missing(&error)));
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

#[test]
fn a_key_under_another_name_is_refused() {
    let (_folder, path) = folder();
    let kid = kids(&open(&path)).remove(0);
    let json = fs::read_to_string(&path).expect("the file");
    fs::write(&path, json.replace(&kid, "mine")).expect("the file");
    assert!(SigningKeys::open_or_create(&path).is_err());
}

#[test]
fn what_a_killed_process_left_behind_is_no_hindrance() {
    let (_folder, path) = folder();
    let left = beside(&path, "new");
    fs::write(&left, "half a fi").expect("a file");
    fs::set_permissions(&left, fs::Permissions::from_mode(0o644)).expect("a mode");
    open(&path);
    assert_eq!(mode(&path), 0o600);
    assert!(!left.exists());
}

#[test]
fn no_secret_is_in_an_error_or_in_debug() {
    let (_folder, path) = folder();
    let keys = open(&path);
    let json = fs::read_to_string(&path).expect("the file");
    let stored: KeyFile = serde_json::from_str(&json).expect("JSON");
    let secret = &stored.keys[0].pkcs8;
    let seed = &URL_SAFE_NO_PAD.decode(secret).expect("base64url")[16..48];
    assert!(!format!("{keys:?}").contains(&format!("{seed:?}")[1..20]));

    // The parser would quote a secret that stands in place of a number.
    let misplaced = format!(r#"{{"keys": [{{"kid": "a", "created_at_ms": "{secret}"}}]}}"#);
    let wrong_name = json.replace(&stored.keys[0].kid, "mine");
    for broken in [misplaced, wrong_name, json.replace(&secret[80..], "")] {
        fs::write(&path, &broken).expect("the file");
        let error = SigningKeys::open_or_create(&path).expect_err("broken");
        let told = format!("{error} {error:?} {keys:?}");
        assert!(!told.contains(&secret[..40]), "{told}");
    }
}
