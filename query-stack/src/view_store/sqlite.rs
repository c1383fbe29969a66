//! The view store of the embedded wiring: one SQLite file.
//!
//! A writer takes the file's single write lock (`BEGIN IMMEDIATE`) before it loads a checkpoint, so
//! the checkpoint still holds when it writes. Readers see the last commit and never wait.

mod listing;
mod loading;
mod parked;
mod reading_store;
mod searching;
mod views;

use std::sync::Arc;

use async_trait::async_trait;
use events::inspection::Inspection;
use events::{BoxError, Dependency, StreamId, Timestamp, Version};
use serde_json::Value;
use sqlx::Transaction;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{Sqlite, SqliteConnectOptions, SqlitePool, SqliteSynchronous};
use sqlx::types::Json;
use tokio::sync::{Mutex, OwnedMutexGuard, watch};
use tokio::time::Instant;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use super::generations::Generations;
use super::moves::{Move, Moves};
use super::{
    ApplyError, Change, Checkpoint, Document, ListFilter, Parked, ParkedCounts, Slot, Unavailable,
    View, ViewState, ViewStore,
};

/// A file; clones share the connections.
#[derive(Clone)]
pub struct SqliteViewStore {
    pool: SqlitePool,
    /// Only one connection waits for the write lock; the others are for readers.
    write_lock: Arc<Mutex<()>>,
    moves: Moves,
}

/// Held while a transaction writes.
type WriteLock = OwnedMutexGuard<()>;

type Row = (Hyphenated, i64, Option<i64>, Json<Value>);

impl From<sqlx::Error> for Unavailable {
    fn from(error: sqlx::Error) -> Self {
        Self(error.into())
    }
}

impl From<sqlx::Error> for ApplyError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(error.into())
    }
}

impl SqliteViewStore {
    /// Opens a file; creates it if missing and migrates its schema.
    ///
    /// # Errors
    /// When the file cannot be opened or written.
    pub async fn at(path: &str) -> Result<Self, BoxError> {
        // NORMAL: a power failure may lose the newest commits, but documents and checkpoint
        // together, so the lost events are applied again.
        let options =
            SqliteConnectOptions::new().filename(path).synchronous(SqliteSynchronous::Normal);
        let pool = events::sqlite::open(options, migrations()).await?;
        Ok(Self { pool, write_lock: Arc::default(), moves: Moves::default() })
    }

    /// What is in an existing file; for `portal doctor`.
    ///
    /// # Errors
    /// When the file cannot be opened or is no SQLite database.
    pub async fn inspect(path: &str) -> Result<Inspection, BoxError> {
        events::sqlite::inspect(path, &migrations()).await
    }

    async fn write(&self) -> Result<(WriteLock, Transaction<'static, Sqlite>), sqlx::Error> {
        let lock = Arc::clone(&self.write_lock).lock_owned().await;
        Ok((lock, self.pool.begin_with("BEGIN IMMEDIATE").await?))
    }

    async fn change<T>(
        &self,
        view: &View,
        change: impl FnOnce(&mut Generations) -> T,
    ) -> Result<T, sqlx::Error> {
        let name = view.to_string();
        let (_turn, mut transaction) = self.write().await?;
        let before = views::find_or_insert(&mut transaction, &name).await?;
        let mut after = before;
        let answer = change(&mut after);
        if after != before {
            views::change(&mut transaction, &name, before, after).await?;
        }
        transaction.commit().await?;
        Ok(answer)
    }
}

fn migrations() -> Migrator {
    sqlx::migrate!("../migrations/sqlite/views")
}

#[async_trait]
impl Dependency for SqliteViewStore {
    fn system(&self) -> &'static str {
        "sqlite"
    }

    async fn ping(&self) -> Result<(), BoxError> {
        sqlx::query("SELECT EXISTS (SELECT 1 FROM views)").execute(&self.pool).await?;
        Ok(())
    }
}

#[async_trait]
impl ViewStore for SqliteViewStore {
    async fn state(&self, view: &View) -> Result<ViewState, Unavailable> {
        let name = view.to_string();
        if let Some(known) = views::find(&self.pool, &name).await? {
            return Ok(known.state);
        }
        let (_turn, mut transaction) = self.write().await?;
        let new = views::find_or_insert(&mut transaction, &name).await?;
        transaction.commit().await?;
        Ok(new.state)
    }

    /// Does nothing: the migrations at opening create the indexes.
    async fn upgrade(&self, _: &View) -> Result<(), Unavailable> {
        Ok(())
    }

