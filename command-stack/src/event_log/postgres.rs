//! The event log in PostgreSQL, from 15. The table, its triggers and the appending function are in
//! `migrations/postgres`.

mod inspecting;
mod lease;
mod writer;

use std::io::ErrorKind;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use events::{
    BoxError, Dependency, EventReader, LogError, Partition, Position, RecordedEvent, StreamId,
    StreamPages, StreamSender,
};
use futures::TryStreamExt;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgListener, PgPoolOptions};
use sqlx::{Connection, PgPool};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use self::writer::Writer;
use super::append_queue::AppendQueue;
use super::stored::{
    self, StoredCommand, StoredEvent, StoredObligation, first_answer, log_error, recorded,
};
use super::{Append, AppendError, Appended, EventLog, FirstAnswer, Leadership, Obligation, Task};

/// For reading, for who leads, and one that listens. Who appends has one of its own.
const CONNECTIONS: u32 = 10;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A server that took a call and is silent so long is gone, even if the network does not say so.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer idle, a connection is asked whether it still lives.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);
/// Several fit into what one may wait for a connection: there may be several that are dead.
const PING_TIMEOUT: Duration = Duration::from_millis(500);
/// Silent longer, the connection that listens is made anew: nobody else would ever notice that the
/// network has forgotten it.
const LISTEN_AT_MOST: Duration = Duration::from_secs(30);
/// What the server is told of it, a little less: who was given up must not wait there for a lock.
const STATEMENT_TIMEOUT: &str = "4500ms";
/// Between two rows of a long walk.
const ROW_TIMEOUT: Duration = Duration::from_secs(60);
/// For what looks at much of the log.
const LONG_TIMEOUT: Duration = Duration::from_secs(600);
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

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
                Box::pin(async move { Ok(meta.idle_for < TRUSTED_IDLE || lives(connection).await) })
            })
            // Before sqlx asks the same without a limit, and keeps the place in the pool meanwhile.
            .after_release(|connection, _| Box::pin(async move { Ok(lives(connection).await) }))
            .connect_lazy_with(
                options
                    .application_name("portal")
                    .options([("statement_timeout", STATEMENT_TIMEOUT)]),
            );
        let queue = AppendQueue::new(Arc::new(Writer::new(pool.clone())));
        Ok(Self { pool, queue, appended: watch::channel(()).0, listening: OnceLock::new() })
    }

    /// Brings the tables up to date.
    ///
    /// # Errors
    /// When the database does not answer or a migration fails.
    pub async fn migrate(&self) -> Result<(), BoxError> {
        // Migrations only add, so that an older program goes on with the tables of a newer one.
        let mut migrations = migrations();
        Ok(migrations.set_ignore_missing(true).run(&mut patient(&self.pool).await?).await?)
    }

    /// Whether the tables are there, as [`Self::migrate`] makes them.
    ///
    /// # Errors
    /// When the database does not answer or does not let us in.
    pub async fn is_migrated(&self) -> Result<bool, LogError> {
        let query = sqlx::query_scalar("SELECT to_regclass('webhooks') IS NOT NULL");
        answered(query.fetch_one(&self.pool)).await
    }

    /// The connections, for what else is kept beside the log.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }
}

fn migrations() -> Migrator {
    sqlx::migrate!("../migrations/postgres")
}

/// Whether the network still knows this connection.
async fn lives(connection: &mut PgConnection) -> bool {
    matches!(timeout(PING_TIMEOUT, connection.ping()).await, Ok(Ok(())))
}

