//! The format of the key file, and how it is read, locked and replaced.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use events::Timestamp;
use proto::token::SigningKey;
use serde::{Deserialize, Serialize};

use super::{SigningKeysError, corrupt, file_error};

/// A key and when it began to sign.
pub(super) struct Key {
    pub(super) created_at: Timestamp,
    pub(super) key: SigningKey,
}

/// A key as stored. Not `Debug`, because it contains the secret.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredKey {
    pub(super) kid: String,
    created_at_ms: i64,
    /// PKCS#8 in base64url.
    pub(super) pkcs8: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct KeyFile {
    /// Oldest first.
    pub(super) keys: Vec<StoredKey>,
}

impl From<&Key> for StoredKey {
    fn from(key: &Key) -> Self {
        let (kid, created_at_ms) = (key.key.kid().to_owned(), key.created_at.millis());
        Self { kid, created_at_ms, pkcs8: URL_SAFE_NO_PAD.encode(key.key.pkcs8()) }
    }
}

impl TryFrom<StoredKey> for Key {
    type Error = &'static str;

    fn try_from(stored: StoredKey) -> Result<Self, &'static str> {
        let pkcs8 = URL_SAFE_NO_PAD.decode(stored.pkcs8).map_err(|_| "a key is not base64url")?;
        let key = SigningKey::from_pkcs8(&pkcs8).map_err(|_| "a key is not an Ed25519 key")?;
        if key.kid() != stored.kid {
            return Err("a key has another name than its thumbprint");
        }
        Ok(Self { created_at: Timestamp::from_millis(stored.created_at_ms), key })
    }
}

/// Differs between two versions of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    length: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    pub(super) fn of(metadata: &fs::Metadata) -> Self {
        let (inode, length, modified) = (metadata.ino(), metadata.len(), metadata.modified().ok());
        Self { inode, length, modified }
    }
}

/// Reads the keys and the stamp of the same file, even if it is replaced meanwhile.
pub(super) fn read(path: &Path) -> Result<(Vec<Key>, Stamp), SigningKeysError> {
    let failed = |source| file_error(path, "read", source);
    let mut file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.mode() & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "others may read the signing keys: chmod 600");
    }
    let mut json = Vec::new();
    file.read_to_end(&mut json).map_err(failed)?;
    // Without the error of the parser, which may quote a key.
    let stored: KeyFile =
        serde_json::from_slice(&json).map_err(|_| corrupt(path, "it is not the JSON expected"))?;
    let keys: Result<Vec<Key>, _> = stored.keys.into_iter().map(Key::try_from).collect();
    Ok((keys.map_err(|reason| corrupt(path, reason))?, Stamp::of(&metadata)))
}

/// Replaces the file atomically, also across a power cut; the caller holds the lock.
/// Readers see the whole old file or the whole new one.
pub(super) fn write(path: &Path, keys: &[Key]) -> Result<(), SigningKeysError> {
    let failed = |source| file_error(path, "written", source);
    let json = serde_json::to_vec_pretty(&KeyFile { keys: keys.iter().map(Into::into).collect() });
    let json = json.map_err(|error| failed(error.into()))?;
    replace(path, &json).map_err(failed)
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = beside(path, "new");
    // Left by a killed process; created anew to ensure its mode.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Locks the key file until the result is dropped.
/// The lock is a separate file, because the key file is replaced.
pub(super) fn lock(path: &Path) -> Result<File, SigningKeysError> {
    let failed = |source| file_error(path, "locked", source);
    let mut options = OpenOptions::new();
    let lock = options.write(true).create(true).truncate(false).mode(0o600);
    let lock = lock.open(beside(path, "lock")).map_err(failed)?;
    lock.lock().map_err(failed)?;
    Ok(lock)
}

pub(super) fn beside(path: &Path, extension: &str) -> PathBuf {
    path.with_added_extension(extension)
}