    async fn apply(
        &self,
        view: &View,
        slot: Slot,
        from: Checkpoint,
        change: &Change<'_>,
    ) -> Result<Checkpoint, ApplyError> {
        let began = Instant::now();
        let (name, generation, to) = (view.to_string(), from.generation, from.after(change));
        let (_turn, mut transaction) = self.write().await?;
        views::move_checkpoint(&mut transaction, &name, slot, from, to).await?;
        for document in change.documents {
            views::put_document(&mut transaction, &name, generation, document).await?;
            searching::put(&mut transaction, view, generation, document).await?;
        }
        views::remove_documents(&mut transaction, &name, generation, change.removed).await?;
        searching::remove(&mut transaction, view, generation, change.removed).await?;
        for parked in change.parked {
            parked::put(&mut transaction, &name, generation, parked).await?;
        }
        parked::remove(&mut transaction, &name, generation, change.freed).await?;
        transaction.commit().await?;
        if slot == Slot::Live {
            self.moves.tell(view, to, began);
        }
        Ok(to)
    }

    fn moves(&self, view: &View) -> watch::Receiver<Option<Move>> {
        self.moves.watch(view)
    }

    async fn parked_among(
        &self,
        view: &View,
        generation: i64,
        streams: &[StreamId],
    ) -> Result<Vec<Parked>, Unavailable> {
        Ok(parked::among(&self.pool, &view.to_string(), generation, streams).await?)
    }

    async fn parked(
        &self,
        view: &View,
        generation: i64,
        after: Option<&StreamId>,
        limit: usize,
    ) -> Result<Vec<Parked>, Unavailable> {
        let limit = rows_at_most(limit);
        Ok(parked::page(&self.pool, &view.to_string(), generation, after, limit).await?)
    }

    async fn count_parked(
        &self,
        view: &View,
        generation: i64,
    ) -> Result<ParkedCounts, Unavailable> {
        Ok(parked::count(&self.pool, &view.to_string(), generation).await?)
    }

    async fn documents(
        &self,
        view: &View,
        generation: i64,
        ids: &[Uuid],
    ) -> Result<Vec<Document>, Unavailable> {
        let rows = sqlx::query_as(
            "SELECT id, version, listed_at, body FROM documents
             WHERE view = ? AND generation = ? AND id IN (SELECT value FROM json_each(?))",
        )
        .bind(view.to_string())
        .bind(generation)
        .bind(Json(ids));
        Ok(collect(rows.fetch_all(&self.pool).await?))
    }

    async fn list(
        &self,
        view: &View,
        generation: i64,
        filter: &ListFilter,
        limit: usize,
    ) -> Result<Vec<Document>, Unavailable> {
        Ok(self.list_documents(view, generation, filter, limit).await?)
    }

    async fn retracted(
        &self,
        view: &View,
        generation: i64,
        limit: usize,
    ) -> Result<Vec<Document>, Unavailable> {
        Ok(self.list_retracted(view, generation, limit).await?)
    }

    async fn scan(
        &self,
        view: &View,
        generation: i64,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Document>, Unavailable> {
        let rows = sqlx::query_as(
            "SELECT id, version, listed_at, body FROM documents
             WHERE view = ? AND generation = ? AND id > ? ORDER BY id LIMIT ?",
        )
        .bind(view.to_string())
        .bind(generation)
        .bind(after.map(|id| id.to_string()).unwrap_or_default())
        .bind(rows_at_most(limit));
        Ok(collect(rows.fetch_all(&self.pool).await?))
    }

    async fn begin_rebuild(&self, view: &View) -> Result<Checkpoint, Unavailable> {
        Ok(self.change(view, Generations::begin_rebuild).await?)
    }

    async fn load(
        &self,
        view: &View,
        building: Checkpoint,
        documents: &[Document],
    ) -> Result<(), ApplyError> {
        self.load_documents(view, building, documents).await
    }

    async fn begin_rollback(&self, view: &View) -> Result<Option<Checkpoint>, Unavailable> {
        Ok(self.change(view, Generations::begin_rollback).await?)
    }

    async fn switch(&self, view: &View, building: Checkpoint) -> Result<(), ApplyError> {
        self.change(view, |generations| generations.switch(building)).await?
    }
}

fn collect(rows: Vec<Row>) -> Vec<Document> {
    let document = |(id, version, listed_at, Json(body)): Row| Document {
        id: id.into(),
        version: Version::new(version),
        listed_at: listed_at.map(Timestamp::from_millis),
        body,
    };
    rows.into_iter().map(document).collect()
}

fn rows_at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
