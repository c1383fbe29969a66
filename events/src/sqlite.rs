//! The files of the embedded wiring: opened by several at once, each at the newest schema.

use std::path::Path;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{ConnectOptions, Connection, SqlitePool};
use tokio::time::{Instant, sleep};

use crate::BoxError;
use crate::inspection::{Inspection, tables};

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

/// What is in an existing file, which is opened for reading only.
///
/// # Errors
/// When the file cannot be opened or is no SQLite database.
pub async fn inspect(path: &str, migrations: &Migrator) -> Result<Inspection, BoxError> {
    // Of a file that nobody has open, SQLite would otherwise leave a new `-wal` and `-shm`.
    let is_open = Path::new(&format!("{path}-wal")).exists();
    let options = SqliteConnectOptions::new().filename(path).read_only(true).immutable(!is_open);
    let mut connection = options.busy_timeout(BUSY_TIMEOUT).connect().await?;
    let version = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut connection).await?;
    let names = "SELECT name FROM sqlite_master WHERE type = 'table'";
    let present: Vec<String> = sqlx::query_scalar(names).fetch_all(&mut connection).await?;
    connection.close().await?;
    let mut missing_tables = Vec::from_iter(tables(migrations));
    missing_tables.retain(|table| !present.contains(table));
    Ok(Inspection { missing_tables, ..Inspection::new("SQLite", version, "3") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_inspection_names_the_missing_table_and_creates_no_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("views.db");
        let path = path.to_str().expect("a path");
        let migrations = || sqlx::migrate!("../migrations/sqlite/views");
        assert!(inspect(path, &migrations()).await.is_err());
        assert!(!std::path::Path::new(path).exists());

        let pool = open(SqliteConnectOptions::new().filename(path), migrations()).await;
        let pool = pool.expect("a file");
        let missing = async || inspect(path, &migrations()).await.expect("a report").missing_tables;
        assert!(missing().await.is_empty());
        sqlx::raw_sql("DROP TABLE parked").execute(&pool).await.expect("dropped");
        assert_eq!(missing().await, ["parked"]);
        pool.close().await;
        assert_eq!(missing().await, ["parked"], "also while nobody has the file open");
        assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 1);
    }
}
