//! What is kept of users beside the log, because it must be possible to destroy it: the keys that
//! open their names, whose an e-mail address is, and the hashes of their passwords.
//!
//! The log is the truth, and this is beside it without a transaction over both (docs/adr/0009). An
//! address is claimed here first and then said in an event. A claim that the log does not confirm
//! signs nobody in, and after [`CLAIM_LIFETIME`] it gives way to the next who asks: so a process
//! that dies in between leaves nothing that would have to be repaired.

mod tables;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use events::personal::{KeyReader, PersonalText, UserKey};
use events::user::User;
use events::{LogError, Timestamp, UserId};
use uuid::Uuid;

pub use self::tables::{PostgresAccounts, SqliteAccounts};
use crate::aggregate::fold;
use crate::email_digest::EmailDigest;
use crate::event_log::EventLog;
use crate::sessions::SessionStore;

/// How long a claim that the log does not confirm is believed to be on its way there. An append
/// takes far less, or fails.
pub const CLAIM_LIFETIME: Duration = Duration::from_secs(60);

/// A new account, before the log knows of it.
pub struct NewAccount {
    /// Whose.
    pub user: UserId,
    /// Opens what will be sealed.
    pub key: UserKey,
    /// The address that is claimed.
    pub email: EmailDigest,
    /// argon2id in PHC string format.
    pub password_hash: String,
}

/// A claim on an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Whose.
    pub user: UserId,
    /// Since when.
    pub since: Timestamp,
}

/// The tables of accounts. All of it can be deleted.
#[async_trait]
pub trait AccountStore: KeyReader + SessionStore {
    /// Keeps key, password and claim, all or nothing. If the address is claimed, by whom and since
    /// when: then nothing was kept, unless that claim is the one to be replaced.
    async fn open(
        &self,
        account: &NewAccount,
        replaces: Option<Claim>,
        now: Timestamp,
    ) -> Result<Option<Claim>, LogError>;

    /// Claims a further address for a user, or renews the claim. If somebody else has claimed it,
    /// who and since when: then nothing changed, unless that claim is the one to be replaced.
    async fn claim(
        &self,
        user: UserId,
        email: &EmailDigest,
        replaces: Option<Claim>,
        now: Timestamp,
    ) -> Result<Option<Claim>, LogError>;

    /// Who claims an address, and the hash of that user's password.
    async fn find(&self, email: &EmailDigest) -> Result<Option<(UserId, String)>, LogError>;

    /// The hash of a user's password.
    async fn password(&self, user: UserId) -> Result<Option<String>, LogError>;

    /// Replaces the hash of a user's password.
    async fn set_password(&self, user: UserId, hash: &str) -> Result<(), LogError>;

    /// Destroys all that is kept of a user, and ends its sessions.
    async fn destroy(&self, user: UserId) -> Result<(), LogError>;
}

/// Why an address cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Another user has it, or is registering with it.
    #[error("the e-mail address is taken")]
    EmailTaken,
    /// The database failed.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Opens an account for a user who is about to be registered.
///
/// # Errors
/// See [`ClaimError`].
pub async fn open(
    store: &dyn AccountStore,
    log: &Arc<dyn EventLog>,
    account: &NewAccount,
    now: Timestamp,
) -> Result<(), ClaimError> {
    let Some(claim) = store.open(account, None, now).await? else { return Ok(()) };
    let standing = standing(store, log, claim, &account.email, now).await?;
    if standing == Standing::Holds || store.open(account, Some(claim), now).await?.is_some() {
        return Err(ClaimError::EmailTaken);
    }
    Ok(clear_up(store, claim, standing).await?)
}

/// Claims another address for a user who is about to change to it.
///
/// # Errors
/// See [`ClaimError`].
pub async fn claim(
    store: &dyn AccountStore,
    log: &Arc<dyn EventLog>,
    user: UserId,
    email: &EmailDigest,
    now: Timestamp,
) -> Result<(), ClaimError> {
    let Some(claim) = store.claim(user, email, None, now).await? else { return Ok(()) };
    let standing = standing(store, log, claim, email, now).await?;
    if standing == Standing::Holds || store.claim(user, email, Some(claim), now).await?.is_some() {
        return Err(ClaimError::EmailTaken);
    }
    Ok(clear_up(store, claim, standing).await?)
}

/// What a claim is worth.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// The log confirms it, or it may be on its way there.
    Holds,
    /// Its user has another address.
    GivenUp,
    /// Its user was never registered.
    OfNobody,
}

/// Of a registration that never came to anything nothing is kept.
async fn clear_up(
    store: &dyn AccountStore,
    claim: Claim,
    standing: Standing,
) -> Result<(), LogError> {
    match standing {
        Standing::OfNobody => store.destroy(claim.user).await,
        Standing::Holds | Standing::GivenUp => Ok(()),
    }
}

async fn standing(
    store: &dyn AccountStore,
    log: &Arc<dyn EventLog>,
    claim: Claim,
    email: &EmailDigest,
    now: Timestamp,
) -> Result<Standing, LogError> {
    let age_ms = i128::from(now.millis() - claim.since.millis());
    if age_ms <= CLAIM_LIFETIME.as_millis().cast_signed() {
        return Ok(Standing::Holds);
    }
    let user = fold::<User>(&log.read_stream(&claim.user.into()).await?)?;
    let confirmed = confirms(store, user.as_ref(), email).await?;
    Ok(match user {
        None => Standing::OfNobody,
        Some(_) if confirmed => Standing::Holds,
        Some(_) => Standing::GivenUp,
    })
}

/// Whether the log says that this is the user's address. Asks for a key also when there is no user,
/// so that the time it takes does not tell who exists.
///
/// # Errors
/// When the keys cannot be read.
pub async fn confirms(
    store: &dyn AccountStore,
    user: Option<&User>,
    email: &EmailDigest,
) -> Result<bool, LogError> {
    let id = user.map_or(UserId(Uuid::nil()), |user| user.id);
    let key = store.keys(&[id]).await?.remove(&id);
    let address = match (key, user.and_then(|user| user.email.as_ref())) {
        (Some(key), Some(PersonalText::Sealed(sealed))) => key.open(sealed),
        _ => None,
    };
    Ok(address.is_some_and(|address| EmailDigest::of(&address) == *email))
}

#[cfg(test)]
mod contract;
