//! How the keys stand in the file, and how it is read and replaced.

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

/// A key, and since when it signs.
pub(super) struct Key {
    pub(super) created_at: Timestamp,
    pub(super) key: SigningKey,
}

/// How a key stands in the file. Not `Debug`: it is the secret.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredKey {
    pub(super) kid: String,
    created_at_ms: i64,
    /// In base64url.
    pub(super) pkcs8: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct KeyFile {
    /// The newest is the last.
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

/// What changes when the file is replaced.
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

/// The keys of the file, and a stamp of the same file, whatever replaces it meanwhile.
pub(super) fn read(path: &Path) -> Result<(Vec<Key>, Stamp), SigningKeysError> {
    let failed = |source| file_error(path, "read", source);
    let mut file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.mode() & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "others may read the signing keys: chmod 600");
    }
    let mut json = Vec::new();
    file.read_to_end(&mut json).map_err(failed)?;
    // The parser's own words may quote a key.
    let stored: KeyFile =
        serde_json::from_slice(&json).map_err(|_| corrupt(path, "it is not the JSON expected"))?;
    let keys: Result<Vec<Key>, _> = stored.keys.into_iter().map(Key::try_from).collect();
    Ok((keys.map_err(|reason| corrupt(path, reason))?, Stamp::of(&metadata)))
}

/// Replaces the file, so that whoever reads it finds all of the old or all of the new one, also
/// after a power cut. Needs the lock.
pub(super) fn write(path: &Path, keys: &[Key]) -> Result<(), SigningKeysError> {
    let failed = |source| file_error(path, "written", source);
    let json = serde_json::to_vec_pretty(&KeyFile { keys: keys.iter().map(Into::into).collect() });
    let json = json.map_err(|error| failed(error.into()))?;
    replace(path, &json).map_err(failed)
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = beside(path, "new");
    // Left behind by a process that was killed here; it is made again for the sake of its mode.
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

/// One process at a time changes the file, until this is dropped. Not the file itself is locked,
/// because it is replaced.
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
