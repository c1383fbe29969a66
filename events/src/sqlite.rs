//! The files of the embedded wiring: opened by several at once, each at the newest schema.

use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use tokio::time::{Instant, sleep};

use crate::BoxError;

/// One writes, the others read.
const CONNECTIONS: u32 = 4;
/// How long a writer waits for one in another process, such as `portal import`.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Between attempts to open a file that another one is opening.
const PAUSE: Duration = Duration::from_millis(10);
/// `SQLITE_BUSY`, <https://sqlite.org/rescode.html#busy>.
const BUSY: &str = "5";

/// A file in write-ahead mode; created when missing, and brought to the newest schema.
///
/// # Errors
/// When the file cannot be opened or written.
pub async fn open(
    options: SqliteConnectOptions,
    mut migrations: Migrator,
) -> Result<SqlitePool, BoxError> {
    let options = options
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(BUSY_TIMEOUT);
    let pool = connect(options).await?;
    // Under the write lock: sqlx takes none on SQLite, and two processes may open a new file.
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    // Migrations only add, so that an older program goes on with the tables of a newer one.
    migrations.set_ignore_missing(true).run_direct(None, &mut *transaction, false).await?;
    transaction.commit().await?;
    Ok(pool)
}

/// The busy timeout does not cover the change of a new file to write-ahead mode: of two that are
/// at it, SQLite refuses one at once. It has its turn when the other is done.
async fn connect(options: SqliteConnectOptions) -> Result<SqlitePool, sqlx::Error> {
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(BUSY_TIMEOUT)
            .connect_with(options.clone())
            .await;
        match pool {
            Err(sqlx::Error::Database(error))
                if error.code().as_deref() == Some(BUSY) && Instant::now() < deadline =>
            {
                sleep(PAUSE).await;
            }
            done => return done,
        }
    }
}
