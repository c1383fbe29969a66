//! Verification of access tokens, with a cache, because every command needs it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, RwLock};

use events::Timestamp;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use ring::digest::{SHA256, digest};

use super::{AUDIENCE, Claims, ISSUER, Principal, PublicKeys, TYPE, TokenError, ed25519};

/// Maximum number of cached tokens: about 2 MB.
const REMEMBERED: usize = 4096;

/// The checks of the library. It does not check times, because it would read the system clock.
static VALIDATION: LazyLock<Validation> = LazyLock::new(|| {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
    validation.validate_exp = false;
    validation
});

/// Verifies access tokens with public keys that can be replaced during use.
pub struct Verifier {
    trusted: RwLock<Arc<Trusted>>,
}

impl Verifier {
    /// Accepts tokens signed with these keys.
    #[must_use]
    pub fn new(keys: PublicKeys) -> Self {
        Self { trusted: RwLock::new(Trusted::new(keys)) }
    }

    /// Replaces the keys; tokens verified with removed keys become invalid.
    pub fn replace(&self, keys: PublicKeys) {
        *self.trusted.write().unwrap_or_else(PoisonError::into_inner) = Trusted::new(keys);
    }

    /// The principal of a valid token.
    ///
    /// # Errors
    /// See [`TokenError`]. [`TokenError::UnknownKey`] may mean that newer keys exist.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Principal, TokenError> {
        let trusted = Arc::clone(&self.trusted.read().unwrap_or_else(PoisonError::into_inner));
        let claims = trusted.claims(token)?;
        claims.check_times(now)?;
        Ok(claims.principal())
    }
}

/// Prints neither keys nor tokens.
impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

/// A set of keys and the tokens verified with it, replaced together.
/// A token that is verified during a replacement is cached only with the old keys.
struct Trusted {
    keys: HashMap<String, DecodingKey>,
    /// Claims by the SHA-256 of the token, so that no token stays in memory.
    verified: Mutex<HashMap<[u8; 32], Arc<Claims>>>,
}

impl Trusted {
    fn new(keys: PublicKeys) -> Arc<Self> {
        ed25519::install();
        let key = |key: super::PublicKey| (key.kid, DecodingKey::from_ed_der(&key.x.0));
        let keys = keys.keys.into_iter().map(key).collect();
        Arc::new(Self { keys, verified: Mutex::default() })
    }

    /// The claims of a correctly signed token, without a check of the times.
    /// The result is cached, and the times may become invalid later.
    fn claims(&self, token: &str) -> Result<Arc<Claims>, TokenError> {
        let name = sha256(token);
        let known =
            self.verified.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
        if let Some(claims) = known {
            return Ok(claims);
        }
        let claims = Arc::new(self.verify(token)?);
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if verified.len() >= REMEMBERED {
            verified.clear();
        }
        verified.insert(name, Arc::clone(&claims));
        Ok(claims)
    }

    fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        let header = decode_header(token).map_err(|_| TokenError::Invalid("unreadable header"))?;
        let kid = check_header(&header)?;
        let key = self.keys.get(kid).ok_or(TokenError::UnknownKey)?;
        let decoded = decode::<Claims>(token, key, &VALIDATION);
        decoded.map(|token| token.claims).map_err(|error| TokenError::Invalid(reason(error.kind())))
    }
}

fn sha256(token: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    hash
}

/// The `kid` of an acceptable header. The algorithm is checked before a key is chosen.
fn check_header(header: &Header) -> Result<&str, TokenError> {
    let media_type = format!("application/{TYPE}");
    let typ = header.typ.as_deref().unwrap_or_default();
    if header.alg != Algorithm::EdDSA {
        Err(TokenError::Invalid("another algorithm than EdDSA"))
    } else if !typ.eq_ignore_ascii_case(TYPE) && !typ.eq_ignore_ascii_case(&media_type) {
        Err(TokenError::Invalid("not of the type at+jwt"))
    } else if header.crit.is_some() {
        // The library ignores `crit`, which RFC 7515, 4.1.11 forbids.
        Err(TokenError::Invalid("an extension that is not known here"))
    } else {
        header.kid.as_deref().ok_or(TokenError::Invalid("no kid"))
    }
}

fn reason(error: &ErrorKind) -> &'static str {
    match error {
        ErrorKind::InvalidSignature => "wrong signature",
        ErrorKind::InvalidIssuer => "another issuer",
        ErrorKind::InvalidAudience => "another audience",
        ErrorKind::MissingRequiredClaim(_) => "a claim is missing",
        _ => "unreadable",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use events::{Role, UserId};
    use uuid::Uuid;

    use super::super::{ACCESS_TOKEN_LIFETIME, SigningKey};
    use super::*;

    #[test]
    fn only_good_tokens_are_remembered_and_only_so_many() {
        let key = SigningKey::generate().expect("a key");
        let verifier = Verifier::new([key.public().clone()].into_iter().collect());
        let remembered =
            || verifier.trusted.read().expect("keys").verified.lock().expect("tokens").len();
        let now = Timestamp::from_millis(1_795_244_400_000);
        let roles = BTreeSet::from([Role::Reader]);
        let reader = Principal { user_id: UserId(Uuid::now_v7()), roles, session: None };
        let token = || {
            let claims = Claims::new(&reader, ACCESS_TOKEN_LIFETIME, now);
            key.sign(&claims).expect("a token")
        };

        let first = token();
        assert!(verifier.verify(&format!("{first}A"), now).is_err());
        assert_eq!(remembered(), 0);
        assert!(verifier.verify(&first, now).is_ok() && verifier.verify(&first, now).is_ok());
        assert_eq!(remembered(), 1);
        for _ in 1..REMEMBERED {
            assert!(verifier.verify(&token(), now).is_ok());
        }
        assert_eq!(remembered(), REMEMBERED);
        assert!(verifier.verify(&token(), now).is_ok());
        assert_eq!(remembered(), 1, "full: it begins anew");
        assert!(verifier.verify(&first, now).is_ok());
    }
}
