//! What lies in the tables beside the log, and in the log, says nothing of who somebody is.

use std::path::Path;

use sqlx::AssertSqlSafe;

use super::fixture::{Fixture, START, TABLES, at};
use crate::email_digest::EmailDigest;
use crate::event_log::contract::fixture::Database;
use crate::sessions::TokenDigest;

const NAME: &str = "Ada Lovelace";
const EMAIL: &str = "Ada.Lovelace@example.org";
const OTHER_EMAIL: &str = "Countess@example.org";

pub(super) async fn no_row_of_any_table_contains_the_address_or_the_name(on: &Fixture) {
    let ada = on.registers(NAME, EMAIL).await;
    assert!(on.claims(ada.user, OTHER_EMAIL, START).await);
    on.changes_to(&ada, OTHER_EMAIL).await;
    let token = TokenDigest::of("token");
    on.accounts.give(token, uuid::Uuid::now_v7(), ada.user, at(START)).await.expect("give");
    on.accounts.try_sign_in(&EmailDigest::of(EMAIL), at(START)).await.expect("try");
    assert!(on.rows().await.iter().all(|rows| *rows > 0), "a table that is not looked at");
    let stored = stored(on).await;
    let needle = ada.user.to_string();
    assert!(contains(&stored, needle.as_bytes()), "the rows were not read");
    for text in [NAME, "Lovelace", EMAIL, OTHER_EMAIL, "example.org"] {
        assert!(!contains(&stored, text.as_bytes()), "{text} is stored");
    }
}

/// Whatever the letter case, and also as the hexadecimal digits in which PostgreSQL shows bytes.
fn contains(stored: &[u8], text: &[u8]) -> bool {
    let hex: String = text.iter().map(|byte| format!("{byte:02x}")).collect();
    let lower_hex: String =
        text.iter().map(|byte| format!("{:02x}", byte.to_ascii_lowercase())).collect();
    let is_in = |text: &[u8]| stored.windows(text.len()).any(|at| at.eq_ignore_ascii_case(text));
    is_in(text) || is_in(hex.as_bytes()) || is_in(lower_hex.as_bytes())
}

/// All rows of all tables as text; of SQLite simply the files.
async fn stored(on: &Fixture) -> Vec<u8> {
    let pool = match &on.log.database {
        Database::Sqlite { directory, .. } => return files(directory.path()),
        Database::Postgres { pool, .. } => pool,
    };
    let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(pool).await.expect("tables");
    assert!(TABLES.iter().all(|table| tables.iter().any(|found| found == table)), "{tables:?}");
    let mut stored = Vec::new();
    for table in tables {
        let rows = AssertSqlSafe(format!("SELECT row::text FROM \"{table}\" AS row"));
        let rows: Vec<String> = sqlx::query_scalar(rows).fetch_all(pool).await.expect("rows");
        stored.extend(rows.into_iter().flat_map(String::into_bytes));
    }
    stored
}

fn files(directory: &Path) -> Vec<u8> {
    let files = std::fs::read_dir(directory).expect("the directory");
    let files = files.map(|file| std::fs::read(file.expect("a file").path()).expect("read"));
    files.flatten().collect()
}
