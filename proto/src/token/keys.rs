//! Signing keys, and the published set of public keys.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{Claims, TYPE, ed25519};

/// A JWK set (RFC 7517) of Ed25519 keys (RFC 8037): the JSON of `/.well-known/jwks.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PublicKeys {
    #[serde(deserialize_with = "those_we_know")]
    #[schemars(with = "Vec<PublicKey>")]
    pub(super) keys: Vec<PublicKey>,
}

/// Skips keys of other kinds instead of failing (RFC 7517, 5).
/// A later version can then publish new kinds while this one still runs.
fn those_we_know<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PublicKey>, D::Error> {
    let keys = Vec::<Value>::deserialize(deserializer)?;
    Ok(keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect())
}

impl FromIterator<PublicKey> for PublicKeys {
    fn from_iter<I: IntoIterator<Item = PublicKey>>(keys: I) -> Self {
        Self { keys: keys.into_iter().collect() }
    }
}

/// One public key of a [`PublicKeys`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PublicKey {
    kty: KeyType,
    crv: Curve,
    alg: KeyAlgorithm,
    #[serde(rename = "use")]
    usage: Usage,
    pub(super) kid: String,
    pub(super) x: Point,
}

impl PublicKey {
    /// The `kid` is the thumbprint (RFC 7638), which is unique per key.
    pub(super) fn new(x: [u8; 32]) -> Self {
        let members =
            format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, String::from(Point(x)));
        let kid = URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()));
        let (kty, crv, alg, usage) =
            (KeyType::Okp, Curve::Ed25519, KeyAlgorithm::EdDsa, Usage::Sig);
        Self { kty, crv, alg, usage, kid, x: Point(x) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
enum KeyType {
    #[serde(rename = "OKP")]
    Okp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
enum Curve {
    Ed25519,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
enum KeyAlgorithm {
    #[serde(rename = "EdDSA")]
    EdDsa,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
enum Usage {
    #[serde(rename = "sig")]
    Sig,
}

/// The bytes of a public key; base64url in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline, with = "String")]
#[serde(try_from = "String", into = "String")]
pub(super) struct Point(pub(super) [u8; 32]);

impl TryFrom<String> for Point {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| KeyError::NotAKey)?;
        bytes.try_into().map(Self).map_err(|_| KeyError::NotAKey)
    }
}

impl From<Point> for String {
    fn from(point: Point) -> Self {
        URL_SAFE_NO_PAD.encode(point.0)
    }
}

/// Why a key or token cannot be created. Contains no part of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The bytes are not an Ed25519 key.
    #[error("not an Ed25519 key")]
    NotAKey,
    /// The operating system provides no randomness.
    #[error("there is no randomness for a new key")]
    NoRandomness,
    /// The claims cannot be serialized or signed.
    #[error("the token could not be signed")]
    NotSigned,
}

/// A private key. It is erased from memory when dropped; `Debug` prints only the `kid`.
#[derive(Clone)]
pub struct SigningKey {
    public: PublicKey,
    private: EncodingKey,
}

impl SigningKey {
    /// Generates a key.
    ///
    /// # Errors
    /// [`KeyError::NoRandomness`].
    pub fn generate() -> Result<Self, KeyError> {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
        Self::from_pkcs8(pkcs8.map_err(|_| KeyError::NoRandomness)?.as_ref())
    }

    /// Restores a key from the bytes of [`Self::pkcs8`].
    ///
    /// # Errors
    /// [`KeyError::NotAKey`], also if the public and private halves do not match.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, KeyError> {
        ed25519::install();
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| KeyError::NotAKey)?;
        let x = pair.public_key().as_ref().try_into().map_err(|_| KeyError::NotAKey)?;
        Ok(Self { public: PublicKey::new(x), private: EncodingKey::from_ed_der(pkcs8) })
    }

    /// The secret key as PKCS#8 (RFC 5958) in DER, for a file that only its owner can read.
    #[must_use]
    pub fn pkcs8(&self) -> &[u8] {
        self.private.as_bytes()
    }

    /// The name of the key, which tokens carry as `kid`.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.public.kid
    }

    /// The public half, which verifies the tokens.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs claims as a token: a compact JWS (RFC 7515).
    ///
    /// # Errors
    /// [`KeyError::NotSigned`].
    pub fn sign(&self, claims: &Claims) -> Result<String, KeyError> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(self.public.kid.clone());
        let token = jsonwebtoken::encode(&header, claims, &self.private);
        token.map_err(|_| KeyError::NotSigned)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.public.kid).finish_non_exhaustive()
    }
}
