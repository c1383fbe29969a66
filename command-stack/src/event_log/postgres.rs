//! The event log in PostgreSQL, from 15. The table, its triggers and the appending function are in
//! `migrations/postgres`.

mod writer;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use events::{
    BoxError, Dependency, EventReader, LogError, Partition, Position, RecordedEvent, StreamId,
};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgListener, PgPoolOptions};
use sqlx::{Connection, PgPool};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use self::writer::Writer;
use super::append_queue::AppendQueue;
use super::stored::{self, StoredCommand, StoredEvent, first_answer, log_error, recorded};
use super::{Append, AppendError, Appended, EventLog, FirstAnswer, Leadership, Obligation, Task};

/// For reading, and one that listens. Who appends and who leads have one of their own.
const CONNECTIONS: u32 = 10;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A server that took a call and is silent so long is gone, even if the network does not say so.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer idle, a connection is asked whether it still lives.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);
/// What the server is told of it, a little less: who was given up must not wait there for a lock.
const STATEMENT_TIMEOUT: &str = "4500ms";
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);
/// Whoever holds the session lock does the task. Any constants that nobody else uses.
const RELAY_LOCK: i64 = 7_310_275;
const AGENDA_LOCK: i64 = 7_310_276;

macro_rules! select_events {
    ($rest:literal) => {
        concat!(
            "SELECT position, stream_id, version, event_id, partition, event_type, ",
            "schema_version::int AS schema_version, data::text AS data, ",
            "metadata::text AS metadata, ",
            "(extract(epoch FROM recorded_at) * 1000)::bigint AS recorded_at_ms FROM events ",
            $rest
        )
    };
}

/// The log in a PostgreSQL database.
pub struct PostgresEventLog {
    pool: PgPool,
    queue: AppendQueue,
    appended: watch::Sender<()>,
    listening: OnceLock<AbortOnDropHandle<()>>,
}

impl PostgresEventLog {
    /// The log at `postgres://user:password@host:port/database`. Nothing is connected yet.
    ///
    /// # Errors
    /// When the address cannot be read.
    pub fn at(url: &str) -> Result<Self, BoxError> {
        let options: PgConnectOptions = url.parse()?;
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(CONNECT_TIMEOUT)
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    let trusted = meta.idle_for < TRUSTED_IDLE;
                    Ok(trusted || connection.ping().await.is_ok())
                })
            })
            .connect_lazy_with(options.application_name("portal"));
        let queue = AppendQueue::new(Arc::new(Writer::new(pool.clone())));
        Ok(Self { pool, queue, appended: watch::channel(()).0, listening: OnceLock::new() })
    }

    /// Brings the tables up to date.
    ///
    /// # Errors
    /// When the database does not answer or a migration fails.
    pub async fn migrate(&self) -> Result<(), BoxError> {
        Ok(sqlx::migrate!("../migrations/postgres").run(&self.pool).await?)
    }

    /// Whether the tables are there, as [`Self::migrate`] makes them.
    ///
    /// # Errors
    /// When the database does not answer or does not let us in.
    pub async fn is_migrated(&self) -> Result<bool, LogError> {
        let query = sqlx::query_scalar("SELECT to_regclass('sign_in_attempts') IS NOT NULL");
        query.fetch_one(&self.pool).await.map_err(log_error)
    }

    /// The connections, for what else is kept beside the log.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }
}

