//! Personal data that can be forgotten although nothing can be taken out of the log.
//!
//! A name, an e-mail address or a byline is sealed with the key of the user whose it is, before it
//! enters an event; so it is ciphertext in the log, on the bus and in the views, and is opened only
//! where an answer is composed. The keys lie outside the log. Destroying one makes every copy
//! unreadable at once, also those in backups of the log ("crypto-shredding").

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aes_gcm_siv::aead::{Aead, Payload};
use aes_gcm_siv::{Aes256GcmSiv, KeyInit, Nonce};
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout};

use crate::{BoxError, Chain, LogError, UserId};

/// What stands where the name of an erased user stood.
pub const FORMER_CONTRIBUTOR: &str = "former contributor";
/// How long a key is used without looking whether it still exists.
const TRUST: Duration = Duration::from_millis(500);
/// How long an answer waits for the keys before it does with those that are known.
const KEYS_TIMEOUT: Duration = Duration::from_millis(250);
/// Keys that were looked at so shortly before the database fell silent may be used meanwhile.
const IN_USE: Duration = Duration::from_secs(5);
/// And not longer than this, should it be only us who cannot reach it.
const LONGEST_SILENCE: Duration = Duration::from_secs(3600);
/// Keys in memory at most; then all are forgotten and loaded again.
const KNOWN: usize = 100_000;

/// A text that says who somebody is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PersonalText {
    /// Of nobody who has an account here, such as the byline of an agency; or opened.
    Plain(String),
    /// Of a user.
    Sealed(Sealed),
}

/// Ciphertext.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// Whose key opens it.
    pub of: UserId,
    /// AES-256-GCM-SIV in base64url.
    pub sealed: String,
}

/// The key of one user: 256 bits.
#[derive(Clone, PartialEq, Eq)]
pub struct UserKey([u8; 32]);

impl fmt::Debug for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserKey(…)")
    }
}

impl UserKey {
    /// A fresh one.
    ///
    /// # Errors
    /// When the operating system has no randomness.
    pub fn generate() -> Result<Self, BoxError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// The key that was kept as these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, to be kept outside the log.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Seals a text. The same text gives the same ciphertext, so that pure decisions can tell
    /// whether a name changed; the mode is made for that (RFC 8452: repeating a nonce reveals
    /// equality and nothing else).
    #[must_use]
    pub fn seal(&self, of: UserId, text: &str) -> PersonalText {
        let payload = Payload { msg: text.as_bytes(), aad: of.0.as_bytes() };
        let cipher = Aes256GcmSiv::new(&self.0.into());
        // Fails above 64 GiB only.
        let sealed = cipher.encrypt(&Nonce::default(), payload).unwrap_or_default();
        PersonalText::Sealed(Sealed { of, sealed: URL_SAFE_NO_PAD.encode(sealed) })
    }

    /// The text; `None` when this is not the key that sealed it.
    #[must_use]
    pub fn open(&self, sealed: &Sealed) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(&sealed.sealed).ok()?;
        let payload = Payload { msg: &bytes, aad: sealed.of.0.as_bytes() };
        let opened = Aes256GcmSiv::new(&self.0.into()).decrypt(&Nonce::default(), payload).ok()?;
        String::from_utf8(opened).ok()
    }
}

/// Where the keys lie.
#[async_trait]
pub trait KeyReader: Send + Sync {
    /// The keys of those users who have one.
    async fn keys(&self, users: &[UserId]) -> Result<HashMap<UserId, UserKey>, LogError>;
}

/// What became of a sealed text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// The text.
    Text(String),
    /// The key was destroyed.
    Forgotten,
    /// The keys cannot be read now.
    Unknown,
}

impl Opened {
    /// As it is printed: an erased user is a former contributor, and of a text that cannot be read
    /// now nothing is said.
    #[must_use]
    pub fn printed(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Forgotten => Some(FORMER_CONTRIBUTOR.to_owned()),
            Self::Unknown => None,
        }
    }
}

/// Opens personal texts. Keeps the keys for half a second, so that a page costs no question to the
/// database each time and an erasure holds everywhere within the second. While the database does
/// not answer the keys that were in use go on to serve: nobody can be erased meanwhile, because the
/// keys are destroyed there. One that was not looked at for longer may have been destroyed before.
#[derive(Clone)]
pub struct Keyring {
    reader: Arc<dyn KeyReader>,
    known: Arc<Mutex<Memory>>,
}

