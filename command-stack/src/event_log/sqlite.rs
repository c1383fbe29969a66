//! The event log in a SQLite file: the embedded wiring. WAL mode with `synchronous=FULL`, so that
//! what was acknowledged survives a power cut here as well.

mod leadership;

use std::sync::Arc;

use async_trait::async_trait;
use chrono::Utc;
use events::inspection::Inspection;
use events::{
    BoxError, Dependency, EventReader, LogError, Partition, Position, RecordedEvent, StreamId,
    StreamPages, StreamSender, Timestamp, Version,
};
use futures::TryStreamExt;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use sqlx::types::Json;
use sqlx::{Sqlite, SqlitePool, Transaction};
use tokio::sync::{Semaphore, watch};

use self::leadership::SqliteLeadership;
use super::append_queue::{Answer, AppendBatch, AppendQueue, BatchError};
use super::stored::{
    self, StoredCommand, StoredEvent, batch_error, first_answer, log_error, recorded,
};
use super::{
    Append, AppendError, Appended, EventLog, FirstAnswer, Leadership, Obligation, StreamAppend,
    Task,
};

macro_rules! select_events {
    ($rest:literal) => {
        concat!(
            "SELECT position, stream_id, version, event_id, partition, event_type, ",
            "schema_version, data, metadata, recorded_at AS recorded_at_ms FROM events ",
            $rest
        )
    };
}

/// The log in a file.
pub struct SqliteEventLog {
    pool: SqlitePool,
    queue: AppendQueue,
    appended: watch::Sender<()>,
    relay: Arc<Semaphore>,
    agenda: Arc<Semaphore>,
    webhooks: Arc<Semaphore>,
}

impl SqliteEventLog {
    /// The log in this file, which is created, and brought up to date, if need be.
    ///
    /// # Errors
    /// When the file cannot be opened or is not such a log.
    pub async fn at(path: &str) -> Result<Self, BoxError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .synchronous(SqliteSynchronous::Full)
            // What is deleted beside the log (keys) is overwritten, not only unlinked.
            .pragma("secure_delete", "ON");
        let pool = events::sqlite::open(options, migrations()).await?;
        let queue = AppendQueue::new(Arc::new(pool.clone()));
        let [relay, agenda, webhooks] = [(); 3].map(|()| Arc::new(Semaphore::new(1)));
        Ok(Self { pool, queue, appended: watch::channel(()).0, relay, agenda, webhooks })
    }

    /// What is in an existing file; for `portal doctor`.
    ///
    /// # Errors
    /// When the file cannot be opened or is no SQLite database.
    pub async fn inspect(path: &str) -> Result<Inspection, BoxError> {
        events::sqlite::inspect(path, &migrations()).await
    }

    /// The connections, for what else is kept beside the log.
    #[must_use]
    pub fn pool(&self) -> &SqlitePool {
        &self.pool
    }
}

fn migrations() -> Migrator {
    sqlx::migrate!("../migrations/sqlite/event_log")
}

#[async_trait]
impl AppendBatch for SqlitePool {
    async fn append_batch(&self, batch: &[Append]) -> Result<Vec<Answer>, BatchError> {
        append_all(self, batch).await.map_err(batch_error)
    }

    fn system(&self) -> &'static str {
        "sqlite"
    }
}

async fn append_all(pool: &SqlitePool, batch: &[Append]) -> Result<Vec<Answer>, sqlx::Error> {
    // IMMEDIATE takes the write lock before the head is read: nobody else can number from it.
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    let head = "SELECT position, recorded_at FROM events ORDER BY position DESC LIMIT 1";
    let head: Option<(i64, i64)> = sqlx::query_as(head).fetch_optional(&mut *transaction).await?;
    let (mut position, head_time) = head.unwrap_or_default();
    // Never earlier than the event before, even if the clock was set back.
    let now = Utc::now().timestamp_millis().max(head_time);
    let mut answers = Vec::with_capacity(batch.len());
    for append in batch {
        let refused = refusal(&mut transaction, append).await?;
        answers.push(match refused {
            Some(error) => Err(error),
            None => {
                position = insert(&mut transaction, append, position, now).await?;
                let recorded_at = Timestamp::from_millis(now);
                Ok(Appended { position: Position::new(position), recorded_at })
            }
        });
    }
    transaction.commit().await?;
    Ok(answers)
}

