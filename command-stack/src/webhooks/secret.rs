//! The secret of a subscription, and what it signs: Standard Webhooks, with HMAC-SHA256.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use events::{BoxError, Timestamp};
use ring::hmac;
use serde::{Deserialize, Serialize};

/// What tells a receiver that it is a secret, and whose kind.
const PREFIX: &str = "whsec_";

/// 256 random bits, in base64.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// A fresh one.
    ///
    /// # Errors
    /// When the operating system has no randomness.
    pub fn generate() -> Result<Self, BoxError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(STANDARD.encode(bytes)))
    }

    /// For who made the subscription, and for nobody else.
    #[must_use]
    pub fn shown(&self) -> String {
        format!("{PREFIX}{}", self.0)
    }

    /// One entry of `webhook-signature`.
    pub(super) fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> String {
        let key = STANDARD.decode(&self.0).unwrap_or_default();
        let mut signing = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &key));
        signing.update(format!("{id}.{}.", seconds(at)).as_bytes());
        signing.update(body);
        format!("v1,{}", STANDARD.encode(signing.sign()))
    }
}

/// `webhook-timestamp`
pub(super) fn seconds(at: Timestamp) -> i64 {
    at.millis().div_euclid(1000)
}
