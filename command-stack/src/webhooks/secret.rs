//! The secret of a subscription; signs per Standard Webhooks with HMAC-SHA256.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use events::{BoxError, Timestamp};
use ring::hmac;
use serde::{Deserialize, Serialize};

/// The prefix of Standard Webhooks for symmetric secrets.
const PREFIX: &str = "whsec_";

/// 256 random bits, in base64.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Generates a secret.
    ///
    /// # Errors
    /// When the operating system provides no randomness.
    pub fn generate() -> Result<Self, BoxError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(STANDARD.encode(bytes)))
    }

    /// The secret with its prefix; returned only to the request that made it.
    #[must_use]
    pub fn shown(&self) -> String {
        format!("{PREFIX}{}", self.0)
    }

    /// One entry of the header `webhook-signature`.
    pub(super) fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> String {
        let key = STANDARD.decode(&self.0).unwrap_or_default();
        let mut signing = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &key));
        signing.update(format!("{id}.{}.", seconds(at)).as_bytes());
        signing.update(body);
        format!("v1,{}", STANDARD.encode(signing.sign()))
    }
}

/// The header `webhook-timestamp`, in seconds.
pub(super) fn seconds(at: Timestamp) -> i64 {
    at.millis().div_euclid(1000)
}
