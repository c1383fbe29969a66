//! Signing in, staying signed in, and signing out.
//!
//! A sign-in begins a family of refresh tokens. Each is used once and replaced by the next; when
//! one comes a second time, somebody has a copy, and nobody can tell who: the whole family ends
//! (RFC 9700, 4.14.2). Tokens are kept as digests.

use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use events::{BoxError, LogError, Timestamp, UserId};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::email_digest::EmailDigest;

/// How long a session lives without being used.
pub const SESSION_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);
/// Sign-ins for one address that may fail within [`ATTEMPT_WINDOW`].
pub const ATTEMPTS: i64 = 5;
/// How long a failed sign-in counts.
pub const ATTEMPT_WINDOW: Duration = Duration::from_secs(60);

/// A refresh token as the client has it: 256 random bits.
pub struct RefreshToken(String);

impl RefreshToken {
    /// A fresh one.
    ///
    /// # Errors
    /// When the operating system has no randomness.
    pub fn generate() -> Result<Self, BoxError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// For the client, and for nobody else.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.0
    }
}

/// What is kept of a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenDigest(pub(crate) [u8; 32]);

impl TokenDigest {
    /// SHA-256 of what the client sent. Enough for 256 random bits.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret).into())
    }
}

/// What became of a refresh token that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Used {
    /// It was good, and is used up now.
    Once {
        /// Whose session.
        user: UserId,
        /// Which session.
        family: Uuid,
    },
    /// It was used before: its family has been ended.
    Again {
        /// Whose session it was.
        user: UserId,
    },
    /// There is no such token, or it has expired.
    Unknown,
}

/// A sign-in that is being tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// Go on.
    Allowed,
    /// Too many have failed; ask again after so many seconds.
    Throttled {
        /// 1 to 60.
        retry_after_seconds: u32,
    },
}

/// The tables of sessions.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Keeps a token of a family.
    async fn give(
        &self,
        token: TokenDigest,
        family: Uuid,
        user: UserId,
        now: Timestamp,
    ) -> Result<(), LogError>;

    /// Whose session a token belongs to, used or not, and which.
    async fn find_session(
        &self,
        token: TokenDigest,
        now: Timestamp,
    ) -> Result<Option<(UserId, Uuid)>, LogError>;

    /// Uses a token up and keeps the next one; of several who try at once one gets [`Used::Once`].
    async fn use_up(
        &self,
        token: TokenDigest,
        next: TokenDigest,
        now: Timestamp,
    ) -> Result<Used, LogError>;

    /// Ends a session.
    async fn end(&self, family: Uuid) -> Result<(), LogError>;

    /// Ends the session that this token belongs to, if there is one.
    async fn end_by_token(&self, token: TokenDigest) -> Result<(), LogError>;

    /// Ends all sessions of a user.
    async fn end_all(&self, user: UserId) -> Result<(), LogError>;

    /// Notes that somebody tries to sign in, before it is known whether with the right password:
    /// so those who try at the same time count as well.
    async fn try_sign_in(&self, email: &EmailDigest, now: Timestamp) -> Result<Attempt, LogError>;

    /// Forgets the attempts: the right one has signed in.
    async fn signed_in(&self, email: &EmailDigest) -> Result<(), LogError>;
}
