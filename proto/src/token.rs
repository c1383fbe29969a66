//! Access tokens: signed user ids and roles, which a service verifies without calling another one.
//! JWTs (RFC 7519) with the profile of RFC 9068, signed with Ed25519 (RFC 8037).
//!
//! Invariant: no claim is trusted before its signature is verified with one of our keys and our
//! only algorithm, whatever the token's header says. Left out on purpose: revocation. A token lives
//! for minutes; sessions can be revoked.

mod ed25519;
mod keys;
#[cfg(test)]
mod tests;
mod verifier;

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use events::{Actor, Role, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Problem;

pub use self::keys::{KeyError, PublicKey, PublicKeys, SigningKey};
pub use self::verifier::Verifier;

/// The issuer of all tokens: `iss`.
pub const ISSUER: &str = "portal";
/// The audience of all tokens: `aud`.
pub const AUDIENCE: &str = "portal";
/// Tolerated difference between the clocks of two services.
pub const LEEWAY: Duration = Duration::from_secs(60);
/// Lifetime of a session's token, and so the delay until a changed role or ended session counts.
pub const ACCESS_TOKEN_LIFETIME: Duration = Duration::from_secs(10 * 60);
/// `typ`: distinguishes access tokens from other JWTs (RFC 9068, 2.1).
const TYPE: &str = "at+jwt";

/// A signed-in user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The user's id.
    pub user_id: UserId,
    /// The roles at the time of signing.
    pub roles: BTreeSet<Role>,
    /// The session of the token; an operator's token has none.
    pub session: Option<Uuid>,
}

impl Principal {
    /// Whether the user has this role. No role includes another.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// The actor in the events of this user's commands.
    #[must_use]
    pub const fn actor(&self) -> Actor {
        Actor::User(self.user_id)
    }
}

/// The claims of a token. Times are in seconds since 1970 (RFC 7519).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    iss: String,
    aud: String,
    sub: UserId,
    roles: BTreeSet<Role>,
    iat: i64,
    exp: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    jti: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sid: Option<Uuid>,
}

impl Claims {
    /// Claims of a token issued now. Fractions of a second of the lifetime are dropped.
    #[must_use]
    pub fn new(principal: &Principal, lifetime: Duration, now: Timestamp) -> Self {
        let iat = now.millis().div_euclid(1000);
        Self {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: principal.user_id,
            roles: principal.roles.clone(),
            iat,
            exp: iat.saturating_add_unsigned(lifetime.as_secs()),
            nbf: None,
            jti: Uuid::now_v7(),
            sid: principal.session,
        }
    }

    fn principal(&self) -> Principal {
        Principal { user_id: self.sub, roles: self.roles.clone(), session: self.sid }
    }

    /// The times are untrusted input, hence the saturating arithmetic.
    fn check_times(&self, now: Timestamp) -> Result<(), TokenError> {
        let earliest = self.iat.max(self.nbf.unwrap_or(i64::MIN));
        let leeway = LEEWAY.as_secs();
        if now.millis() >= self.exp.saturating_add_unsigned(leeway).saturating_mul(1000) {
            Err(TokenError::Expired)
        } else if now.millis() < earliest.saturating_sub_unsigned(leeway).saturating_mul(1000) {
            Err(TokenError::Invalid("not valid yet"))
        } else {
            Ok(())
        }
    }
}

/// Why a token is refused. Contains no part of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The named key is not in the set, which may be outdated.
    /// Fetch the newer set and verify once more, but not for each such token: anyone can write one.
    #[error("the access token is signed with an unknown key")]
    UnknownKey,
    /// The token was valid in the past.
    #[error("the access token has expired")]
    Expired,
    /// The token is malformed, forged, not valid yet or not for this portal.
    #[error("the access token is not valid: {0}")]
    Invalid(&'static str),
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        Self::invalid_token(error.to_string())
    }
}

/// The token of `Authorization: Bearer <token>`; `None` without the header.
///
/// # Errors
/// 401 for another scheme or a malformed token (RFC 6750, 2.1).
pub fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let value = value.to_str().unwrap_or_default();
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Err(Problem::unauthenticated("the scheme of Authorization is Bearer here"));
    }
    let token = token.trim_matches(' ');
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._~+/".contains(c);
    let text = token.trim_end_matches('=');
    if values.next().is_some() || text.is_empty() || !text.chars().all(allowed) {
        return Err(Problem::invalid_token("Authorization is one time Bearer and an access token"));
    }
    Ok(Some(token))
}
