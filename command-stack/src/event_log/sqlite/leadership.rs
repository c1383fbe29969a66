//! Leadership in SQLite: one permit per task, because one process owns the file.
//! The permit is never lost, only released.

use std::sync::Arc;

use async_trait::async_trait;
use events::{LogError, Position};
use sqlx::SqlitePool;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

use super::super::{LeadError, Leadership, log_error};

/// The permit of a task, until it is released or dropped.
pub(super) struct SqliteLeadership {
    pool: SqlitePool,
    permit: Mutex<Option<OwnedSemaphorePermit>>,
}

impl SqliteLeadership {
    /// Returns `None` while the permit is taken.
    pub(super) fn take(pool: &SqlitePool, leading: &Arc<Semaphore>) -> Option<Self> {
        let permit = Arc::clone(leading).try_acquire_owned().ok()?;
        Some(Self { pool: pool.clone(), permit: Mutex::new(Some(permit)) })
    }
}

#[async_trait]
impl Leadership for SqliteLeadership {
    async fn confirm(&self) -> Result<(), LeadError> {
        if self.permit.lock().await.is_some() { Ok(()) } else { Err(LeadError::Lost) }
    }

    async fn checkpoint(&self) -> Result<Position, LogError> {
        let query = sqlx::query_scalar("SELECT position FROM relay_checkpoint");
        query.fetch_one(&self.pool).await.map(Position::new).map_err(log_error)
    }

    async fn save(&self, position: Position) -> Result<(), LeadError> {
        let permit = self.permit.lock().await;
        permit.as_ref().ok_or(LeadError::Lost)?;
        let query = sqlx::query("UPDATE relay_checkpoint SET position = ?");
        query.bind(position.get()).execute(&self.pool).await.map_err(log_error)?;
        Ok(())
    }

    async fn resign(&self) -> Result<(), LogError> {
        self.permit.lock().await.take();
        Ok(())
    }
}
