//! The log and the accounts of a test, and short words for those who have one.

use std::sync::Arc;
use std::time::Duration;

use events::personal::{PersonalText, UserKey};
use events::user::{UserEmailChanged, UserEvent, UserRegistered};
use events::{DomainEvent, Timestamp, UserId, Version};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::super::{AccountStore, ClaimError, NewAccount, claim, open};
use crate::email_digest::EmailDigest;
use crate::event_log::StreamAppend;
use crate::event_log::contract::fixture::{self as log, Database};

pub(super) const TABLES: [&str; 5] =
    ["user_keys", "passwords", "email_claims", "refresh_tokens", "sign_in_attempts"];

pub(super) struct Fixture {
    pub(super) log: log::Fixture,
    pub(super) accounts: Arc<dyn AccountStore>,
}

/// So much later than the day on which a test begins.
pub(super) fn at(since: Duration) -> Timestamp {
    let since = i64::try_from(since.as_millis()).expect("milliseconds");
    Timestamp::from_millis(1_800_000_000_000 + since)
}

pub(super) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) const MOMENT: Duration = Duration::from_millis(1);
pub(super) const START: Duration = Duration::ZERO;

pub(super) fn account(email: &str) -> NewAccount {
    NewAccount {
        user: UserId(Uuid::now_v7()),
        key: UserKey::generate().expect("randomness"),
        email: EmailDigest::of(email),
        password_hash: format!("$argon2id$ of {}", Uuid::now_v7()),
    }
}

fn claimed(result: Result<(), ClaimError>) -> bool {
    match result {
        Ok(()) => true,
        Err(ClaimError::EmailTaken) => false,
        Err(error) => panic!("{error:?}"),
    }
}

impl Fixture {
    pub(super) async fn postgres() -> Self {
        Self::of(log::Fixture::postgres().await)
    }

    pub(super) async fn sqlite() -> Self {
        Self::of(log::Fixture::sqlite().await)
    }

    fn of(log: log::Fixture) -> Self {
        let accounts = log.accounts();
        Self { log, accounts }
    }

    pub(super) async fn remove(self) {
        self.log.remove().await;
    }

    /// Whether it was opened, as opposed to the address being taken.
    pub(super) async fn opens(&self, account: &NewAccount, since: Duration) -> bool {
        claimed(open(&*self.accounts, &self.log.log, account, at(since)).await)
    }

    /// Whether the user could claim the address.
    pub(super) async fn claims(&self, user: UserId, email: &str, since: Duration) -> bool {
        let email = EmailDigest::of(email);
        claimed(claim(&*self.accounts, &self.log.log, user, &email, at(since)).await)
    }

    async fn record(&self, user: UserId, event: UserEvent) {
        let stream_id = user.into();
        let before = self.log.log.read_stream(&stream_id).await.expect("read");
        let expected = before.last().map_or(Version::NONE, |event| event.version);
        let events = vec![DomainEvent::User(event).encode().expect("JSON")];
        let append = log::append(vec![StreamAppend { stream_id, expected, events }]);
        self.log.log.append(append).await.expect("append");
    }

    /// Opens an account at the start, and the log confirms it.
    pub(super) async fn registers(&self, name: &str, email: &str) -> NewAccount {
        let account = account(email);
        assert!(self.opens(&account, START).await, "{email} is taken");
        let seal = |text: &str| account.key.seal(account.user, text);
        let registered = UserRegistered { name: seal(name), email: Some(seal(email)) };
        self.record(account.user, UserEvent::Registered(registered)).await;
        account
    }

    /// The log says that the user has another address.
    pub(super) async fn changes_to(&self, account: &NewAccount, email: &str) {
        let email: PersonalText = account.key.seal(account.user, email);
        self.record(account.user, UserEvent::EmailChanged(UserEmailChanged { email })).await;
    }

    pub(super) async fn holder(&self, email: &str) -> Option<UserId> {
        let found = self.accounts.find(&EmailDigest::of(email)).await.expect("find");
        found.map(|(user, _)| user)
    }

    /// How many rows there are in each of [`TABLES`].
    pub(super) async fn rows(&self) -> [i64; 5] {
        let mut rows = [0; 5];
        for (rows, table) in rows.iter_mut().zip(TABLES) {
            let count = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
            *rows = match &self.log.database {
                Database::Postgres { pool, .. } => sqlx::query_scalar(count).fetch_one(pool).await,
                Database::Sqlite { pool, .. } => sqlx::query_scalar(count).fetch_one(pool).await,
            }
            .expect("count");
        }
        rows
    }
}
