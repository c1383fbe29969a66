//! Accepted tokens and their lifetimes.

mod forgeries;
mod formats;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::Ed25519KeyPair;
use serde_json::{Value, json};

use super::*;

const NOW_S: i64 = 1_795_244_400;

/// A time, in seconds after the tokens of these tests were issued.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis((NOW_S + seconds) * 1000)
}

fn editor() -> Principal {
    let roles = BTreeSet::from([Role::Reader, Role::Editor]);
    Principal { user_id: UserId(Uuid::now_v7()), roles, session: Some(Uuid::now_v7()) }
}

fn key() -> SigningKey {
    SigningKey::generate().expect("a key")
}

fn keys(keys: &[&SigningKey]) -> PublicKeys {
    keys.iter().map(|key| key.public().clone()).collect()
}

fn verifier(key: &SigningKey) -> Verifier {
    Verifier::new(keys(&[key]))
}

/// A token issued at `at(0)`, valid for ten minutes.
fn token(key: &SigningKey, principal: &Principal) -> String {
    key.sign(&Claims::new(principal, ACCESS_TOKEN_LIFETIME, at(0))).expect("a token")
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn header(key: &SigningKey) -> Value {
    json!({"typ": "at+jwt", "alg": "EdDSA", "kid": key.kid()})
}

fn claims() -> Value {
    json!({
        "iss": "portal", "aud": "portal", "sub": Uuid::now_v7(), "roles": ["author"],
        "iat": NOW_S, "exp": NOW_S + 600, "jti": Uuid::now_v7(),
    })
}

/// Replaces one member of a value; null removes it.
fn with(mut value: Value, name: &str, member: Value) -> Value {
    value[name] = member;
    value.as_object_mut().expect("an object").retain(|_, member| !member.is_null());
    value
}

/// A correctly signed token with any header and claims.
fn crafted(key: &SigningKey, header: &Value, claims: &Value) -> String {
    let message = format!("{}.{}", base64(header.to_string()), base64(claims.to_string()));
    let pair = Ed25519KeyPair::from_pkcs8(key.pkcs8()).expect("a key");
    format!("{message}.{}", base64(pair.sign(message.as_bytes())))
}

fn parts(token: &str) -> [&str; 3] {
    token.split('.').collect::<Vec<_>>().try_into().expect("three parts")
}

#[track_caller]
fn refused(verifier: &Verifier, token: &str) -> &'static str {
    match verifier.verify(token, at(1)) {
        Err(TokenError::Invalid(reason)) => reason,
        other => panic!("{token}: {other:?}"),
    }
}

#[test]
fn a_token_says_who_it_was_signed_for() {
    let (key, editor) = (key(), editor());
    let verified = verifier(&key).verify(&token(&key, &editor), at(1));
    assert_eq!(verified, Ok(editor.clone()));
    assert!(editor.has(Role::Editor) && !editor.has(Role::Admin));
    assert_eq!(editor.actor(), Actor::User(editor.user_id));

    let operator = Principal { session: None, ..editor };
    assert_eq!(verifier(&key).verify(&token(&key, &operator), at(1)), Ok(operator));
}

#[test]
fn a_token_is_written_as_the_standards_want_it() {
    let (key, editor) = (key(), editor());
    let token = token(&key, &editor);
    let [head, payload, signature] = parts(&token).map(|part| URL_SAFE_NO_PAD.decode(part));
    let head: Value = serde_json::from_slice(&head.expect("base64url")).expect("JSON");
    assert_eq!(head, header(&key));
    let payload: Value = serde_json::from_slice(&payload.expect("base64url")).expect("JSON");
    let expected = json!({
        "iss": "portal", "aud": "portal", "sub": editor.user_id, "roles": ["reader", "editor"],
        "iat": NOW_S, "exp": NOW_S + 600, "jti": payload["jti"], "sid": editor.session,
    });
    assert_eq!(payload, expected);
    assert_eq!(signature.expect("base64url").len(), 64);
}

#[test]
fn a_token_written_by_hand_after_the_standard_is_accepted() {
    let key = key();
    let verifier = verifier(&key);
    assert!(verifier.verify(&crafted(&key, &header(&key), &claims()), at(1)).is_ok());
    let long = with(header(&key), "typ", json!("application/at+jwt"));
    assert!(verifier.verify(&crafted(&key, &long, &claims()), at(1)).is_ok());
}

