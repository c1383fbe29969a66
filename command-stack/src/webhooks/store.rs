//! Where subscriptions are kept: in the database of the log, beside it.

use async_trait::async_trait;
use events::LogError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::{PgPool, SqlitePool};
use uuid::Uuid;

use super::{Delivery, Webhook};
use crate::event_log::log_error;

/// More partners than this are served by the public log: each subscription is a task, and looks at
/// its row once a second.
pub const MOST_WEBHOOKS: i64 = 50;
/// The newest deliveries of a subscription that are remembered.
pub const DELIVERIES_KEPT: i64 = 1_000;

/// What became of a new subscription.
pub enum Created {
    /// It is kept now.
    New,
    /// There was one with this id.
    Before(Box<Webhook>),
    /// There are [`MOST_WEBHOOKS`].
    TooMany,
}

/// The tables of webhooks.
#[async_trait]
pub trait WebhookStore: Send + Sync {
    /// Keeps a new subscription.
    async fn create(&self, webhook: &Webhook) -> Result<Created, LogError>;

    /// All of them, the oldest first.
    async fn list(&self) -> Result<Vec<Webhook>, LogError>;

    async fn find(&self, id: Uuid) -> Result<Option<Webhook>, LogError>;

    /// Replaces the state that was read, and remembers a delivery with it; false, and nothing of
    /// both, when somebody has changed it since.
    async fn save(&self, webhook: &Webhook, delivery: Option<&Delivery>) -> Result<bool, LogError>;

    /// Ends a subscription; false when there was none.
    async fn delete(&self, id: Uuid) -> Result<bool, LogError>;

    /// The newest deliveries whose number is below, the newest first.
    async fn deliveries(&self, id: Uuid, below: i64, limit: i64)
    -> Result<Vec<Delivery>, LogError>;
}

/// The tables in the database of the log.
pub struct PostgresWebhooks(pub PgPool);

/// The tables in the file of the log.
pub struct SqliteWebhooks(pub SqlitePool);

/// A subscription as its row has it.
type Row = (i64, String);

fn webhook((revision, body): Row) -> Result<Webhook, LogError> {
    Ok(Webhook { revision, ..read(&body)? })
}

fn read<T: DeserializeOwned>(body: &str) -> Result<T, LogError> {
    serde_json::from_str(body).map_err(|error| LogError::Corrupt(error.into()))
}

fn written<T: Serialize>(value: &T) -> Result<String, LogError> {
    serde_json::to_string(value).map_err(|error| LogError::Corrupt(error.into()))
}

/// The same statements serve both databases: SQLite also numbers its parameters with `$`.
macro_rules! webhook_store {
    ($store:ty) => {
        #[async_trait]
        impl WebhookStore for $store {
            async fn create(&self, webhook: &Webhook) -> Result<Created, LogError> {
                let insert = sqlx::query(
                    "INSERT INTO webhooks (webhook_id, revision, body) SELECT $1, $2, $3 \
                     WHERE (SELECT count(*) FROM webhooks) < $4 ON CONFLICT DO NOTHING",
                );
                let insert = insert
                    .bind(webhook.id.to_string())
                    .bind(webhook.revision)
                    .bind(written(webhook)?)
                    .bind(MOST_WEBHOOKS);
                let done = insert.execute(&self.0).await.map_err(log_error)?;
                if done.rows_affected() == 1 {
                    return Ok(Created::New);
                }
                let before = self.find(webhook.id).await?;
                Ok(before.map_or(Created::TooMany, |before| Created::Before(Box::new(before))))
            }

            async fn list(&self) -> Result<Vec<Webhook>, LogError> {
                let rows: Vec<Row> = sqlx::query_as("SELECT revision, body FROM webhooks")
                    .fetch_all(&self.0)
                    .await
                    .map_err(log_error)?;
                let all = rows.into_iter().map(webhook).collect::<Result<Vec<_>, _>>();
                let mut all = all?;
                all.sort_by_key(|webhook| (webhook.created_at, webhook.id));
                Ok(all)
            }

            async fn find(&self, id: Uuid) -> Result<Option<Webhook>, LogError> {
                let query = "SELECT revision, body FROM webhooks WHERE webhook_id = $1";
                let query = sqlx::query_as(query).bind(id.to_string());
                let row: Option<Row> = query.fetch_optional(&self.0).await.map_err(log_error)?;
                row.map(webhook).transpose()
            }

            async fn save(
                &self,
                webhook: &Webhook,
                delivery: Option<&Delivery>,
            ) -> Result<bool, LogError> {
                let id = webhook.id.to_string();
                let mut transaction = self.0.begin().await.map_err(log_error)?;
                let update = sqlx::query(
                    "UPDATE webhooks SET revision = revision + 1, body = $1 \
                     WHERE webhook_id = $2 AND revision = $3",
                );
                let update = update.bind(written(webhook)?).bind(&id).bind(webhook.revision);
                let done = update.execute(&mut *transaction).await.map_err(log_error)?;
                if done.rows_affected() == 0 {
                    transaction.rollback().await.map_err(log_error)?;
                    return Ok(false);
                }
                if let Some(delivery) = delivery {
                    let insert = sqlx::query(
                        "INSERT INTO webhook_deliveries (webhook_id, slot, number, body) \
                         VALUES ($1, $2, $3, $4) ON CONFLICT (webhook_id, slot) DO UPDATE \
                         SET number = excluded.number, body = excluded.body",
                    );
                    let insert = insert
                        .bind(&id)
                        .bind(delivery.number % DELIVERIES_KEPT)
                        .bind(delivery.number)
                        .bind(written(delivery)?);
                    insert.execute(&mut *transaction).await.map_err(log_error)?;
                }
                transaction.commit().await.map_err(log_error)?;
                Ok(true)
            }

            async fn delete(&self, id: Uuid) -> Result<bool, LogError> {
                let id = id.to_string();
                let mut transaction = self.0.begin().await.map_err(log_error)?;
                // The subscription first: who delivers at this moment then remembers nothing.
                let query = sqlx::query("DELETE FROM webhooks WHERE webhook_id = $1").bind(&id);
                let done = query.execute(&mut *transaction).await.map_err(log_error)?;
                let query = "DELETE FROM webhook_deliveries WHERE webhook_id = $1";
                let query = sqlx::query(query).bind(&id);
                query.execute(&mut *transaction).await.map_err(log_error)?;
                transaction.commit().await.map_err(log_error)?;
                Ok(done.rows_affected() == 1)
            }

            async fn deliveries(
                &self,
                id: Uuid,
                below: i64,
                limit: i64,
            ) -> Result<Vec<Delivery>, LogError> {
                let query = sqlx::query_scalar(
                    "SELECT body FROM webhook_deliveries WHERE webhook_id = $1 AND number < $2 \
                     ORDER BY number DESC LIMIT $3",
                );
                let query = query.bind(id.to_string()).bind(below).bind(limit);
                let rows: Vec<String> = query.fetch_all(&self.0).await.map_err(log_error)?;
                rows.iter().map(|body| read(body)).collect()
            }
        }
    };
}

webhook_store!(PostgresWebhooks);
webhook_store!(SqliteWebhooks);
