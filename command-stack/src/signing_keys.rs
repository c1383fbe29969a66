//! The keys that sign access tokens: a file that its owner alone may read, in the data directory.
//!
//! The newest key signs, all of them verify. Every process on the data directory reads the same
//! file and notices when another has changed it, so a rotation needs no restart. The file is only
//! ever replaced as a whole, by a rename, and by one process at a time.
//! Left out on purpose: encrypting it. Whoever could read the password could read the file.

mod file;
#[cfg(test)]
mod tests;

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use chrono::Utc;
use events::Timestamp;
use proto::token::{Claims, KeyError, LEEWAY, Principal, PublicKeys, SigningKey};

use self::file::{Key, Stamp, lock, read, write};

/// The longest that a token may live, and so how long a key is needed after its last token.
pub const MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Why there are no keys, or no token. Says nothing about the keys.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeysError {
    /// The file or its folder cannot be used.
    #[error("the signing keys in {path} cannot be {doing}")]
    File {
        path: PathBuf,
        /// What was not possible, such as `read`.
        doing: &'static str,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{path} does not hold signing keys: {reason}")]
    Corrupt {
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A token would outlive its key.
    #[error("a token lives for 24 hours at most")]
    LivesTooLong,
    /// No key was made, or nothing was signed.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// The keys of a data directory.
#[derive(Debug)]
pub struct SigningKeys {
    path: PathBuf,
    loaded: RwLock<Loaded>,
}

impl SigningKeys {
    /// The keys in this file, which is made with a first key if it is not there. Its folder must
    /// be there.
    ///
    /// # Errors
    /// See [`SigningKeysError`].
    pub fn open_or_create(path: impl Into<PathBuf>) -> Result<Self, SigningKeysError> {
        let path = path.into();
        let loaded = match load(&path) {
            Err(error) if is_missing(&error) => create(&path)?,
            loaded => loaded?,
        };
        Ok(Self { path, loaded: RwLock::new(loaded) })
    }

    /// A token for this principal, signed with the newest key.
    ///
    /// # Errors
    /// [`SigningKeysError::LivesTooLong`] and [`SigningKeysError::Key`].
    pub fn sign(
        &self,
        principal: &Principal,
        lifetime: Duration,
        now: Timestamp,
    ) -> Result<String, SigningKeysError> {
        if lifetime > MAX_LIFETIME {
            return Err(SigningKeysError::LivesTooLong);
        }
        self.refresh();
        let key = self.loaded.read().unwrap_or_else(PoisonError::into_inner).newest.clone();
        Ok(key.sign(&Claims::new(principal, lifetime, now))?)
    }

    /// What others need to verify the tokens.
    #[must_use]
    pub fn public(&self) -> PublicKeys {
        self.refresh();
        self.loaded.read().unwrap_or_else(PoisonError::into_inner).public.clone()
    }

    /// Reads the file again if another process has changed it; costs one `stat` if not. When it
    /// cannot be read, the keys that were read before go on: a mistake in the file must not sign
    /// everybody out.
    pub fn refresh(&self) {
        let stamp = fs::metadata(&self.path).ok().map(|metadata| Stamp::of(&metadata));
        if self.loaded.read().unwrap_or_else(PoisonError::into_inner).stamp == stamp {
            return;
        }
        let read = load(&self.path);
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(read) => *loaded = read,
            Err(error) => {
                // Remembered, so that the same mistake is logged once and not for every token.
                loaded.stamp = stamp;
                tracing::error!(%error, "the signing keys were not read again");
            }
        }
    }
}

/// Adds a key to this file, which signs from now on, and answers its name. The former keys stay
/// for as long as a token of theirs may be on its way.
///
/// # Errors
/// [`SigningKeysError::File`], also when there is no such file, and the others.
pub fn rotate(path: &Path, now: Timestamp) -> Result<String, SigningKeysError> {
    // Before the lock, which would leave a file in a folder that is not ours.
    fs::metadata(path).map_err(|source| file_error(path, "read", source))?;
    let _lock = lock(path)?;
    let (mut keys, _) = read(path)?;
    // The order of the keys in the file decides which is the newest, also if a clock went back.
    let latest = keys.last().map_or(now, |key| now.max(key.created_at));
    keys.push(Key { created_at: latest, key: SigningKey::generate()? });
    let kept = still_needed(&keys, latest);
    keys.drain(..keys.len() - kept);
    write(path, &keys)?;
    Ok(keys.last().map(|key| key.key.kid().to_owned()).unwrap_or_default())
}

/// How many of the newest keys may have signed a token that is still good. A key has signed until
/// the next one was made.
fn still_needed(keys: &[Key], now: Timestamp) -> usize {
    let needed = MAX_LIFETIME + LEEWAY;
    let superseded = keys.iter().skip(1).rev();
    let recently = |next: &&Key| {
        let age_ms = now.millis() - next.created_at.millis();
        i128::from(age_ms) < needed.as_millis().cast_signed()
    };
    1 + superseded.take_while(recently).count()
}

/// What a process has read of the file.
#[derive(Debug)]
struct Loaded {
    newest: SigningKey,
    public: PublicKeys,
    /// None: the file was not there when it was looked at again.
    stamp: Option<Stamp>,
}

fn load(path: &Path) -> Result<Loaded, SigningKeysError> {
    let (keys, stamp) = read(path)?;
    let Some(newest) = keys.last().map(|key| key.key.clone()) else {
        return Err(corrupt(path, "it is empty"));
    };
    let public = keys.iter().map(|key| key.key.public().clone()).collect();
    Ok(Loaded { newest, public, stamp: Some(stamp) })
}

fn create(path: &Path) -> Result<Loaded, SigningKeysError> {
    let _lock = lock(path)?;
    // Another process may have been first: then its key is the one.
    match load(path) {
        Err(error) if is_missing(&error) => {}
        loaded => return loaded,
    }
    let created_at = Utc::now().into();
    let first = Key { created_at, key: SigningKey::generate()? };
    write(path, std::slice::from_ref(&first))?;
    tracing::info!(kid = first.key.kid(), path = %path.display(), "made a key to sign tokens with");
    load(path)
}

fn is_missing(error: &SigningKeysError) -> bool {
    matches!(error, SigningKeysError::File { source, .. } if source.kind() == ErrorKind::NotFound)
}

fn file_error(path: &Path, doing: &'static str, source: io::Error) -> SigningKeysError {
    SigningKeysError::File { path: path.to_owned(), doing, source }
}

fn corrupt(path: &Path, reason: &'static str) -> SigningKeysError {
    SigningKeysError::Corrupt { path: path.to_owned(), reason }
}