async fn refusal(
    transaction: &mut Transaction<'_, Sqlite>,
    append: &Append,
) -> Result<Option<AppendError>, sqlx::Error> {
    if let Some(key) = &append.key {
        let row: Option<StoredCommand> =
            sqlx::query_as(FIND_COMMAND).bind(&key.id).fetch_optional(&mut **transaction).await?;
        if let Some(row) = row {
            return Ok(Some(match first_answer(row) {
                Ok(first) => AppendError::Repeated(first),
                Err(error) => AppendError::Log(error),
            }));
        }
    }
    for stream in &append.streams {
        let version = "SELECT coalesce(max(version), 0) FROM events WHERE stream_id = ?";
        let version = sqlx::query_scalar(version).bind(stream.stream_id.as_str());
        let version: i64 = version.fetch_one(&mut **transaction).await?;
        if Version::new(version) != stream.expected {
            return Ok(Some(AppendError::Conflict));
        }
    }
    Ok(None)
}

const FIND_COMMAND: &str =
    "SELECT fingerprint, stream_id, version, position FROM commands WHERE command_id = ?";

async fn insert(
    transaction: &mut Transaction<'_, Sqlite>,
    append: &Append,
    mut position: i64,
    now: i64,
) -> Result<i64, sqlx::Error> {
    let metadata = serde_json::to_string(&append.metadata).unwrap_or_default();
    let mut last = None;
    for StreamAppend { stream_id, expected, events } in &append.streams {
        for (ahead, event) in (1..).zip(events) {
            position += 1;
            let version = expected.plus(ahead).get();
            sqlx::query("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
                .bind(position)
                .bind(stream_id.as_str())
                .bind(version)
                .bind(event.event_id)
                .bind(event.partition.to_string())
                .bind(event.event_type)
                .bind(event.schema_version)
                .bind(event.data.get())
                .bind(&metadata)
                .bind(now)
                .execute(&mut **transaction)
                .await?;
            last = Some((stream_id, version));
        }
    }
    if let (Some(key), Some((stream_id, version))) = (&append.key, last) {
        sqlx::query("INSERT INTO commands VALUES (?, ?, ?, ?, ?)")
            .bind(&key.id)
            .bind(key.fingerprint.as_slice())
            .bind(stream_id.as_str())
            .bind(version)
            .bind(position)
            .execute(&mut **transaction)
            .await?;
    }
    Ok(position)
}

fn names(partitions: &[Partition]) -> Json<Vec<String>> {
    Json(partitions.iter().map(Partition::to_string).collect())
}

/// The signs `+` keep the planner from sorting: it goes along the index that has this order.
const WALK: &str = select_events!(
    "WHERE +partition IN (SELECT value FROM json_each(?)) AND +position <= ? AND stream_id > '' \
     ORDER BY stream_id, version"
);

async fn walk_streams(
    pool: SqlitePool,
    partitions: Json<Vec<String>>,
    up_to: Position,
    mut pages: StreamSender,
) -> Result<StreamSender, LogError> {
    let query = sqlx::query_as::<_, StoredEvent>(WALK).bind(partitions).bind(up_to.get());
    let mut rows = query.fetch(&pool);
    while let Some(row) = rows.try_next().await.map_err(log_error)? {
        pages.send(row.recorded().map_err(LogError::Corrupt)?).await;
    }
    drop(rows);
    Ok(pages)
}

#[async_trait]
impl Dependency for SqliteEventLog {
    fn system(&self) -> &'static str {
        "sqlite"
    }

    async fn ping(&self) -> Result<(), BoxError> {
        sqlx::query("SELECT 1 FROM relay_checkpoint").execute(&self.pool).await?;
        Ok(())
    }
}

#[async_trait]
impl EventReader for SqliteEventLog {
    async fn read_after(
        &self,
        after: Position,
        partition: Option<&Partition>,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let query = match partition {
            None => sqlx::query_as(select_events!("WHERE position > ? ORDER BY position LIMIT ?"))
                .bind(after.get())
                .bind(limit),
            Some(partition) => sqlx::query_as(select_events!(
                "WHERE partition = ? AND position > ? ORDER BY position LIMIT ?"
            ))
            .bind(partition.to_string())
            .bind(after.get())
            .bind(limit),
        };
        let rows: Vec<StoredEvent> = query.fetch_all(&self.pool).await.map_err(log_error)?;
        recorded(rows)
    }

