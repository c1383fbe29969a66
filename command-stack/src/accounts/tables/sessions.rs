//! The tables of sessions and of sign-ins that are being tried.

use std::time::Duration;

use async_trait::async_trait;
use events::{LogError, Timestamp, UserId};
use sqlx::{PgPool, Postgres, Sqlite, SqlitePool, Transaction};
use uuid::Uuid;

use super::{PostgresAccounts, SqliteAccounts, id};
use crate::email_digest::EmailDigest;
use crate::event_log::log_error;
use crate::sessions::{
    ATTEMPT_WINDOW, ATTEMPTS, Attempt, SESSION_LIFETIME, SessionStore, TokenDigest, Used,
};

/// Any constant that nobody else uses.
const SIGN_IN_LOCK: i32 = 7_310_277;

fn later(now: Timestamp, by: Duration) -> i64 {
    now.millis().saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX))
}

/// Seconds until the oldest of the attempts that count stops to count.
fn throttled(oldest: i64, now: Timestamp) -> Attempt {
    let until = later(Timestamp::from_millis(oldest), ATTEMPT_WINDOW);
    let seconds = (until - now.millis() + 999) / 1000;
    Attempt::Throttled { retry_after_seconds: seconds.clamp(1, 60).unsigned_abs() as u32 }
}

/// A transaction in which nobody else counts the attempts for this address: otherwise those who
/// try at the same time would not see each other.
async fn alone_in_postgres(
    pool: &PgPool,
    email: &EmailDigest,
) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let EmailDigest([a, b, c, d, ..]) = *email;
    let mut transaction = pool.begin().await?;
    // Locks with two keys are apart from those with one, which the tasks of the log hold.
    let lock = sqlx::query("SELECT pg_advisory_xact_lock($1, $2)").bind(SIGN_IN_LOCK);
    lock.bind(i32::from_be_bytes([a, b, c, d])).execute(&mut *transaction).await?;
    Ok(transaction)
}

/// The same: SQLite lets one write at a time.
async fn alone_in_sqlite(
    pool: &SqlitePool,
    _email: &EmailDigest,
) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
    pool.begin_with("BEGIN IMMEDIATE").await
}

macro_rules! keep_token {
    ($connection:expr, $token:expr, $family:expr, $user:expr, $now:expr) => {{
        let given = sqlx::query(
            "INSERT INTO refresh_tokens (token_digest, family, user_id, expires_at) \
             VALUES ($1, $2, $3, $4)",
        );
        let given = given
            .bind($token.0.as_slice())
            .bind($family.to_string())
            .bind($user.to_string())
            .bind(later($now, SESSION_LIFETIME));
        given.execute($connection).await.map_err(log_error)?;
    }};
}

/// Deletes until nothing is left: a token that is used at this moment gives way to its successor,
/// which a statement that has waited for it does not see. The next one does.
macro_rules! delete_tokens {
    ($pool:expr, $of:literal, $id:expr) => {{
        let id = $id.to_string();
        loop {
            let query = sqlx::query(concat!("DELETE FROM refresh_tokens WHERE ", $of, " = $1"));
            let deleted = query.bind(&id).execute($pool).await.map_err(log_error)?;
            if deleted.rows_affected() == 0 {
                return Ok(());
            }
        }
    }};
}

