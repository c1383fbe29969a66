//! The tables `readings`, `readers` and `reader_labels`: raw readings and profiles.

use std::collections::BTreeMap;

use async_trait::async_trait;
use events::readings::Reading;
use events::{ArticleId, Category, Position, Timestamp, UserId};
use sqlx::sqlite::SqliteConnection;
use sqlx::types::Json;
use uuid::fmt::Hyphenated;

use super::{SqliteViewStore, rows_at_most};
use crate::Unavailable;
use crate::reading_store::{MostRead, Profile, Reader, ReadingStore, skewed};

#[async_trait]
impl ReadingStore for SqliteViewStore {
    async fn record(&self, readings: &[Reading]) -> Result<(), Unavailable> {
        let mut of_users: BTreeMap<UserId, Vec<&Reading>> = BTreeMap::new();
        for reading in readings {
            of_users.entry(reading.user_id).or_default().push(reading);
        }
        let (_lock, mut transaction) = self.write().await?;
        for (user, readings) in of_users {
            let reader = find(&mut *transaction, user).await?;
            let mut new = Vec::new();
            for reading in readings.into_iter().filter(|reading| reader.takes(reading)) {
                if insert(&mut transaction, reading).await? {
                    new.push(reading);
                }
            }
            if !new.is_empty() {
                let profile = reader.profile.with(new);
                put(&mut transaction, user, &Reader { profile, ..reader }).await?;
            }
        }
        Ok(transaction.commit().await?)
    }

    async fn reader(&self, user: UserId) -> Result<Reader, Unavailable> {
        Ok(find(&self.pool, user).await?)
    }

