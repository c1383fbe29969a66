//! The table `views`: which generations a view has, and how far each has come.

use events::Position;
use sqlx::sqlite::{SqliteConnection, SqlitePool};

use super::super::generations::Generations;
use super::super::{ApplyError, Checkpoint, Slot, ViewState};

#[derive(sqlx::FromRow)]
struct Row {
    last_generation: i64,
    live_generation: i64,
    live_position: i64,
    previous_generation: Option<i64>,
    previous_position: Option<i64>,
    building_generation: Option<i64>,
    building_position: Option<i64>,
}

const SELECT: &str = "SELECT * FROM views WHERE name = ?";

pub(super) async fn find(
    pool: &SqlitePool,
    name: &str,
) -> Result<Option<Generations>, sqlx::Error> {
    let row = sqlx::query_as(SELECT).bind(name).fetch_optional(pool).await?;
    Ok(row.map(Row::into))
}

/// A view that was never seen gets an empty live generation 1.
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
        let optional = |generation: Option<_>, position: Option<_>| {
            generation.zip(position).map(|(generation, position)| checkpoint(generation, position))
        };
        let state = ViewState {
            live: checkpoint(row.live_generation, row.live_position),
            previous: optional(row.previous_generation, row.previous_position),
            building: optional(row.building_generation, row.building_position),
        };
        Self { last: row.last_generation, state }
    }
}

fn checkpoint(generation: i64, position: i64) -> Checkpoint {
    Checkpoint { generation, position: Position::new(position) }
}

pub(super) async fn move_checkpoint(
    connection: &mut SqliteConnection,
    name: &str,
    slot: Slot,
    from: Checkpoint,
    to: Position,
) -> Result<(), ApplyError> {
    let statement = match slot {
        Slot::Live => {
            "UPDATE views SET live_position = ?
             WHERE name = ? AND live_generation = ? AND live_position = ?"
        }
        Slot::Building => {
            "UPDATE views SET building_position = ?
             WHERE name = ? AND building_generation = ? AND building_position = ?"
        }
    };
    let moved = sqlx::query(statement)
        .bind(to.get())
        .bind(name)
        .bind(from.generation)
        .bind(from.position.get())
        .execute(connection)
        .await?;
    if moved.rows_affected() == 1 { Ok(()) } else { Err(ApplyError::Moved) }
}

/// Writes the generations of a view and drops the documents of those that it keeps no more.
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
             building_generation = ?7, building_position = ?8
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
    .execute(&mut *connection)
    .await?;
    let ViewState { live, previous, building } = before.state;
    for Checkpoint { generation, .. } in [Some(live), previous, building].into_iter().flatten() {
        if !after.keeps(generation) {
            drop_documents(&mut *connection, name, generation).await?;
        }
    }
    Ok(())
}

async fn drop_documents(
    connection: &mut SqliteConnection,
    name: &str,
    generation: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM documents WHERE view = ? AND generation = ?")
        .bind(name)
        .bind(generation)
        .execute(connection)
        .await?;
    Ok(())
}
