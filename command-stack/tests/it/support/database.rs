//! A log of its own for each test.

use std::sync::Arc;
use std::time::Duration;

use command_stack::event_log::{EventLog, PostgresEventLog, SqliteEventLog};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, SqlitePool};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::copied_database::copied_database;

/// What has to happen at once happens within this; generous, because the machine may be busy.
pub(crate) const SOON: Duration = Duration::from_secs(60);

pub(crate) struct Database {
    pub(crate) log: Arc<dyn EventLog>,
    /// The log as a second process has it; a SQLite log belongs to one.
    pub(crate) peer: Arc<dyn EventLog>,
    pub(crate) kept: Kept,
}

pub(crate) enum Kept {
    Sqlite { pool: SqlitePool, directory: TempDir },
    Postgres { pool: PgPool, name: String },
}

pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run `scripts/services up` and `scripts/services env`")
    })
}

async fn on_postgres(sql: String) {
    let mut connection =
        PgConnection::connect(&variable("PORTAL_EVENT_LOG")).await.expect("connect");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.expect("PostgreSQL");
}

impl Database {
    pub(crate) async fn sqlite() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("events.db");
        let log = SqliteEventLog::at(path.to_str().expect("UTF-8")).await.expect("open");
        let pool = log.pool().clone();
        let log: Arc<dyn EventLog> = Arc::new(log);
        Self { peer: Arc::clone(&log), log, kept: Kept::Sqlite { pool, directory } }
    }

    pub(crate) async fn postgres() -> Self {
        let name = format!("log_{}", Uuid::now_v7().simple());
        let url = copied_database(&variable("PORTAL_EVENT_LOG"), &name, async |url| {
            let log = PostgresEventLog::at(url).expect("the address");
            log.migrate().await.expect("migrate");
            log.pool().close().await;
        })
        .await;
        let log = PostgresEventLog::at(&url).expect("the address");
        let pool = log.pool().clone();
        let peer = Arc::new(PostgresEventLog::at(&url).expect("the address"));
        Self { log: Arc::new(log), peer, kept: Kept::Postgres { pool, name } }
    }

    /// Only after success: what a failed test left behind can be looked at.
    pub(crate) async fn remove(self) {
        match self.kept {
            Kept::Postgres { name, .. } => {
                on_postgres(format!("DROP DATABASE \"{name}\" WITH (FORCE)")).await;
            }
            Kept::Sqlite { pool, directory } => {
                pool.close().await;
                directory.close().expect("remove the directory");
            }
        }
    }
}

/// Asks again and again until the answer is there.
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