#[test]
fn clocks_may_differ_by_a_minute_and_no_more() {
    let (key, editor) = (key(), editor());
    let verifier = verifier(&key);
    let token = token(&key, &editor);
    for moment in [at(-60), at(0), at(599), at(600), at(659)] {
        assert_eq!(verifier.verify(&token, moment), Ok(editor.clone()), "{moment}");
    }
    for moment in [at(660), at(661), at(1_000_000)] {
        assert_eq!(verifier.verify(&token, moment), Err(TokenError::Expired), "{moment}");
    }
    assert_eq!(verifier.verify(&token, at(-61)), Err(TokenError::Invalid("not valid yet")));

    let later = crafted(&key, &header(&key), &with(claims(), "nbf", json!(NOW_S + 100)));
    assert_eq!(verifier.verify(&later, at(39)), Err(TokenError::Invalid("not valid yet")));
    assert!(verifier.verify(&later, at(40)).is_ok());
}

#[test]
fn times_at_the_end_of_the_world_do_not_overflow() {
    let key = key();
    let verifier = verifier(&key);
    for (name, time, accepted) in [
        ("exp", i64::MAX, true),
        ("exp", i64::MIN, false),
        ("iat", i64::MIN, true),
        ("iat", i64::MAX, false),
        ("nbf", i64::MIN, true),
        ("nbf", i64::MAX, false),
    ] {
        let token = crafted(&key, &header(&key), &with(claims(), name, json!(time)));
        assert_eq!(verifier.verify(&token, at(1)).is_ok(), accepted, "{name} {time}");
    }
}

#[test]
fn an_unknown_key_is_told_apart_from_a_forgery() {
    let (old, new) = (key(), key());
    let verifier = verifier(&old);
    let token = token(&new, &editor());
    assert_eq!(verifier.verify(&token, at(1)), Err(TokenError::UnknownKey));
    verifier.replace(keys(&[&old, &new]));
    assert!(verifier.verify(&token, at(1)).is_ok());
    assert_eq!(
        Verifier::new(PublicKeys::default()).verify(&token, at(1)),
        Err(TokenError::UnknownKey)
    );
}

#[test]
fn a_token_of_a_key_that_no_longer_signs_counts_until_the_key_is_taken_away() {
    let (old, new) = (key(), key());
    let verifier = verifier(&old);
    let token = token(&old, &editor());
    assert!(verifier.verify(&token, at(1)).is_ok());
    verifier.replace(keys(&[&old, &new]));
    assert!(verifier.verify(&token, at(1)).is_ok());
    verifier.replace(keys(&[&new]));
    assert_eq!(verifier.verify(&token, at(1)), Err(TokenError::UnknownKey), "not from the cache");
}

#[test]
fn a_remembered_token_expires_all_the_same() {
    let key = key();
    let verifier = verifier(&key);
    let token = token(&key, &editor());
    assert!(verifier.verify(&token, at(1)).is_ok());
    assert!(verifier.verify(&token, at(2)).is_ok());
    assert_eq!(verifier.verify(&token, at(661)), Err(TokenError::Expired));
    assert!(verifier.verify(&token, at(3)).is_ok());
}

#[test]
fn a_remembered_token_does_not_vouch_for_one_that_resembles_it() {
    let key = key();
    let verifier = verifier(&key);
    let token = token(&key, &editor());
    assert!(verifier.verify(&token, at(1)).is_ok());
    for other in [format!("{token}A"), format!("{token}."), format!(" {token}"), token[1..].into()]
    {
        refused(&verifier, &other);
    }
    assert!(verifier.verify(&token, at(1)).is_ok());
}

#[test]
fn many_threads_verify_while_the_keys_are_replaced() {
    let (old, new) = (key(), key());
    let verifier = verifier(&old);
    let tokens: Vec<_> = (0..50).map(|_| token(&old, &editor())).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| tokens.iter().for_each(|token| drop(verifier.verify(token, at(1)))));
        }
        scope.spawn(|| verifier.replace(keys(&[&new])));
    });
    for token in &tokens {
        assert_eq!(verifier.verify(token, at(1)), Err(TokenError::UnknownKey));
    }
}