    async fn readers_of(
        &self,
        label: &str,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<UserId>, Unavailable> {
        let users: Vec<Hyphenated> = sqlx::query_scalar(
            "SELECT user_id FROM reader_labels WHERE label = ? AND user_id > ?
             ORDER BY user_id LIMIT ?",
        )
        .bind(label)
        .bind(text(after))
        .bind(rows_at_most(limit))
        .fetch_all(&self.pool)
        .await?;
        Ok(users.into_iter().map(|user| UserId(user.into_uuid())).collect())
    }

    async fn most_read(
        &self,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<Vec<MostRead>, Unavailable> {
        // With a lone max() the other columns come from its row.
        let rows: Vec<(Hyphenated, String, i64, i64)> = sqlx::query_as(
            "SELECT article_id, category, count(DISTINCT user_id) AS readers, max(at) FROM readings
             WHERE at > ? AND at <= ? GROUP BY article_id
             ORDER BY readers DESC, article_id DESC LIMIT ?",
        )
        .bind(from.millis())
        .bind(to.millis())
        .bind(rows_at_most(limit))
        .fetch_all(&self.pool)
        .await?;
        let most_read = rows.into_iter().map(|(article, category, readers, _)| {
            let category: Category =
                category.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
            let article_id = ArticleId(article.into_uuid());
            Ok(MostRead { article_id, category, readers: readers.unsigned_abs() })
        });
        Ok(most_read.collect::<Result<_, sqlx::Error>>()?)
    }

    async fn forget(
        &self,
        user: UserId,
        up_to: Timestamp,
        by: Position,
    ) -> Result<(), Unavailable> {
        let (_lock, mut transaction) = self.write().await?;
        let reader = find(&mut *transaction, user).await?;
        if by <= reader.forgotten_by {
            return Ok(());
        }
        sqlx::query("DELETE FROM readings WHERE user_id = ? AND at <= ?")
            .bind(user.0.hyphenated())
            .bind(skewed(up_to).millis())
            .execute(&mut *transaction)
            .await?;
        let profile = folded(&mut transaction, user).await?;
        let reader = Reader { profile, forgotten_until: Some(up_to), forgotten_by: by };
        put(&mut transaction, user, &reader).await?;
        Ok(transaction.commit().await?)
    }

    async fn followed(&self) -> Result<Position, Unavailable> {
        let position: Option<i64> = sqlx::query_scalar("SELECT position FROM forgetting")
            .fetch_optional(&self.pool)
            .await?;
        Ok(position.map_or(Position::START, Position::new))
    }

    async fn follow(&self, position: Position) -> Result<(), Unavailable> {
        let (_lock, mut transaction) = self.write().await?;
        sqlx::query(
            "INSERT INTO forgetting VALUES (1, ?)
             ON CONFLICT DO UPDATE SET position = max(position, excluded.position)",
        )
        .bind(position.get())
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    async fn next_user(&self, after: Option<UserId>) -> Result<Option<UserId>, Unavailable> {
        let user: Option<Hyphenated> = sqlx::query_scalar(
            "SELECT min(user_id) FROM (
                 SELECT min(user_id) AS user_id FROM readings WHERE user_id > ?1
                 UNION ALL SELECT min(user_id) FROM readers WHERE user_id > ?1
             )",
        )
        .bind(text(after))
        .fetch_one(&self.pool)
        .await?;
        Ok(user.map(|user| UserId(user.into_uuid())))
    }

    async fn expired(
        &self,
        before: Timestamp,
        readings: usize,
    ) -> Result<Vec<UserId>, Unavailable> {
        let users: Vec<Hyphenated> = sqlx::query_scalar(
            "SELECT DISTINCT user_id FROM (
                 SELECT user_id FROM readings WHERE at < ? ORDER BY at LIMIT ?
             )",
        )
        .bind(before.millis())
        .bind(rows_at_most(readings))
        .fetch_all(&self.pool)
        .await?;
        Ok(users.into_iter().map(|user| UserId(user.into_uuid())).collect())
    }

    async fn refold(&self, user: UserId, before: Timestamp) -> Result<(), Unavailable> {
        let (_lock, mut transaction) = self.write().await?;
        sqlx::query("DELETE FROM readings WHERE user_id = ? AND at < ?")
            .bind(user.0.hyphenated())
            .bind(before.millis())
            .execute(&mut *transaction)
            .await?;
        let reader = find(&mut *transaction, user).await?;
        let profile = folded(&mut transaction, user).await?;
        put(&mut transaction, user, &Reader { profile, ..reader }).await?;
        Ok(transaction.commit().await?)
    }
}

/// The id, or a text before every id.
fn text(after: Option<UserId>) -> String {
    after.map(|user| user.to_string()).unwrap_or_default()
}

async fn find(
    database: impl sqlx::SqliteExecutor<'_>,
    user: UserId,
) -> Result<Reader, sqlx::Error> {
    let found: Option<Json<Reader>> =
        sqlx::query_scalar("SELECT body FROM readers WHERE user_id = ?")
            .bind(user.0.hyphenated())
            .fetch_optional(database)
            .await?;
    Ok(found.map(|Json(reader)| reader).unwrap_or_default())
}

/// Inserts a reading; returns whether it is new.
async fn insert(connection: &mut SqliteConnection, reading: &Reading) -> Result<bool, sqlx::Error> {
    let inserted = sqlx::query("INSERT OR IGNORE INTO readings VALUES (?, ?, ?, ?, ?, ?)")
        .bind(reading.user_id.0.hyphenated())
        .bind(reading.article_id.0.hyphenated())
        .bind(reading.hour())
        .bind(reading.category.as_str())
        .bind(Json(&reading.labels))
        .bind(reading.at.millis())
        .execute(connection)
        .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Folds a user's raw readings.
async fn folded(connection: &mut SqliteConnection, user: UserId) -> Result<Profile, sqlx::Error> {
    type Row = (Hyphenated, String, Json<Vec<String>>, i64);
    let rows: Vec<Row> =
        sqlx::query_as("SELECT article_id, category, labels, at FROM readings WHERE user_id = ?")
            .bind(user.0.hyphenated())
            .fetch_all(connection)
            .await?;
    let readings = rows.into_iter().map(|(article, category, Json(labels), at)| {
        let category = category.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        let (article_id, at) = (ArticleId(article.into_uuid()), Timestamp::from_millis(at));
        Ok(Reading { user_id: user, article_id, category, labels, at })
    });
    let readings: Vec<_> = readings.collect::<Result<_, sqlx::Error>>()?;
    Ok(Profile::default().with(&readings))
}

async fn put(
    connection: &mut SqliteConnection,
    user: UserId,
    reader: &Reader,
) -> Result<(), sqlx::Error> {
    let id = user.0.hyphenated();
    sqlx::query("INSERT INTO readers VALUES (?, ?) ON CONFLICT DO UPDATE SET body = excluded.body")
        .bind(id)
        .bind(Json(reader))
        .execute(&mut *connection)
        .await?;
    let labels: Vec<_> = reader.profile.labels.iter().map(|label| &label.label).collect();
    sqlx::query("DELETE FROM reader_labels WHERE user_id = ?")
        .bind(id)
        .execute(&mut *connection)
        .await?;
    sqlx::query("INSERT INTO reader_labels SELECT value, ? FROM json_each(?)")
        .bind(id)
        .bind(Json(labels))
        .execute(connection)
        .await?;
    Ok(())
}