    async fn read_back(
        &self,
        from: Position,
        partition: &Partition,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        let query = sqlx::query_as(select_events!(
            "WHERE partition = ? AND position <= ? ORDER BY position DESC LIMIT ?"
        ));
        let query = query.bind(partition.to_string()).bind(from.get());
        let query = query.bind(i64::try_from(limit).unwrap_or(i64::MAX));
        recorded(query.fetch_all(&self.pool).await.map_err(log_error)?)
    }

    async fn read_stream(&self, stream: &StreamId) -> Result<Vec<RecordedEvent>, LogError> {
        let query = sqlx::query_as(select_events!("WHERE stream_id = ? ORDER BY version"));
        let rows = query.bind(stream.as_str()).fetch_all(&self.pool).await.map_err(log_error)?;
        recorded(rows)
    }

    fn streams(&self, partitions: &[Partition], up_to: Position) -> StreamPages {
        let (pool, partitions) = (self.pool.clone(), names(partitions));
        StreamPages::reading(|pages| walk_streams(pool, partitions, up_to, pages))
    }

    async fn count(&self, partitions: &[Partition], up_to: Position) -> Result<u64, LogError> {
        let count: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM events \
             WHERE partition IN (SELECT value FROM json_each(?)) AND position <= ?",
        )
        .bind(names(partitions))
        .bind(up_to.get())
        .fetch_one(&self.pool)
        .await
        .map_err(log_error)?;
        Ok(count.unsigned_abs())
    }

    async fn count_after(
        &self,
        after: Position,
        partition: &Partition,
        at_most: u32,
    ) -> Result<u64, LogError> {
        let query = "SELECT count(*) FROM (SELECT 1 FROM events \
                     WHERE partition = ? AND position > ? LIMIT ?)";
        let query = sqlx::query_scalar(query).bind(partition.to_string()).bind(after.get());
        let count: i64 = query.bind(at_most).fetch_one(&self.pool).await.map_err(log_error)?;
        Ok(count.unsigned_abs())
    }

    async fn last_position(
        &self,
        partition: Option<&Partition>,
        up_to: Position,
    ) -> Result<Position, LogError> {
        let query = match partition {
            None => sqlx::query_scalar("SELECT max(position) FROM events WHERE position <= ?")
                .bind(up_to.get()),
            Some(partition) => sqlx::query_scalar(
                "SELECT max(position) FROM events WHERE position <= ? AND partition = ?",
            )
            .bind(up_to.get())
            .bind(partition.to_string()),
        };
        let last: Option<i64> = query.fetch_one(&self.pool).await.map_err(log_error)?;
        Ok(last.map_or(Position::START, Position::new))
    }

    async fn gaps(&self) -> Result<Vec<String>, LogError> {
        let (missing, broken) = tokio::try_join!(
            sqlx::query_scalar::<_, String>(stored::MISSING_POSITIONS).fetch_all(&self.pool),
            sqlx::query_scalar::<_, String>(stored::BROKEN_STREAMS).fetch_all(&self.pool),
        )
        .map_err(log_error)?;
        Ok([missing, broken].concat())
    }

    /// Knows of this process's appends only; another process's are found by polling.
    fn appended(&self) -> watch::Receiver<()> {
        self.appended.subscribe()
    }
}

#[async_trait]
impl EventLog for SqliteEventLog {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let appended = self.queue.append(append).await?;
        self.appended.send_replace(());
        Ok(appended)
    }

    async fn find_command(&self, id: &str) -> Result<Option<FirstAnswer>, LogError> {
        let query = sqlx::query_as(FIND_COMMAND).bind(id);
        let row: Option<StoredCommand> =
            query.fetch_optional(&self.pool).await.map_err(log_error)?;
        row.map(first_answer).transpose()
    }

    async fn obligations(&self, after: Position) -> Result<Vec<Obligation>, LogError> {
        let query = sqlx::query_as(stored::OBLIGATIONS.as_str()).bind(after.get());
        Ok(stored::obligations(query.fetch_all(&self.pool).await.map_err(log_error)?))
    }

    async fn lead(&self, task: Task) -> Result<Option<Box<dyn Leadership>>, LogError> {
        let leading = match task {
            Task::Relay => &self.relay,
            Task::Agenda => &self.agenda,
            Task::Webhooks => &self.webhooks,
        };
        Ok(SqliteLeadership::take(&self.pool, leading).map(|lead| Box::new(lead) as _))
    }
}
