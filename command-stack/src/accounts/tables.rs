//! The tables of accounts, in the database of the log: in PostgreSQL and in SQLite.

mod sessions;

use std::collections::HashMap;

use async_trait::async_trait;
use events::personal::{KeyReader, UserKey};
use events::{Chain, LogError, Timestamp, UserId};
use sqlx::{PgPool, Postgres, QueryBuilder, Sqlite, SqlitePool};
use uuid::Uuid;

use super::{AccountStore, Claim, NewAccount};
use crate::email_digest::EmailDigest;
use crate::event_log::log_error;
use crate::sessions::SessionStore;

/// The tables in the database of the log.
pub struct PostgresAccounts(pub PgPool);

/// The tables in the file of the log.
pub struct SqliteAccounts(pub SqlitePool);

fn key_of(bytes: Vec<u8>) -> Result<UserKey, LogError> {
    let bytes: Result<[u8; 32], _> = bytes.try_into();
    bytes.map(UserKey::new).map_err(|_| LogError::Corrupt("a key is not 32 bytes".into()))
}

/// An id as these tables keep it.
fn id(text: &str) -> Result<Uuid, LogError> {
    Uuid::parse_str(text).map_err(|error| LogError::Corrupt(error.into()))
}

fn user_of(text: &str) -> Result<UserId, LogError> {
    id(text).map(UserId)
}

/// Inserts a claim, renews the own, or replaces the one that is to be replaced ($4, $5), unless
/// its user has just renewed it.
const CLAIM: &str = "INSERT INTO email_claims (email_digest, user_id, claimed_at) \
    VALUES ($1, $2, $3) ON CONFLICT (email_digest) DO UPDATE \
    SET user_id = excluded.user_id, claimed_at = excluded.claimed_at \
    WHERE email_claims.user_id = excluded.user_id \
       OR email_claims.user_id = $4 AND email_claims.claimed_at = $5";

/// Whether the claim is the user's now.
macro_rules! make_claim {
    ($connection:expr, $email:expr, $user:expr, $replaces:expr, $now:expr) => {{
        let claim = sqlx::query(CLAIM)
            .bind($email.0.as_slice())
            .bind($user.to_string())
            .bind($now.millis())
            .bind($replaces.map(|claim: Claim| claim.user.to_string()))
            .bind($replaces.map(|claim: Claim| claim.since.millis()));
        claim.execute($connection).await.map_err(log_error)?.rows_affected() == 1
    }};
}

macro_rules! find_claim {
    ($pool:expr, $email:expr) => {{
        let query = "SELECT user_id, claimed_at FROM email_claims WHERE email_digest = $1";
        let query = sqlx::query_as(query).bind($email.0.as_slice());
        let row: Option<(String, i64)> = query.fetch_optional($pool).await.map_err(log_error)?;
        row
    }};
}

/// Whose a claim is that is in the way of `user`; a claim of its own is not.
fn holder(
    row: Option<(String, i64)>,
    user: UserId,
    now: Timestamp,
) -> Result<Option<Claim>, LogError> {
    // Whoever had it has just given it up: as if it were on its way, so that the client asks again.
    let Some((holder, since)) = row else { return Ok(Some(Claim { user, since: now })) };
    let holder = user_of(&holder)?;
    Ok((holder != user).then(|| Claim { user: holder, since: Timestamp::from_millis(since) }))
}

