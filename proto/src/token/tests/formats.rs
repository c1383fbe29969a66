//! Published keys, key ids and HTTP headers.

use super::super::keys::PublicKey;
use super::*;

#[test]
fn the_published_keys_are_a_jwk_set() {
    let key = key();
    let json = serde_json::to_value(keys(&[&key])).expect("JSON");
    let x = base64(key.public().x.0);
    let jwk = json!({
        "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": key.kid(), "x": x,
    });
    assert_eq!(json, json!({"keys": [jwk]}));
    assert_eq!(serde_json::from_value::<PublicKeys>(json).expect("keys"), keys(&[&key]));
}

#[test]
fn a_published_key_of_a_kind_that_is_not_ours_is_left_out() {
    let key = key();
    let jwk = json!(key.public());
    let others = [
        json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "r"}),
        with(jwk.clone(), "use", json!("enc")),
        with(jwk.clone(), "x", json!("AAAA")),
        with(jwk.clone(), "crv", json!("X25519")),
        json!("key"),
    ];
    let all = [&others[..], &[jwk]].concat();
    let set = json!({"keys": all});
    assert_eq!(serde_json::from_value::<PublicKeys>(set).expect("keys"), keys(&[&key]));
    assert!(serde_json::from_value::<PublicKeys>(json!({})).is_err());
}

/// RFC 8037, appendix A.
#[test]
fn a_key_has_the_thumbprint_of_the_standard_as_its_name() {
    let seed = "302e020100300506032b657004220420\
                9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    let bytes: Vec<u8> = (0..seed.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&seed[at..at + 2], 16).expect("hex"))
        .collect();
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&bytes).expect("a key");
    let public: &[u8] = ring::signature::KeyPair::public_key(&pair).as_ref();
    let jwk = PublicKey::new(public.try_into().expect("32 bytes"));
    assert_eq!(String::from(jwk.x), "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    assert_eq!(jwk.kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn a_key_is_told_by_its_name_and_never_by_its_secret() {
    let key = key();
    let shown = format!("{key:?}{:?}{:?}", verifier(&key), key.clone());
    let seed = &key.pkcs8()[16..48];
    assert!(shown.contains(key.kid()));
    assert!(!shown.contains(&format!("{seed:?}")) && !shown.contains(&base64(key.pkcs8())));
    assert_eq!(SigningKey::from_pkcs8(b"no key").map(drop), Err(KeyError::NotAKey));
    let again = SigningKey::from_pkcs8(key.pkcs8()).expect("the same key");
    assert_eq!(again.public(), key.public());
}

/// Calls [`bearer`] with these `Authorization` headers.
fn read(values: &[&'static str]) -> Result<Option<String>, Problem> {
    let header = |value: &&'static str| (AUTHORIZATION, value.parse().expect("a header"));
    let headers: HeaderMap = values.iter().map(header).collect();
    bearer(&headers).map(|token| token.map(str::to_owned))
}

#[test]
fn the_scheme_of_authorization_is_bearer_in_any_case() {
    assert_eq!(read(&[]), Ok(None));
    for good in ["Bearer a.b-c_d~+/==", "bearer a.b-c_d~+/==", "BEARER  a.b-c_d~+/== "] {
        assert_eq!(read(&[good]), Ok(Some("a.b-c_d~+/==".to_owned())), "{good}");
    }
    for other in ["Basic YWRhOmFkYQ==", "Bearerabc", "", "Token abc"] {
        let problem = Problem::unauthenticated("the scheme of Authorization is Bearer here");
        assert_eq!(read(&[other]), Err(problem), "{other}");
    }
    for bad in ["Bearer", "Bearer ", "Bearer a b", "Bearer a,b", "Bearer \"a\"", "Bearer ="] {
        let error = read(&[bad]).expect_err("malformed");
        assert_eq!(challenge(error), (401, "Bearer error=\"invalid_token\"".to_owned()), "{bad}");
    }
    assert!(read(&["Bearer abc", "Bearer abc"]).is_err(), "which one?");
}

fn challenge(problem: Problem) -> (u16, String) {
    use axum::http::header::WWW_AUTHENTICATE;
    use axum::response::IntoResponse;
    let response = problem.into_response();
    let challenge = response.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
    (response.status().as_u16(), challenge.unwrap_or_default().to_owned())
}

#[test]
fn a_401_says_whether_there_was_a_token() {
    assert_eq!(challenge(Problem::unauthenticated("")), (401, "Bearer".to_owned()));
    let bad = (401, "Bearer error=\"invalid_token\"".to_owned());
    assert_eq!(challenge(TokenError::Expired.into()), bad);
    assert_eq!(challenge(Problem::forbidden("")), (403, String::new()));
}