#[derive(Default)]
struct Memory {
    keys: HashMap<UserId, Known>,
    /// When the database last answered.
    answered: Option<Instant>,
}

#[derive(Clone)]
struct Known {
    /// `None`: destroyed, or never made.
    key: Option<UserKey>,
    since: Instant,
}

/// The keys that one answer needs.
pub struct Keys(HashMap<UserId, Option<UserKey>>);

impl Keyring {
    /// A keyring on these keys.
    #[must_use]
    pub fn new(reader: Arc<dyn KeyReader>) -> Self {
        Self { reader, known: Arc::default() }
    }

    /// The keys for these texts, with one question to the database at most.
    pub async fn keys_for<'a>(&self, texts: impl IntoIterator<Item = &'a PersonalText>) -> Keys {
        let mut users: Vec<_> = texts.into_iter().filter_map(PersonalText::user).collect();
        users.sort_unstable();
        users.dedup();
        let fresh = |known: &Known, _: Option<Instant>| known.since.elapsed() < TRUST;
        let (mut found, asked) = self.look_up(&users, fresh);
        if asked.is_empty() {
            return Keys(found);
        }
        match timeout(KEYS_TIMEOUT, self.reader.keys(&asked)).await {
            Ok(Ok(mut keys)) => {
                let keys = asked.into_iter().map(|user| (user, keys.remove(&user)));
                found.extend(self.remember(keys.collect()));
            }
            late_or_failed => {
                if let Ok(Err(error)) = &late_or_failed {
                    tracing::warn!(error = %Chain(error), "the keys of users cannot be read");
                }
                found.extend(self.look_up(&asked, was_in_use).0);
            }
        }
        Keys(found)
    }

    /// Forgets a key that was just destroyed or made.
    pub fn forget(&self, user: UserId) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).keys.remove(&user);
    }

    /// What is known of these users, and of whom nothing is.
    fn look_up(
        &self,
        users: &[UserId],
        good: impl Fn(&Known, Option<Instant>) -> bool,
    ) -> (HashMap<UserId, Option<UserKey>>, Vec<UserId>) {
        let memory = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut found, mut missing) = (HashMap::new(), Vec::new());
        for user in users {
            match memory.keys.get(user).filter(|known| good(known, memory.answered)) {
                Some(known) => drop(found.insert(*user, known.key.clone())),
                None => missing.push(*user),
            }
        }
        (found, missing)
    }

    fn remember(&self, keys: Vec<(UserId, Option<UserKey>)>) -> Vec<(UserId, Option<UserKey>)> {
        let mut memory = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.keys.len() + keys.len() > KNOWN {
            memory.keys.clear();
        }
        let since = Instant::now();
        memory.answered = Some(since);
        let known = keys.iter().map(|(user, key)| (*user, Known { key: key.clone(), since }));
        memory.keys.extend(known);
        keys
    }
}

fn was_in_use(known: &Known, answered: Option<Instant>) -> bool {
    let before = answered.map(|answered| answered.duration_since(known.since));
    before.is_some_and(|before| before < IN_USE) && known.since.elapsed() < LONGEST_SILENCE
}

impl Keys {
    /// Opens a text for which the keys were asked.
    #[must_use]
    pub fn open(&self, text: &PersonalText) -> Opened {
        let sealed = match text {
            PersonalText::Plain(text) => return Opened::Text(text.clone()),
            PersonalText::Sealed(sealed) => sealed,
        };
        match self.0.get(&sealed.of) {
            None => Opened::Unknown,
            Some(key) => key
                .as_ref()
                .and_then(|key| key.open(sealed))
                .map_or(Opened::Forgotten, Opened::Text),
        }
    }
}

