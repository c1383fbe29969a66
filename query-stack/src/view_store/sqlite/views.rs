//! The table `views`: the generations of each view and their checkpoints.

use events::{Position, Timestamp};
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::types::Json;
use uuid::Uuid;

use super::super::generations::Generations;
use super::super::{ApplyError, Checkpoint, Document, Slot, ViewState};

#[derive(sqlx::FromRow)]
struct Row {
    last_generation: i64,
    live_generation: i64,
    live_position: i64,
    live_revision: i64,
    previous_generation: Option<i64>,
    previous_position: Option<i64>,
    previous_revision: i64,
    building_generation: Option<i64>,
    building_position: Option<i64>,
    building_revision: i64,
}

const SELECT: &str = "SELECT * FROM views WHERE name = ?";

pub(super) async fn find(
    pool: &SqlitePool,
    name: &str,
) -> Result<Option<Generations>, sqlx::Error> {
    let row = sqlx::query_as(SELECT).bind(name).fetch_optional(pool).await?;
    Ok(row.map(Row::into))
}

/// The generations of a view; a new one gets an empty live generation 1.
pub(super) async fn find_or_insert(
    connection: &mut SqliteConnection,
    name: &str,
) -> Result<Generations, sqlx::Error> {
    sqlx::query(
        "INSERT INTO views (name, last_generation, live_generation, live_position)
         VALUES (?, 1, 1, 0) ON CONFLICT DO NOTHING",
    )
    .bind(name)
    .execute(&mut *connection)
    .await?;
    sqlx::query_as(SELECT).bind(name).fetch_one(connection).await.map(Row::into)
}

impl From<Row> for Generations {
    fn from(row: Row) -> Self {
        let checkpoint = |generation, position, revision| Checkpoint {
            generation,
            position: Position::new(position),
            revision,
        };
        let optional = |generation: Option<_>, position: Option<_>, revision| {
            Some(checkpoint(generation?, position?, revision))
        };
        let (previous, building) = (row.previous_generation, row.building_generation);
        let state = ViewState {
            live: checkpoint(row.live_generation, row.live_position, row.live_revision),
            previous: optional(previous, row.previous_position, row.previous_revision),
            building: optional(building, row.building_position, row.building_revision),
        };
        Self { last: row.last_generation, state }
    }
}

pub(super) async fn move_checkpoint(
    connection: &mut SqliteConnection,
    name: &str,
    slot: Slot,
    from: Checkpoint,
    to: Checkpoint,
) -> Result<(), ApplyError> {
    let statement = match slot {
        Slot::Live => {
            "UPDATE views SET live_position = ?, live_revision = ?
             WHERE name = ? AND live_generation = ? AND live_position = ? AND live_revision = ?"
        }
        Slot::Building => {
            "UPDATE views SET building_position = ?, building_revision = ?
             WHERE name = ? AND building_generation = ? AND building_position = ?
               AND building_revision = ?"
        }
    };
    let moved = sqlx::query(statement)
        .bind(to.position.get())
        .bind(to.revision)
        .bind(name)
        .bind(from.generation)
        .bind(from.position.get())
        .bind(from.revision)
        .execute(connection)
        .await?;
    if moved.rows_affected() == 1 { Ok(()) } else { Err(ApplyError::Moved) }
}

/// Writes the generations of a view and deletes the documents of unneeded ones.
pub(super) async fn change(
    connection: &mut SqliteConnection,
    name: &str,
    before: Generations,
    after: Generations,
) -> Result<(), sqlx::Error> {
    let ViewState { live, previous, building } = after.state;
    sqlx::query(
        "UPDATE views SET last_generation = ?2, live_generation = ?3, live_position = ?4,
             previous_generation = ?5, previous_position = ?6,
             building_generation = ?7, building_position = ?8,
             live_revision = ?9, previous_revision = ?10, building_revision = ?11
         WHERE name = ?1",
    )
    .bind(name)
    .bind(after.last)
    .bind(live.generation)
    .bind(live.position.get())
    .bind(previous.map(|checkpoint| checkpoint.generation))
    .bind(previous.map(|checkpoint| checkpoint.position.get()))
    .bind(building.map(|checkpoint| checkpoint.generation))
    .bind(building.map(|checkpoint| checkpoint.position.get()))
    .bind(live.revision)
    .bind(previous.map_or(0, |checkpoint| checkpoint.revision))
    .bind(building.map_or(0, |checkpoint| checkpoint.revision))
    .execute(&mut *connection)
    .await?;
    let ViewState { live, previous, building } = before.state;
    for Checkpoint { generation, .. } in [Some(live), previous, building].into_iter().flatten() {
        if !after.keeps(generation) {
            drop_generation(&mut *connection, name, generation).await?;
        }
    }
    Ok(())
}

async fn drop_generation(
    connection: &mut SqliteConnection,
    name: &str,
    generation: i64,
) -> Result<(), sqlx::Error> {
    for statement in [
        "DELETE FROM words WHERE rowid IN (
             SELECT number FROM searchable WHERE view = ? AND generation = ?)",
        "DELETE FROM searchable WHERE view = ? AND generation = ?",
        "DELETE FROM documents WHERE view = ? AND generation = ?",
        "DELETE FROM parked WHERE view = ? AND generation = ?",
    ] {
        sqlx::query(statement).bind(name).bind(generation).execute(&mut *connection).await?;
    }
    Ok(())
}

pub(super) async fn remove_documents(
    connection: &mut SqliteConnection,
    name: &str,
    generation: i64,
    ids: &[Uuid],
) -> Result<(), sqlx::Error> {
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "DELETE FROM documents
         WHERE view = ? AND generation = ? AND id IN (SELECT value FROM json_each(?))",
    )
    .bind(name)
    .bind(generation)
    .bind(Json(ids))
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn put_document(
    connection: &mut SqliteConnection,
    name: &str,
    generation: i64,
    document: &Document,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO documents (view, generation, id, version, listed_at, body)
         VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET
             version = excluded.version, listed_at = excluded.listed_at, body = excluded.body",
    )
    .bind(name)
    .bind(generation)
    .bind(document.id.hyphenated())
    .bind(document.version.get())
    .bind(document.listed_at.map(Timestamp::millis))
    .bind(Json(&document.body))
    .execute(connection)
    .await?;
    Ok(())
}