async fn answered<T>(call: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, LogError> {
    let answer = timeout(ANSWER_TIMEOUT, call).await;
    answer.map_err(|silence| LogError::Unavailable(silence.into()))?.map_err(log_error)
}

/// A connection of its own, with the settings of the pool, for short statements.
async fn connect(pool: &PgPool) -> Result<PgConnection, sqlx::Error> {
    let options = pool.connect_options().as_ref().clone();
    let options = options.options([("statement_timeout", STATEMENT_TIMEOUT)]);
    let connecting = PgConnection::connect_with(&options);
    timeout(CONNECT_TIMEOUT, connecting).await.map_err(|_| sqlx::Error::PoolTimedOut)?
}

async fn find_command(pool: &PgPool, id: &str) -> Result<Option<FirstAnswer>, LogError> {
    let query = "SELECT fingerprint, stream_id, version, position FROM commands \
                 WHERE command_id = $1";
    let row: Option<StoredCommand> =
        answered(sqlx::query_as(query).bind(id).fetch_optional(pool)).await?;
    row.map(first_answer).transpose()
}

#[async_trait]
impl Dependency for PostgresEventLog {
    async fn ping(&self) -> Result<(), BoxError> {
        // What everybody may read who uses the log at all.
        sqlx::query("SELECT 1 FROM events WHERE false").execute(&self.pool).await?;
        Ok(())
    }
}

#[async_trait]
impl EventReader for PostgresEventLog {
    async fn read_after(
        &self,
        after: Position,
        partition: Option<&Partition>,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let query = match partition {
            None => {
                sqlx::query_as(select_events!("WHERE position > $1 ORDER BY position LIMIT $2"))
                    .bind(after.get())
                    .bind(limit)
            }
            Some(partition) => sqlx::query_as(select_events!(
                "WHERE partition = $1 AND position > $2 ORDER BY position LIMIT $3"
            ))
            .bind(partition.to_string())
            .bind(after.get())
            .bind(limit),
        };
        let rows: Vec<StoredEvent> = answered(query.fetch_all(&self.pool)).await?;
        recorded(rows)
    }

    async fn read_stream(&self, stream: &StreamId) -> Result<Vec<RecordedEvent>, LogError> {
        let query = sqlx::query_as(select_events!("WHERE stream_id = $1 ORDER BY version"));
        let rows = answered(query.bind(stream.as_str()).fetch_all(&self.pool)).await?;
        recorded(rows)
    }

    async fn read_streams(
        &self,
        partition: &Partition,
        after: Option<&StreamId>,
        up_to: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        let rows: Vec<StoredEvent> = sqlx::query_as(select_events!(
            "WHERE partition = $1 AND position <= $2 AND stream_id IN (\
             SELECT DISTINCT stream_id FROM events \
             WHERE partition = $1 AND position <= $2 AND stream_id > $3 \
             ORDER BY stream_id LIMIT $4) ORDER BY stream_id, version"
        ))
        .bind(partition.to_string())
        .bind(up_to.get())
        .bind(after.map_or("", StreamId::as_str))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.pool)
        .await
        .map_err(log_error)?;
        recorded(rows)
    }

    async fn last_position(
        &self,
        partition: Option<&Partition>,
        up_to: Position,
    ) -> Result<Position, LogError> {
        let query = match partition {
            None => sqlx::query_scalar("SELECT max(position) FROM events WHERE position <= $1")
                .bind(up_to.get()),
            Some(partition) => sqlx::query_scalar(
                "SELECT max(position) FROM events WHERE position <= $1 AND partition = $2",
            )
            .bind(up_to.get())
            .bind(partition.to_string()),
        };
        let last: Option<i64> = answered(query.fetch_one(&self.pool)).await?;
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

    fn appended(&self) -> watch::Receiver<()> {
        self.listening.get_or_init(|| {
            let listening = listen(self.pool.clone(), self.appended.clone());
            AbortOnDropHandle::new(tokio::spawn(listening))
        });
        self.appended.subscribe()
    }
}

/// Turns NOTIFY into `appended` until the log is dropped, also while nobody watches: a relay that
/// starts over comes back.
async fn listen(pool: PgPool, appended: watch::Sender<()>) {
    loop {
        if let Err(error) = listen_once(&pool, &appended).await {
            tracing::warn!(%error, "not woken by new events for now; polling");
        }
        tokio::time::sleep(RECONNECT_PAUSE).await;
    }
}

async fn listen_once(pool: &PgPool, appended: &watch::Sender<()>) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen("portal_events").await?;
    // Something may have been appended while nobody listened.
    appended.send_replace(());
    while listener.try_recv().await?.is_some() {
        appended.send_replace(());
    }
    Ok(())
}

#[async_trait]
impl EventLog for PostgresEventLog {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.queue.append(append).await
    }

    async fn find_command(&self, id: &str) -> Result<Option<FirstAnswer>, LogError> {
        find_command(&self.pool, id).await
    }

    async fn obligations(&self, after: Position) -> Result<Vec<Obligation>, LogError> {
        answered(async {
            let mut transaction = self.pool.begin().await?;
            // Few events oblige, and each is looked up by its stream: without this the planner
            // may prefer to read the whole log once.
            let plan = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off";
            sqlx::raw_sql(plan).execute(&mut *transaction).await?;
            let query = sqlx::query_as(stored::OBLIGATIONS).bind(after.get());
            let rows = query.fetch_all(&mut *transaction).await?;
            transaction.commit().await?;
            Ok(rows)
        })
        .await
        .map(stored::obligations)
    }

    async fn lead(&self, task: Task) -> Result<Option<Box<dyn Leadership>>, LogError> {
        let lock = match task {
            Task::Relay => RELAY_LOCK,
            Task::Agenda => AGENDA_LOCK,
        };
        // Outside the pool: the lock lives as long as this connection and no longer.
        let mut connection = connect(&self.pool).await.map_err(log_error)?;
        let lock = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(lock);
        let leads: bool = answered(lock.fetch_one(&mut connection)).await?;
        Ok(leads.then(|| Box::new(PostgresLeadership(connection)) as Box<dyn Leadership>))
    }
}

struct PostgresLeadership(PgConnection);

#[async_trait]
impl Leadership for PostgresLeadership {
    async fn confirm(&mut self) -> Result<(), LogError> {
        answered(self.0.ping()).await
    }

    async fn checkpoint(&mut self) -> Result<Position, LogError> {
        let query = sqlx::query_scalar("SELECT position FROM relay_checkpoint");
        answered(query.fetch_one(&mut self.0)).await.map(Position::new)
    }

    async fn save(&mut self, position: Position) -> Result<(), LogError> {
        let query = sqlx::query("UPDATE relay_checkpoint SET position = $1");
        answered(query.bind(position.get()).execute(&mut self.0)).await.map(drop)
    }
}
