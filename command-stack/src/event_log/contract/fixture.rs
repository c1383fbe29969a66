//! A separate log for each test, and builders of appends.

use std::sync::Arc;
use std::time::Duration;

use events::{Actor, Metadata, NewEvent, Position, RecordedEvent, StreamId, UserId, Version};
use futures::future::join_all;
use serde_json::value::RawValue;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, SqlitePool};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::super::{
    Append, AppendError, Appended, CommandKey, EventLog, PostgresEventLog, SqliteEventLog,
    StreamAppend,
};
use crate::accounts::{AccountStore, PostgresAccounts, SqliteAccounts};

#[path = "../../../tests/it/support/copied_database.rs"]
mod copied_database;
use copied_database::copied_database;

/// For operations that must complete promptly; generous because the machine may be busy.
pub(crate) const SOON: Duration = Duration::from_secs(60);

pub(crate) struct Fixture {
    pub(crate) log: Arc<dyn EventLog>,
    /// The same log opened a second time, so that two append queues compete.
    pub(crate) twin: Arc<dyn EventLog>,
    /// The log of another process: the twin in PostgreSQL, `log` in SQLite (one process per file).
    pub(crate) peer: Arc<dyn EventLog>,
    pub(crate) database: Database,
}

pub(crate) enum Database {
    Postgres { pool: PgPool, name: String },
    Sqlite { pool: SqlitePool, directory: TempDir },
}

pub(crate) fn server() -> String {
    std::env::var("PORTAL_EVENT_LOG")
        .expect("PORTAL_EVENT_LOG is not set: run `scripts/services up` and `scripts/services env`")
}

impl Fixture {
    pub(crate) async fn postgres() -> Self {
        let name = format!("log_{}", Uuid::now_v7().simple());
        let url = copied_database(&server(), &name, async |url| {
            let log = PostgresEventLog::at(url).expect("the address");
            log.migrate().await.expect("migrate");
            log.pool().close().await;
        })
        .await;
        let log = PostgresEventLog::at(&url).expect("the address");
        let database = Database::Postgres { pool: log.pool().clone(), name };
        let twin = Arc::new(PostgresEventLog::at(&url).expect("the address"));
        Self { log: Arc::new(log), peer: Arc::clone(&twin) as _, twin, database }
    }

    pub(crate) async fn sqlite() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("events.db");
        let path = path.to_str().expect("a path in UTF-8");
        let log = Arc::new(SqliteEventLog::at(path).await.expect("open"));
        let twin = Arc::new(SqliteEventLog::at(path).await.expect("open again"));
        let database = Database::Sqlite { pool: log.pool().clone(), directory };
        Self { peer: Arc::clone(&log) as _, log, twin, database }
    }

    /// Drops the database, after success only: that of a failed test can be inspected.
    pub(crate) async fn remove(self) {
        if let Database::Postgres { name, .. } = self.database {
            on_server(format!("DROP DATABASE \"{name}\" WITH (FORCE)")).await;
        }
    }

    pub(crate) async fn execute(&self, sql: &'static str) -> Result<(), sqlx::Error> {
        match &self.database {
            Database::Postgres { pool, .. } => sqlx::query(sql).execute(pool).await.map(drop),
            Database::Sqlite { pool, .. } => sqlx::query(sql).execute(pool).await.map(drop),
        }
    }

    /// The account store in the database of the log.
    pub(crate) fn accounts(&self) -> Arc<dyn AccountStore> {
        match &self.database {
            Database::Postgres { pool, .. } => Arc::new(PostgresAccounts(pool.clone())),
            Database::Sqlite { pool, .. } => Arc::new(SqliteAccounts(pool.clone())),
        }
    }

    pub(crate) async fn all(&self) -> Vec<RecordedEvent> {
        self.log.read_after(Position::START, None, usize::MAX).await.expect("read")
    }

    /// Sends the appends in this order without waiting in between.
    pub(crate) async fn at_once(&self, appends: Vec<Append>) -> Vec<Result<Appended, AppendError>> {
        join_all(appends.into_iter().map(|append| self.log.append(append))).await
    }
}

async fn on_server(sql: String) {
    let mut connection = PgConnection::connect(&server()).await.expect("PostgreSQL");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.expect("the server");
}

pub(crate) fn some_stream() -> StreamId {
    UserId(Uuid::now_v7()).into()
}

pub(crate) fn event(partition: &str, data: &str) -> NewEvent {
    NewEvent {
        event_id: Uuid::now_v7(),
        partition: partition.parse().expect("a partition"),
        event_type: "test.happened",
        schema_version: 1,
        data: RawValue::from_string(data.to_owned()).expect("JSON"),
    }
}

pub(crate) fn metadata() -> Metadata {
    Metadata {
        actor: Actor::Anonymous,
        correlation_id: "request-1".to_owned(),
        causation_id: Uuid::now_v7(),
        traceparent: None,
    }
}

/// Builds an append of `count` events at an expected version.
pub(crate) fn part(stream: &StreamId, expected: i64, count: usize) -> StreamAppend {
    let events = (0..count).map(|_| event("user", "{}")).collect();
    StreamAppend { stream_id: stream.clone(), expected: Version::new(expected), events }
}

pub(crate) fn append(streams: Vec<StreamAppend>) -> Append {
    Append { key: None, metadata: metadata(), streams }
}

/// Builds an append of one event at an expected version.
pub(crate) fn one(stream: &StreamId, expected: i64) -> Append {
    append(vec![part(stream, expected, 1)])
}

pub(crate) fn with_key(append: Append, id: &str, digest: u8) -> Append {
    Append { key: Some(CommandKey { id: id.to_owned(), fingerprint: [digest; 32] }), ..append }
}

pub(crate) fn positions(events: &[RecordedEvent]) -> Vec<i64> {
    events.iter().map(|event| event.position.get()).collect()
}

pub(crate) fn places(events: &[RecordedEvent]) -> Vec<(&str, i64)> {
    events.iter().map(|event| (event.stream_id.as_str(), event.version.get())).collect()
}

pub(crate) fn is_conflict<T>(result: &Result<T, AppendError>) -> bool {
    matches!(result, Err(AppendError::Conflict))
}

/// Polls every 10 ms until `ask` returns a value; panics after [`SOON`].
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "not in time: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}
