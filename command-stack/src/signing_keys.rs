//! The keys that sign access tokens: a file in the data directory, readable by its owner only.
//!
//! The newest key signs, all keys verify. Every process on the data directory reads the same file
//! and detects changes, so a rotation needs no restart. One process at a time replaces the whole
//! file with a rename.
//! The file is not encrypted on purpose: a process that can read the password can read the file.

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

/// The maximum lifetime of a token, and so the time for which a superseded key is still needed.
pub const MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Why keys could not be loaded or a token not signed; never contains key material.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeysError {
    /// The file or its folder cannot be used.
    #[error("the signing keys in {path} cannot be {doing}")]
    File {
        /// The path of the key file.
        path: PathBuf,
        /// The operation that failed, such as `read`.
        doing: &'static str,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file is not a valid key file.
    #[error("{path} does not hold signing keys: {reason}")]
    Corrupt {
        /// The path of the key file.
        path: PathBuf,
        /// The defect that was found.
        reason: &'static str,
    },
    /// The requested lifetime exceeds [`MAX_LIFETIME`].
    #[error("a token lives for 24 hours at most")]
    LivesTooLong,
    /// A key could not be generated, or a token could not be signed.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// The signing keys of a data directory.
#[derive(Debug)]
pub struct SigningKeys {
    path: PathBuf,
    loaded: RwLock<Loaded>,
}

impl SigningKeys {
    /// Opens the key file; creates it with a first key if it is missing.
    /// The folder must exist.
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

    /// Signs a token for this principal with the newest key.
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

    /// The public keys that verify the tokens.
    #[must_use]
    pub fn public(&self) -> PublicKeys {
        self.refresh();
        self.loaded.read().unwrap_or_else(PoisonError::into_inner).public.clone()
    }

    /// Reloads the file if another process has changed it; costs one `stat` if not.
    /// If the file cannot be read, the loaded keys stay in use: a broken file must not sign users
    /// out.
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
                // Stored, so that the same defect is logged once and not for every token.
                loaded.stamp = stamp;
                tracing::error!(%error, "the signing keys were not read again");
            }
        }
    }
}

/// Adds a key to the file and returns its `kid`; the new key signs from now on.
/// Former keys stay as long as a token that they signed may be valid.
///
/// # Errors
/// [`SigningKeysError::File`], also when there is no such file, and the others.
pub fn rotate(path: &Path, now: Timestamp) -> Result<String, SigningKeysError> {
    // Before the lock, which would create a file in the folder of a mistyped path.
    fs::metadata(path).map_err(|source| file_error(path, "read", source))?;
    let _lock = lock(path)?;
    let (mut keys, _) = read(path)?;
    // The order in the file decides which key is newest, so the times must not decrease.
    let latest = keys.last().map_or(now, |key| now.max(key.created_at));
    keys.push(Key { created_at: latest, key: SigningKey::generate()? });
    let kept = still_needed(&keys, latest);
    keys.drain(..keys.len() - kept);
    write(path, &keys)?;
    Ok(keys.last().map(|key| key.key.kid().to_owned()).unwrap_or_default())
}

/// The number of newest keys that may have signed a token that is still valid.
/// A key has signed until the next key was created.
fn still_needed(keys: &[Key], now: Timestamp) -> usize {
    let needed = MAX_LIFETIME + LEEWAY;
    let superseded = keys.iter().skip(1).rev();
    let recently = |next: &&Key| {
        let age_ms = now.millis() - next.created_at.millis();
        i128::from(age_ms) < needed.as_millis().cast_signed()
    };
    1 + superseded.take_while(recently).count()
}

/// The content of the file, as this process last read it.
#[derive(Debug)]
struct Loaded {
    newest: SigningKey,
    public: PublicKeys,
    /// `None`: the file was missing at the last refresh.
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
    // Another process may have created the file meanwhile: its key is used.
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
