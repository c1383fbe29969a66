//! Forged and malformed tokens.

use proptest::prelude::*;

use super::*;

#[test]
fn a_changed_payload_is_refused() {
    let key = key();
    let token = token(&key, &editor());
    let [header, _, signature] = parts(&token);
    let admin = with(claims(), "roles", json!(["admin"])).to_string();
    let forged = format!("{header}.{}.{signature}", base64(admin));
    assert_eq!(refused(&verifier(&key), &forged), "wrong signature");
}

#[test]
fn a_changed_signature_is_refused() {
    let key = key();
    let token = token(&key, &editor());
    let verifier = verifier(&key);
    let [header, payload, signature] = parts(&token);
    let good = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    for at in [0, 31, 32, 63] {
        let mut changed = good.clone();
        changed[at] ^= 1;
        let forged = format!("{header}.{payload}.{}", base64(changed));
        assert_eq!(refused(&verifier, &forged), "wrong signature");
    }
    for other in [&good[..63], &[], &[&good[..], &[0]].concat()] {
        let forged = format!("{header}.{payload}.{}", base64(other));
        assert_eq!(refused(&verifier, &forged), "wrong signature");
    }
}

#[test]
fn an_algorithm_of_the_senders_choice_is_refused() {
    let key = key();
    let verifier = verifier(&key);
    for name in ["none", "None", "NONE", "", "HS256", "HS512", "RS256", "ES256", "PS512", "Ed448"] {
        let header = with(header(&key), "alg", json!(name));
        let message = format!("{}.{}", base64(header.to_string()), base64(claims().to_string()));
        refused(&verifier, &format!("{message}."));
        refused(&verifier, &crafted(&key, &header, &claims()));
    }
    refused(&verifier, &crafted(&key, &with(header(&key), "alg", Value::Null), &claims()));
}

/// A known attack: the public key as the secret of an HMAC.
#[test]
fn the_public_key_is_no_secret_to_sign_with() {
    use ring::hmac;
    let key = key();
    let header = with(header(&key), "alg", json!("HS256"));
    let message = format!("{}.{}", base64(header.to_string()), base64(claims().to_string()));
    let raw = key.public().x.0;
    let published = serde_json::to_vec(&keys(&[&key])).expect("JSON");
    for secret in [&raw[..], base64(raw).as_bytes(), &published] {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
        let forged = format!("{message}.{}", base64(tag));
        assert_eq!(refused(&verifier(&key), &forged), "another algorithm than EdDSA");
    }
}

#[test]
fn a_key_that_the_token_brings_along_is_not_used() {
    let (ours, theirs) = (key(), key());
    let header = with(header(&ours), "jwk", json!(theirs.public()));
    let forged = crafted(&theirs, &header, &claims());
    assert_eq!(refused(&verifier(&ours), &forged), "wrong signature");
}

#[test]
fn a_claim_that_is_missing_or_another_is_refused() {
    let key = key();
    let verifier = verifier(&key);
    for (name, values) in [
        ("iss", [json!(null), json!("elsewhere"), json!(1), json!(["elsewhere"])]),
        ("aud", [json!(null), json!("elsewhere"), json!(1), json!(["elsewhere"])]),
        ("sub", [json!(null), json!("ada"), json!(""), json!(1)]),
        ("exp", [json!(null), json!("tomorrow"), json!(1e300), json!({})]),
        ("iat", [json!(null), json!("now"), json!(true), json!([])]),
        ("nbf", [json!("now"), json!(true), json!([]), json!({})]),
        ("jti", [json!(null), json!(""), json!(1), json!([])]),
        ("roles", [json!(null), json!("admin"), json!(["owner"]), json!([1])]),
        ("sid", [json!("mine"), json!(1), json!([]), json!({})]),
    ] {
        for value in values {
            let claims = with(claims(), name, value);
            refused(&verifier, &crafted(&key, &header(&key), &claims));
        }
    }
    let elsewhere = with(claims(), "iss", json!("elsewhere"));
    assert_eq!(refused(&verifier, &crafted(&key, &header(&key), &elsewhere)), "another issuer");
    let elsewhere = with(claims(), "aud", json!("elsewhere"));
    assert_eq!(refused(&verifier, &crafted(&key, &header(&key), &elsewhere)), "another audience");
}

#[test]
fn a_header_that_is_not_of_an_access_token_is_refused() {
    let key = key();
    let verifier = verifier(&key);
    for (name, value, reason) in [
        ("typ", json!("JWT"), "not of the type at+jwt"),
        ("typ", json!(null), "not of the type at+jwt"),
        ("kid", json!(null), "no kid"),
        ("crit", json!(["b64"]), "an extension that is not known here"),
        ("crit", json!([]), "an extension that is not known here"),
    ] {
        let header = with(header(&key), name, value);
        assert_eq!(refused(&verifier, &crafted(&key, &header, &claims())), reason);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn garbage_is_refused_and_never_panics(garbage in ".{0,200}") {
        let verifier = verifier(&key());
        prop_assert!(verifier.verify(&garbage, at(1)).is_err());
    }

    #[test]
    fn garbage_in_the_shape_of_a_token_is_refused(
        parts in prop::collection::vec("[A-Za-z0-9_-]{0,60}={0,2}", 0..6),
    ) {
        prop_assert!(verifier(&key()).verify(&parts.join("."), at(1)).is_err());
    }

    /// The signature is valid, so that verification reaches the parser of the claims.
    #[test]
    fn signed_garbage_is_refused(claims in any::<Vec<u8>>(), head in any::<Vec<u8>>()) {
        let key = key();
        let pair = Ed25519KeyPair::from_pkcs8(key.pkcs8()).expect("a key");
        for head in [header(&key).to_string().as_bytes(), &head] {
            let message = format!("{}.{}", base64(head), base64(&claims));
            let token = format!("{message}.{}", base64(pair.sign(message.as_bytes())));
            prop_assert!(verifier(&key).verify(&token, at(1)).is_err());
        }
    }

    #[test]
    fn a_token_with_any_character_changed_is_refused(at_byte in 0..4000_usize, to in "[ -~]") {
        let key = key();
        let token = token(&key, &editor());
        let place = at_byte % token.len();
        let mut changed = token.clone();
        changed.replace_range(place..=place, &to);
        prop_assume!(changed != token);
        prop_assert!(verifier(&key).verify(&changed, at(1)).is_err());
    }

    #[test]
    fn any_authorization_is_read_without_a_panic(value in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Ok(value) = axum::http::HeaderValue::from_bytes(&value) {
            let headers: HeaderMap = [(AUTHORIZATION, value)].into_iter().collect();
            drop(bearer(&headers));
        }
    }
}