async fn answered<T>(call: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, LogError> {
    answered_within(ANSWER_TIMEOUT, call).await
}

async fn answered_within<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, LogError> {
    let answer = timeout(limit, call).await;
    answer.map_err(|silence| LogError::Unavailable(silence.into()))?.map_err(log_error)
}

/// A connection of its own, with the settings of the pool: for short statements.
async fn connect(pool: &PgPool) -> Result<PgConnection, sqlx::Error> {
    let options = pool.connect_options();
    let connecting = PgConnection::connect_with(&options);
    timeout(CONNECT_TIMEOUT, connecting).await.map_err(|_| sqlx::Error::PoolTimedOut)?
}

/// A connection of its own for what reads much of the log, and takes what it takes.
async fn patient(pool: &PgPool) -> Result<PgConnection, sqlx::Error> {
    let mut connection = connect(pool).await?;
    sqlx::raw_sql("SET statement_timeout = 0").execute(&mut connection).await?;
    Ok(connection)
}

async fn find_command(pool: &PgPool, id: &str) -> Result<Option<FirstAnswer>, LogError> {
    let query = "SELECT fingerprint, stream_id, version, position FROM commands \
                 WHERE command_id = $1";
    let row: Option<StoredCommand> =
        answered(sqlx::query_as(query).bind(id).fetch_optional(pool)).await?;
    row.map(first_answer).transpose()
}

fn names(partitions: &[Partition]) -> Vec<String> {
    partitions.iter().map(Partition::to_string).collect()
}

/// Over a connection of its own: to give up halfway is to close it. The rows come as they are taken.
async fn walk_streams(
    pool: PgPool,
    partitions: Vec<String>,
    up_to: Position,
    mut pages: StreamSender,
) -> Result<StreamSender, LogError> {
    let walk = async {
        let mut connection = patient(&pool).await?;
        // Along the index that has this order. Whatever the planner believes of a log that has just
        // grown, sorting all of it would be slower, and begin with silence.
        let plan = "SET enable_sort = off; SET max_parallel_workers_per_gather = 0; SET jit = off";
        sqlx::raw_sql(plan).execute(&mut connection).await?;
        let mut rows = sqlx::query_as::<_, StoredEvent>(select_events!(
            "WHERE partition = ANY ($1) AND position <= $2 ORDER BY stream_id, version"
        ))
        .bind(partitions)
        .bind(up_to.get())
        .fetch(&mut connection);
        let silent = |_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
        while let Some(row) = timeout(ROW_TIMEOUT, rows.try_next()).await.map_err(silent)?? {
            pages.send(row.recorded().map_err(sqlx::Error::Decode)?).await;
        }
        drop(rows);
        connection.close().await
    };
    walk.await.map_err(log_error)?;
    Ok(pages)
}

#[async_trait]
impl Dependency for PostgresEventLog {
    fn system(&self) -> &'static str {
        "postgresql"
    }

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

    async fn read_back(
        &self,
        from: Position,
        partition: &Partition,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        let query = sqlx::query_as(select_events!(
            "WHERE partition = $1 AND position <= $2 ORDER BY position DESC LIMIT $3"
        ));
        let query = query.bind(partition.to_string()).bind(from.get());
        let query = query.bind(i64::try_from(limit).unwrap_or(i64::MAX));
        recorded(answered(query.fetch_all(&self.pool)).await?)
    }

    async fn read_stream(&self, stream: &StreamId) -> Result<Vec<RecordedEvent>, LogError> {
        let query = sqlx::query_as(select_events!("WHERE stream_id = $1 ORDER BY version"));
        let rows = answered(query.bind(stream.as_str()).fetch_all(&self.pool)).await?;
        recorded(rows)
    }

    fn streams(&self, partitions: &[Partition], up_to: Position) -> StreamPages {
        let (pool, partitions) = (self.pool.clone(), names(partitions));
        StreamPages::reading(|pages| walk_streams(pool, partitions, up_to, pages))
    }

    async fn count(&self, partitions: &[Partition], up_to: Position) -> Result<u64, LogError> {
        let query = "SELECT count(*) FROM events WHERE partition = ANY ($1) AND position <= $2";
        let query = sqlx::query_scalar(query).bind(names(partitions)).bind(up_to.get());
        let counting = async { query.fetch_one(&mut patient(&self.pool).await?).await };
        let count: i64 = answered_within(LONG_TIMEOUT, counting).await?;
        Ok(count.unsigned_abs())
    }

    async fn count_after(
        &self,
        after: Position,
        partition: &Partition,
        at_most: u32,
    ) -> Result<u64, LogError> {
        let query = "SELECT count(*) FROM (SELECT 1 FROM events \
                     WHERE partition = $1 AND position > $2 LIMIT $3) AS found";
        let query = sqlx::query_scalar(query).bind(partition.to_string()).bind(after.get());
        let count: i64 = answered(query.bind(i64::from(at_most)).fetch_one(&self.pool)).await?;
        Ok(count.unsigned_abs())
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
        let looking = async {
            let mut connection = patient(&self.pool).await?;
            let missing = sqlx::query_scalar::<_, String>(stored::MISSING_POSITIONS);
            let missing = missing.fetch_all(&mut connection).await?;
            let broken = sqlx::query_scalar::<_, String>(stored::BROKEN_STREAMS);
            Ok([missing, broken.fetch_all(&mut connection).await?].concat())
        };
        answered_within(LONG_TIMEOUT, looking).await
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
            tokio::time::sleep(RECONNECT_PAUSE).await;
        }
    }
}

async fn listen_once(pool: &PgPool, appended: &watch::Sender<()>) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen("portal_events").await?;
    // Something may have been appended while nobody listened.
    appended.send_replace(());
    loop {
        match timeout(LISTEN_AT_MOST, listener.try_recv()).await {
            Ok(Ok(Some(_))) => appended.send_replace(()),
            Ok(Ok(None)) => return Err(std::io::Error::from(ErrorKind::ConnectionAborted).into()),
            Ok(Err(error)) => return Err(error),
            Err(_) => return Ok(()),
        }
    }
}

async fn obligations(
    connection: &mut PgConnection,
    after: Position,
) -> Result<Vec<StoredObligation>, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    // Few events oblige, and each is looked up by its stream: without this the planner may prefer to
    // read the whole log once.
    let plan = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off";
    sqlx::raw_sql(plan).execute(&mut *transaction).await?;
    let query = sqlx::query_as(stored::OBLIGATIONS.as_str()).bind(after.get());
    let rows = query.fetch_all(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(rows)
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
        // From the start it looks at everything that was ever scheduled: rarely, and with patience.
        let rows = if after == Position::START {
            let looking = async { obligations(&mut patient(&self.pool).await?, after).await };
            answered_within(LONG_TIMEOUT, looking).await
        } else {
            answered(async { obligations(&mut *self.pool.acquire().await?, after).await }).await
        };
        rows.map(stored::obligations)
    }

    async fn lead(&self, task: Task) -> Result<Option<Box<dyn Leadership>>, LogError> {
        Ok(lease::take(&self.pool, task).await?.map(|lease| Box::new(lease) as _))
    }
}
