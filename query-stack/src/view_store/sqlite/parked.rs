//! The table `parked`: the parked streams of each generation.

use events::{StreamId, Timestamp, Version};
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::types::Json;

use super::super::{Parked, ParkedCounts, ParkedState};

#[derive(sqlx::FromRow)]
struct Row {
    stream: String,
    state: String,
    position: i64,
    version: i64,
    event_type: String,
    error: String,
    attempts: u32,
    since: i64,
    tried_at: i64,
}

impl TryFrom<Row> for Parked {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> Result<Self, sqlx::Error> {
        Ok(Self {
            stream: row.stream.into(),
            state: state(&row.state)?,
            position: events::Position::new(row.position),
            version: Version::new(row.version),
            event_type: row.event_type,
            error: row.error,
            attempts: row.attempts,
            since: Timestamp::from_millis(row.since),
            tried_at: Timestamp::from_millis(row.tried_at),
        })
    }
}

fn state(text: &str) -> Result<ParkedState, sqlx::Error> {
    text.parse().map_err(|error: String| sqlx::Error::Decode(error.into()))
}

pub(super) async fn put(
    connection: &mut SqliteConnection,
    name: &str,
    generation: i64,
    parked: &Parked,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT OR REPLACE INTO parked (view, generation, stream, state, position, version,
             event_type, error, attempts, since, tried_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(name)
    .bind(generation)
    .bind(parked.stream.as_str())
    .bind(parked.state.as_str())
    .bind(parked.position.get())
    .bind(parked.version.get())
    .bind(&parked.event_type)
    .bind(&parked.error)
    .bind(parked.attempts)
    .bind(parked.since.millis())
    .bind(parked.tried_at.millis())
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove(
    connection: &mut SqliteConnection,
    name: &str,
    generation: i64,
    streams: &[StreamId],
) -> Result<(), sqlx::Error> {
    if streams.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "DELETE FROM parked
         WHERE view = ? AND generation = ? AND stream IN (SELECT value FROM json_each(?))",
    )
    .bind(name)
    .bind(generation)
    .bind(Json(streams))
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn among(
    pool: &SqlitePool,
    name: &str,
    generation: i64,
    streams: &[StreamId],
) -> Result<Vec<Parked>, sqlx::Error> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT * FROM parked
         WHERE view = ? AND generation = ? AND stream IN (SELECT value FROM json_each(?))",
    )
    .bind(name)
    .bind(generation)
    .bind(Json(streams))
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(Parked::try_from).collect()
}

pub(super) async fn page(
    pool: &SqlitePool,
    name: &str,
    generation: i64,
    after: Option<&StreamId>,
    limit: i64,
) -> Result<Vec<Parked>, sqlx::Error> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT * FROM parked
         WHERE view = ?1 AND generation = ?2 AND (?3 IS NULL OR stream > ?3)
         ORDER BY stream LIMIT ?4",
    )
    .bind(name)
    .bind(generation)
    .bind(after.map(StreamId::as_str))
    .bind(limit)
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(Parked::try_from).collect()
}

pub(super) async fn count(
    pool: &SqlitePool,
    name: &str,
    generation: i64,
) -> Result<ParkedCounts, sqlx::Error> {
    let counted: Vec<(String, i64)> = sqlx::query_as(
        "SELECT state, count(*) FROM parked WHERE view = ? AND generation = ? GROUP BY state",
    )
    .bind(name)
    .bind(generation)
    .fetch_all(pool)
    .await?;
    let counted = counted.iter().map(|(text, count)| Ok((state(text)?, count.unsigned_abs())));
    counted.collect()
}
