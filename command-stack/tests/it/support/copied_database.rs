//! Databases with the tables of the log, as copies of one that is migrated once per server: running
//! the migrations for each test takes longer than most tests.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::Path;

use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// Creates the database `name` on the server of the address `server`, with the tables that `migrate`
/// makes at an address; the address of the new database.
pub(crate) async fn copied_database(
    server: &str,
    name: &str,
    migrate: impl AsyncFnOnce(&str),
) -> String {
    let template = format!("tables_{:016x}", migrations());
    let mut connection = PgConnection::connect(server).await.expect("PostgreSQL");
    let mut on_server = async |sql: String| {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.expect("PostgreSQL")
    };
    // Every test is a process of its own, so that the server has to tell which is the first.
    on_server("SELECT pg_advisory_lock(1)".to_owned()).await;
    let exists = format!("SELECT FROM pg_database WHERE datname = '{template}'");
    if on_server(exists).await.rows_affected() == 0 {
        let unfinished = format!("{template}_unfinished");
        on_server(format!("DROP DATABASE IF EXISTS {unfinished}")).await;
        on_server(format!("CREATE DATABASE {unfinished}")).await;
        migrate(&with_path(server, &unfinished)).await;
        on_server(format!("ALTER DATABASE {unfinished} RENAME TO {template}")).await;
    }
    on_server("SELECT pg_advisory_unlock(1)".to_owned()).await;
    on_server(format!("CREATE DATABASE \"{name}\" TEMPLATE {template}")).await;
    with_path(server, name)
}

/// The same address with another path: `scheme://host/path?options`.
pub(crate) fn with_path(url: &str, path: &str) -> String {
    let (base, options) = url.split_once('?').unwrap_or((url, ""));
    let (server, _) = base.rsplit_once('/').expect("scheme://host/path");
    let separator = if options.is_empty() { "" } else { "?" };
    format!("{server}/{path}{separator}{options}")
}

/// Other migrations make another template: a server may live longer than a version of this tree.
fn migrations() -> u64 {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations/postgres");
    let files = std::fs::read_dir(folder).expect("the migrations").map(|file| {
        let path = file.expect("a file").path();
        (path.clone(), std::fs::read(path).expect("a migration"))
    });
    let mut files: Vec<_> = files.collect();
    files.sort_unstable();
    let mut hasher = DefaultHasher::new();
    files.iter().for_each(|(_, text)| text.hash(&mut hasher));
    hasher.finish()
}