/// The same statements serve both databases: SQLite also numbers its parameters with `$`.
macro_rules! session_store {
    ($store:ty, $alone:ident) => {
        #[async_trait]
        impl SessionStore for $store {
            async fn give(
                &self,
                token: TokenDigest,
                family: Uuid,
                user: UserId,
                now: Timestamp,
            ) -> Result<(), LogError> {
                let expired = sqlx::query("DELETE FROM refresh_tokens WHERE expires_at < $1");
                expired.bind(now.millis()).execute(&self.0).await.map_err(log_error)?;
                keep_token!(&self.0, token, family, user, now);
                Ok(())
            }

            async fn find_session(
                &self,
                token: TokenDigest,
                now: Timestamp,
            ) -> Result<Option<(UserId, Uuid)>, LogError> {
                let query = "SELECT family, user_id FROM refresh_tokens \
                             WHERE token_digest = $1 AND expires_at >= $2";
                let query = sqlx::query_as(query).bind(token.0.as_slice()).bind(now.millis());
                let row: Option<(String, String)> =
                    query.fetch_optional(&self.0).await.map_err(log_error)?;
                row.map(|(family, user)| Ok((UserId(id(&user)?), id(&family)?))).transpose()
            }

            async fn use_up(
                &self,
                token: TokenDigest,
                next: TokenDigest,
                now: Timestamp,
            ) -> Result<Used, LogError> {
                // At once with its successor: whoever ends the family finds the one or the other.
                let mut transaction = self.0.begin().await.map_err(log_error)?;
                let used = sqlx::query_as(
                    "UPDATE refresh_tokens SET used_at = $1 \
                     WHERE token_digest = $2 AND used_at IS NULL AND expires_at >= $1 \
                     RETURNING family, user_id",
                );
                let used = used.bind(now.millis()).bind(token.0.as_slice());
                let used: Option<(String, String)> =
                    used.fetch_optional(&mut *transaction).await.map_err(log_error)?;
                if let Some((family, user)) = used {
                    let (family, user) = (id(&family)?, UserId(id(&user)?));
                    keep_token!(&mut *transaction, next, family, user, now);
                    transaction.commit().await.map_err(log_error)?;
                    return Ok(Used::Once { user, family });
                }
                transaction.rollback().await.map_err(log_error)?;
                let Some((user, family)) = self.find_session(token, now).await? else {
                    return Ok(Used::Unknown);
                };
                self.end(family).await?;
                Ok(Used::Again { user })
            }

            async fn end(&self, family: Uuid) -> Result<(), LogError> {
                delete_tokens!(&self.0, "family", family)
            }

            async fn end_by_token(&self, token: TokenDigest) -> Result<(), LogError> {
                let query = "SELECT family FROM refresh_tokens WHERE token_digest = $1";
                let query = sqlx::query_scalar(query).bind(token.0.as_slice());
                let family: Option<String> =
                    query.fetch_optional(&self.0).await.map_err(log_error)?;
                let Some(family) = family else { return Ok(()) };
                self.end(id(&family)?).await
            }

            async fn end_all(&self, user: UserId) -> Result<(), LogError> {
                delete_tokens!(&self.0, "user_id", user)
            }

            async fn try_sign_in(
                &self,
                email: &EmailDigest,
                now: Timestamp,
            ) -> Result<Attempt, LogError> {
                let window = now.millis() - later(Timestamp::from_millis(0), ATTEMPT_WINDOW);
                let old = sqlx::query("DELETE FROM sign_in_attempts WHERE tried_at <= $1");
                old.bind(window).execute(&self.0).await.map_err(log_error)?;
                let mut alone = $alone(&self.0, email).await.map_err(log_error)?;
                let before = "SELECT count(*), coalesce(min(tried_at), 0) FROM sign_in_attempts \
                              WHERE email_digest = $1 AND tried_at > $2";
                let before = sqlx::query_as(before).bind(email.0.as_slice()).bind(window);
                let (count, oldest): (i64, i64) =
                    before.fetch_one(&mut *alone).await.map_err(log_error)?;
                if count >= ATTEMPTS {
                    // An attempt that is not made does not count, or asking would prolong the wait.
                    alone.rollback().await.map_err(log_error)?;
                    return Ok(throttled(oldest, now));
                }
                let noted = "INSERT INTO sign_in_attempts (email_digest, tried_at) VALUES ($1, $2)";
                let noted = sqlx::query(noted).bind(email.0.as_slice()).bind(now.millis());
                noted.execute(&mut *alone).await.map_err(log_error)?;
                alone.commit().await.map_err(log_error)?;
                Ok(Attempt::Allowed)
            }

            async fn signed_in(&self, email: &EmailDigest) -> Result<(), LogError> {
                let query = sqlx::query("DELETE FROM sign_in_attempts WHERE email_digest = $1");
                query.bind(email.0.as_slice()).execute(&self.0).await.map(drop).map_err(log_error)
            }
        }
    };
}

session_store!(PostgresAccounts, alone_in_postgres);
session_store!(SqliteAccounts, alone_in_sqlite);