/// The same statements serve both databases: SQLite also numbers its parameters with `$`.
macro_rules! account_store {
    ($store:ty, $database:ty) => {
        #[async_trait]
        impl KeyReader for $store {
            async fn keys(&self, users: &[UserId]) -> Result<HashMap<UserId, UserKey>, LogError> {
                if users.is_empty() {
                    // `IN ()` is not SQL.
                    return Ok(HashMap::new());
                }
                let mut query = QueryBuilder::<$database>::new(
                    "SELECT user_id, key FROM user_keys WHERE user_id IN (",
                );
                let mut ids = query.separated(", ");
                for user in users {
                    ids.push_bind(user.to_string());
                }
                query.push(")");
                let query = query.build_query_as::<(String, Vec<u8>)>();
                let rows = query.fetch_all(&self.0).await.map_err(log_error)?;
                rows.into_iter().map(|(id, key)| Ok((user_of(&id)?, key_of(key)?))).collect()
            }
        }

        #[async_trait]
        impl AccountStore for $store {
            async fn open(
                &self,
                account: &NewAccount,
                replaces: Option<Claim>,
                now: Timestamp,
            ) -> Result<Option<Claim>, LogError> {
                let user = account.user.to_string();
                let mut transaction = self.0.begin().await.map_err(log_error)?;
                if !make_claim!(&mut *transaction, account.email, user, replaces, now) {
                    drop(transaction);
                    return holder(find_claim!(&self.0, account.email), account.user, now);
                }
                for statement in [
                    sqlx::query("INSERT INTO user_keys (user_id, key) VALUES ($1, $2)")
                        .bind(&user)
                        .bind(account.key.bytes().as_slice()),
                    sqlx::query("INSERT INTO passwords (user_id, hash) VALUES ($1, $2)")
                        .bind(&user)
                        .bind(&account.password_hash),
                ] {
                    statement.execute(&mut *transaction).await.map_err(log_error)?;
                }
                transaction.commit().await.map_err(log_error)?;
                Ok(None)
            }

            async fn claim(
                &self,
                user: UserId,
                email: &EmailDigest,
                replaces: Option<Claim>,
                now: Timestamp,
            ) -> Result<Option<Claim>, LogError> {
                if make_claim!(&self.0, email, user, replaces, now) {
                    return Ok(None);
                }
                holder(find_claim!(&self.0, email), user, now)
            }

            async fn find(
                &self,
                email: &EmailDigest,
            ) -> Result<Option<(UserId, String)>, LogError> {
                let query = sqlx::query_as(
                    "SELECT user_id, hash FROM email_claims JOIN passwords USING (user_id) \
                     WHERE email_digest = $1",
                );
                let query = query.bind(email.0.as_slice());
                let row: Option<(String, String)> =
                    query.fetch_optional(&self.0).await.map_err(log_error)?;
                row.map(|(user, hash)| Ok((user_of(&user)?, hash))).transpose()
            }

            async fn password(&self, user: UserId) -> Result<Option<String>, LogError> {
                let query = sqlx::query_scalar("SELECT hash FROM passwords WHERE user_id = $1");
                query.bind(user.to_string()).fetch_optional(&self.0).await.map_err(log_error)
            }

            async fn set_password(&self, user: UserId, hash: &str) -> Result<(), LogError> {
                let query = sqlx::query("UPDATE passwords SET hash = $1 WHERE user_id = $2");
                let query = query.bind(hash).bind(user.to_string());
                query.execute(&self.0).await.map(drop).map_err(log_error)
            }

            async fn destroy(&self, user: UserId) -> Result<(), LogError> {
                self.end_all(user).await?;
                let user = user.to_string();
                let mut transaction = self.0.begin().await.map_err(log_error)?;
                // The key last: as long as it is there, the agenda knows that something is left.
                for statement in [
                    "DELETE FROM sign_in_attempts WHERE email_digest IN \
                     (SELECT email_digest FROM email_claims WHERE user_id = $1)",
                    "DELETE FROM email_claims WHERE user_id = $1",
                    "DELETE FROM passwords WHERE user_id = $1",
                    "DELETE FROM user_keys WHERE user_id = $1",
                ] {
                    let statement = sqlx::query(statement).bind(&user);
                    statement.execute(&mut *transaction).await.map_err(log_error)?;
                }
                transaction.commit().await.map_err(log_error)?;
                self.overwrite().await;
                Ok(())
            }
        }
    };
}

/// A key that was deleted still lies in the database's files until it is overwritten. This sees to
/// the files of the live database; what archives and backups keep is its operator's to let go.
impl SqliteAccounts {
    /// Deleted rows were overwritten in the file itself (`secure_delete`): here, the journal is.
    async fn overwrite(&self) {
        note(sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.0).await.map(drop));
    }
}

impl PostgresAccounts {
    async fn overwrite(&self) {
        note(sqlx::query("VACUUM user_keys").execute(&self.0).await.map(drop));
    }
}

/// Best effort: the database does the same by itself, later.
fn note(outcome: Result<(), sqlx::Error>) {
    if let Err(error) = outcome {
        tracing::warn!(error = %Chain(&error), "a destroyed key was not overwritten at once");
    }
}

account_store!(PostgresAccounts, Postgres);
account_store!(SqliteAccounts, Sqlite);
