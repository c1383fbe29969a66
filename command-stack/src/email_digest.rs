//! Which e-mail addresses are the same, without the addresses.

use sha2::{Digest, Sha256};

/// A digest of an e-mail address: what makes two addresses the same. Upper and lower case do not
/// matter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EmailDigest(pub(crate) [u8; 32]);

impl EmailDigest {
    /// SHA-256 of the address in lower case.
    #[must_use]
    pub fn of(email: &str) -> Self {
        Self(Sha256::digest(email.to_lowercase()).into())
    }
}
