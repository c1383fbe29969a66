//! Passwords: hashed with argon2id, one per core at a time.

use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::LazyLock;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use events::text::Text;
use events::{BoxError, Invalid};
use proto::fields::Field;
use schemars::JsonSchema;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// How long a password waits for its turn.
const HASHING_SLOT_TIMEOUT: Duration = Duration::from_secs(3);
/// Passwords that wait for each core: so many as can be hashed meanwhile, at about 30 ms each.
const WAITING_PER_CORE: usize = 96;

/// Each hash takes 19 MiB, and more of them at once than there are cores would not be faster.
static HASHING: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(cores()));
static WAITING: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(cores() * WAITING_PER_CORE));

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// The hash of a password that nobody has: compared for an address that nobody has, so that both
/// take the same time.
static NOBODYS: LazyLock<Result<String, String>> = LazyLock::new(|| {
    hash_now(&uuid::Uuid::new_v4().to_string()).map_err(|error| error.to_string())
});

/// A password that a user chooses. It cannot be printed.
#[derive(JsonSchema)]
#[schemars(inline)]
pub struct Password(Chosen);

type Chosen = Text<8, 200>;

impl FromStr for Password {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        text.parse().map(Self)
    }
}

impl Field for Password {
    fn allowed() -> String {
        Chosen::allowed()
    }

    fn read(text: &str) -> Result<Self, Invalid> {
        text.parse()
    }
}

/// Why a password was not hashed or compared.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// Too many wait; try again after a moment.
    #[error("too many passwords are waiting")]
    Overloaded,
    /// The operating system has no randomness, the thread died, or a stored hash is damaged.
    #[error("a password was not hashed")]
    Failed(#[source] BoxError),
}

/// argon2id with the crate's defaults, which follow OWASP (19 MiB, 2 passes, 1 lane), on a thread
/// where it blocks nobody. In PHC string format.
///
/// # Errors
/// See [`HashError`].
pub async fn hash(password: Password) -> Result<String, HashError> {
    let _turn = turn().await?;
    let hashed = spawn_blocking(move || hash_now(password.0.as_str())).await;
    hashed.map_err(|died| HashError::Failed(died.into()))?.map_err(HashError::Failed)
}

/// Whether this is the password with this hash; with `None`, of nobody, it takes as long and is
/// false.
///
/// # Errors
/// See [`HashError`].
pub async fn verify(password: String, hash: Option<String>) -> Result<bool, HashError> {
    let _turn = turn().await?;
    let verified = spawn_blocking(move || verify_now(&password, hash)).await;
    verified.map_err(|died| HashError::Failed(died.into()))?.map_err(HashError::Failed)
}

async fn turn() -> Result<SemaphorePermit<'static>, HashError> {
    // Who would wait in vain is told so at once.
    let _place = WAITING.try_acquire().map_err(|_| HashError::Overloaded)?;
    let turn = timeout(HASHING_SLOT_TIMEOUT, HASHING.acquire()).await;
    turn.ok().and_then(Result::ok).ok_or(HashError::Overloaded)
}

fn hash_now(password: &str) -> Result<String, BoxError> {
    Ok(Argon2::default().hash_password(password.as_bytes())?.to_string())
}

fn verify_now(password: &str, hash: Option<String>) -> Result<bool, BoxError> {
    let somebodys = hash.is_some();
    let hash = match hash {
        Some(hash) => hash,
        None => NOBODYS.clone()?,
    };
    let parsed = PasswordHash::new(&hash)?;
    Ok(Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok() && somebodys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_somebody_is_right() {
        let hashed = hash("correct horse".parse().expect("a password")).await.expect("a hash");
        assert!(hashed.starts_with("$argon2id$"), "{hashed}");
        let verify = async |password: &str, hash: Option<&String>| {
            verify(password.to_owned(), hash.cloned()).await.expect("an answer")
        };
        assert!(verify("correct horse", Some(&hashed)).await);
        assert!(!verify("wrong horse", Some(&hashed)).await);
        assert!(!verify("correct horse", None).await);
    }
}