impl PersonalText {
    /// Whose it is, when it is sealed.
    #[must_use]
    pub fn user(&self) -> Option<UserId> {
        match self {
            Self::Plain(_) => None,
            Self::Sealed(sealed) => Some(sealed.of),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use uuid::Uuid;

    use super::*;

    fn ada() -> UserId {
        UserId(Uuid::from_u128(1))
    }

    fn eve() -> UserId {
        UserId(Uuid::from_u128(2))
    }

    fn sealed(text: &PersonalText) -> &Sealed {
        match text {
            PersonalText::Sealed(sealed) => sealed,
            PersonalText::Plain(text) => panic!("{text} is not sealed"),
        }
    }

    #[test]
    fn only_the_key_of_the_user_opens_what_it_sealed() {
        let key = UserKey::new([7; 32]);
        let name = key.seal(ada(), "Ada");
        assert_eq!(key.open(sealed(&name)), Some("Ada".to_owned()));
        assert_eq!(UserKey::new([8; 32]).open(sealed(&name)), None);
        let of_another = Sealed { of: eve(), ..sealed(&name).clone() };
        assert_eq!(key.open(&of_another), None, "a text cannot be given to somebody else");
        assert!(!serde_json::to_string(&name).expect("JSON").contains("Ada"));
    }

    #[test]
    fn the_same_text_is_sealed_to_the_same_ciphertext() {
        let key = UserKey::new([7; 32]);
        assert_eq!(key.seal(ada(), "Ada"), key.seal(ada(), "Ada"));
        assert_ne!(key.seal(ada(), "Ada"), key.seal(ada(), "Eve"));
        assert_ne!(key.seal(ada(), "Ada"), key.seal(eve(), "Ada"));
    }

    struct Table {
        up: AtomicBool,
        keys: Mutex<HashMap<UserId, UserKey>>,
    }

    #[async_trait]
    impl KeyReader for Table {
        async fn keys(&self, users: &[UserId]) -> Result<HashMap<UserId, UserKey>, LogError> {
            if !self.up.load(Ordering::Relaxed) {
                return Err(LogError::Unavailable("down".into()));
            }
            let keys = self.keys.lock().expect("keys");
            let known = users.iter().filter_map(|user| Some((*user, keys.get(user)?.clone())));
            Ok(known.collect())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_destroyed_key_is_forgotten_and_a_silent_database_takes_nothing_away() {
        let key = UserKey::new([7; 32]);
        let name = key.seal(ada(), "Ada");
        let keys = Mutex::new(HashMap::from([(ada(), key)]));
        let table = Arc::new(Table { up: AtomicBool::new(true), keys });
        let keyring = Keyring::new(table.clone());
        assert_eq!(keyring.keys_for([&name]).await.open(&name), Opened::Text("Ada".to_owned()));

        table.up.store(false, Ordering::Relaxed);
        tokio::time::advance(2 * TRUST).await;
        assert_eq!(keyring.keys_for([&name]).await.open(&name), Opened::Text("Ada".to_owned()));
        let unknown = UserKey::new([9; 32]).seal(eve(), "Eve");
        assert_eq!(keyring.keys_for([&unknown]).await.open(&unknown), Opened::Unknown);

        table.up.store(true, Ordering::Relaxed);
        table.keys.lock().expect("keys").clear();
        assert_eq!(keyring.keys_for([&name]).await.open(&name), Opened::Forgotten);
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_may_have_been_destroyed_unseen_does_not_serve_in_the_silence() {
        let (of_ada, of_eve) = (UserKey::new([7; 32]), UserKey::new([9; 32]));
        let (ada_name, eve_name) = (of_ada.seal(ada(), "Ada"), of_eve.seal(eve(), "Eve"));
        let keys = Mutex::new(HashMap::from([(ada(), of_ada), (eve(), of_eve)]));
        let table = Arc::new(Table { up: AtomicBool::new(true), keys });
        let keyring = Keyring::new(table.clone());
        keyring.keys_for([&ada_name]).await;
        tokio::time::advance(2 * IN_USE).await;
        keyring.keys_for([&eve_name]).await;
        table.up.store(false, Ordering::Relaxed);
        tokio::time::advance(TRUST).await;
        let keys = keyring.keys_for([&ada_name, &eve_name]).await;
        assert_eq!(keys.open(&ada_name), Opened::Unknown, "not looked at when all was well");
        assert_eq!(keys.open(&eve_name), Opened::Text("Eve".to_owned()));
        tokio::time::advance(LONGEST_SILENCE).await;
        assert_eq!(keyring.keys_for([&eve_name]).await.open(&eve_name), Opened::Unknown);
    }
}
