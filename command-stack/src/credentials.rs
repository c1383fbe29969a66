//! E-mail addresses and password hashes: what must be erasable is kept beside the log, not in it.
//!
//! A registration writes twice: it first claims the address here, then appends `UserRegistered`.
//! Dying in between leaves a claim without a user. Nothing was acknowledged, and the claim does not
//! block the address for ever: after [`CLAIM_LIFETIME`] a claim whose user does not exist is given
//! to the next who asks. An append takes far less, or fails.

use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::PasswordHasher;
use async_trait::async_trait;
use chrono::Utc;
use events::{BoxError, LogError, Timestamp, UserId};
use sqlx::{PgPool, SqlitePool};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use uuid::Uuid;

use crate::event_log::{EventLog, log_error};

/// How long a claim without a user is believed to be a registration that is still going on.
pub const CLAIM_LIFETIME: Duration = Duration::from_secs(60);

/// Who signs in with what.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Whose.
    pub user_id: UserId,
    /// As the user wrote it.
    pub email: String,
    /// argon2id in PHC string format.
    pub password_hash: String,
}

/// The address is another user's.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Another user has it, or is registering with it.
    #[error("the e-mail address is taken")]
    EmailTaken,
    /// The database failed.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// What makes two addresses the same: upper and lower case do not matter.
#[must_use]
pub fn email_key(email: &str) -> String {
    email.to_lowercase()
}

/// How long a password waits for its turn to be hashed.
const HASH_PATIENCE: Duration = Duration::from_secs(5);

/// One hash per core at a time: each takes 19 MiB, and more of them at once would not be faster.
static HASHING: LazyLock<Semaphore> = LazyLock::new(|| {
    Semaphore::new(std::thread::available_parallelism().map_or(1, NonZeroUsize::get))
});

/// Why a password was not hashed.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// Too many wait; try again after a moment.
    #[error("too many passwords are waiting")]
    Overloaded,
    /// The operating system has no randomness or the thread died.
    #[error("a password was not hashed")]
    Failed(#[source] BoxError),
}

/// argon2id with the crate's defaults, which follow OWASP (19 MiB, 2 passes, 1 lane), on a thread
/// where it blocks nobody.
///
/// # Errors
/// See [`HashError`].
pub async fn hash_password(password: String) -> Result<String, HashError> {
    let turn = timeout(HASH_PATIENCE, HASHING.acquire()).await;
    let _turn = turn.map_err(|_| HashError::Overloaded)?;
    hash(password).await.map_err(HashError::Failed)
}

async fn hash(password: String) -> Result<String, BoxError> {
    let hash = move || Argon2::default().hash_password(password.as_bytes());
    Ok(tokio::task::spawn_blocking(hash).await??.to_string())
}

/// The table of credentials.
#[async_trait]
pub trait CredentialStore: Send + Sync {
    /// Inserts if nobody has the address; otherwise who has it, and since when.
    async fn insert(&self, new: &Credentials) -> Result<Option<(UserId, Timestamp)>, LogError>;

    /// Gives the claim of `holder` to a new user, unless somebody else just did.
    async fn take_over(&self, holder: UserId, new: &Credentials) -> Result<bool, LogError>;

    /// Gives a claim back whose user was certainly not registered.
    async fn release(&self, user: UserId) -> Result<(), LogError>;

    /// Changes the address of a user; false when another has it.
    async fn change_email(&self, user: UserId, email: &str) -> Result<bool, LogError>;
}

/// Claims an address for a user who is about to be registered.
///
/// # Errors
/// See [`ClaimError`].
pub async fn claim(
    store: &dyn CredentialStore,
    log: &Arc<dyn EventLog>,
    new: &Credentials,
) -> Result<(), ClaimError> {
    let Some((holder, since)) = store.insert(new).await? else { return Ok(()) };
    let age_ms = Utc::now().timestamp_millis() - since.millis();
    let abandoned = i128::from(age_ms) > CLAIM_LIFETIME.as_millis().cast_signed();
    if abandoned
        && log.read_stream(&holder.into()).await?.is_empty()
        && store.take_over(holder, new).await?
    {
        return Ok(());
    }
    Err(ClaimError::EmailTaken)
}

/// The same statements serve both databases: SQLite also numbers its parameters with `$`.
macro_rules! credential_store {
    ($pool:ty) => {
        #[async_trait]
        impl CredentialStore for $pool {
            async fn insert(
                &self,
                new: &Credentials,
            ) -> Result<Option<(UserId, Timestamp)>, LogError> {
                loop {
                    let inserted = sqlx::query(
                        "INSERT INTO credentials \
                         (user_id, email, email_key, password_hash, claimed_at) \
                         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (email_key) DO NOTHING",
                    )
                    .bind(new.user_id.0)
                    .bind(&new.email)
                    .bind(email_key(&new.email))
                    .bind(&new.password_hash)
                    .bind(Utc::now().timestamp_millis())
                    .execute(self)
                    .await
                    .map_err(log_error)?;
                    if inserted.rows_affected() == 1 {
                        return Ok(None);
                    }
                    let query = "SELECT user_id, claimed_at FROM credentials WHERE email_key = $1";
                    let holder: Option<(Uuid, i64)> = sqlx::query_as(query)
                        .bind(email_key(&new.email))
                        .fetch_optional(self)
                        .await
                        .map_err(log_error)?;
                    // None: whoever had the address has just given it up.
                    if let Some((id, since)) = holder {
                        return Ok(Some((UserId(id), Timestamp::from_millis(since))));
                    }
                }
            }

            async fn take_over(&self, holder: UserId, new: &Credentials) -> Result<bool, LogError> {
                let updated = sqlx::query(
                    "UPDATE credentials SET user_id = $1, email = $2, password_hash = $3, \
                     claimed_at = $4 WHERE user_id = $5",
                )
                .bind(new.user_id.0)
                .bind(&new.email)
                .bind(&new.password_hash)
                .bind(Utc::now().timestamp_millis())
                .bind(holder.0)
                .execute(self)
                .await
                .map_err(log_error)?;
                Ok(updated.rows_affected() == 1)
            }

            async fn release(&self, user: UserId) -> Result<(), LogError> {
                let query = sqlx::query("DELETE FROM credentials WHERE user_id = $1").bind(user.0);
                query.execute(self).await.map(drop).map_err(log_error)
            }

            async fn change_email(&self, user: UserId, email: &str) -> Result<bool, LogError> {
                let updated = sqlx::query(
                    "UPDATE credentials SET email = $1, email_key = $2 WHERE user_id = $3",
                )
                .bind(email)
                .bind(email_key(email))
                .bind(user.0)
                .execute(self)
                .await;
                match updated {
                    Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(false),
                    Ok(done) if done.rows_affected() == 0 => {
                        Err(LogError::Corrupt("a user without credentials".into()))
                    }
                    other => other.map(|_| true).map_err(log_error),
                }
            }
        }
    };
}

credential_store!(PgPool);
credential_store!(SqlitePool);
