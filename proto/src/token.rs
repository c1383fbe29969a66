//! Access tokens: who somebody is and what they may be, signed, so that no service has to ask
//! another one. JWTs (RFC 7519) of the profile of RFC 9068, signed with Ed25519 (RFC 8037).
//!
//! Invariant: nothing of a token is believed before its signature was verified with a key that we
//! chose, by the one algorithm that we use; what its header says about that decides nothing.
//! Left out on purpose: revocation. A token lives for minutes; sessions are what is revoked.

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

/// Who issues the tokens: `iss`.
pub const ISSUER: &str = "portal";
/// Whom they are for: `aud`.
pub const AUDIENCE: &str = "portal";
/// By how much the clocks of two services may differ.
pub const LEEWAY: Duration = Duration::from_secs(60);
/// How long the token of a session lives. A changed role or an ended session counts after that.
pub const ACCESS_TOKEN_LIFETIME: Duration = Duration::from_secs(10 * 60);
/// `typ`, so that no other kind of JWT passes for an access token (RFC 9068, 2.1).
const TYPE: &str = "at+jwt";

/// Whoever is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    pub user_id: UserId,
    /// What they were when the token was signed.
    pub roles: BTreeSet<Role>,
    /// The session that the token belongs to; a token made by an operator has none.
    pub session: Option<Uuid>,
}

impl Principal {
    /// Whether they have this role. None includes another.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// As whom their commands are recorded.
    #[must_use]
    pub const fn actor(&self) -> Actor {
        Actor::User(self.user_id)
    }
}

/// What a token says. Times are in seconds since 1970, as RFC 7519 wants them.
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
    /// For a token that is issued now. A part of a second of the lifetime does not count.
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

    /// The numbers come from whoever wrote the token, hence the saturating sums.
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

/// Why a token is refused. It never holds the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Signed, as it says, with a key that is not in the set. After a rotation the set is an old
    /// one: get the newer one and verify again, once, and not for every such token, because
    /// anybody can write one.
    #[error("the access token is signed with an unknown key")]
    UnknownKey,
    /// It was good once.
    #[error("the access token has expired")]
    Expired,
    /// Not a token of ours.
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
/// 401 for another scheme, or for what cannot be a token (RFC 6750, 2.1).
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
