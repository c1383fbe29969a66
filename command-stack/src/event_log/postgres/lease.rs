//! Leadership as a lease: a row of the table `leases`, with its epoch as fencing token.
//! The lease expires by the clock of the database. It belongs to no connection, so that a broken
//! connection does not lose it.

use async_trait::async_trait;
use events::{LogError, Position};
use sqlx::PgPool;

use super::super::{LeadError, Leadership, Task};
use super::answered;

/// The expiry of a lease that is taken or renewed now.
/// It bounds how long nobody leads after a crash, and is several times the duration of a renewal on
/// a busy machine.
macro_rules! until {
    () => {
        "clock_timestamp() + interval '4 seconds'"
    };
}

/// Valid until another process takes the lease and increments the epoch.
pub(super) struct Lease {
    pool: PgPool,
    task: &'static str,
    epoch: i64,
}

/// Returns `None` while the lease of this task is held.
pub(super) async fn take(pool: &PgPool, task: Task) -> Result<Option<Lease>, LogError> {
    let task = task.as_str();
    let take = concat!(
        "UPDATE leases SET epoch = epoch + 1, expires_at = ",
        until!(),
        " WHERE task = $1 AND expires_at <= clock_timestamp() RETURNING epoch"
    );
    let taken = sqlx::query_scalar(take).bind(task).fetch_optional(pool);
    let epoch: Option<i64> = answered(taken).await?;
    Ok(epoch.map(|epoch| Lease { pool: pool.clone(), task, epoch }))
}

#[async_trait]
impl Leadership for Lease {
    async fn confirm(&self) -> Result<(), LeadError> {
        let prolong =
            concat!("UPDATE leases SET expires_at = ", until!(), " WHERE task = $1 AND epoch = $2");
        let prolong = sqlx::query(prolong).bind(self.task).bind(self.epoch);
        held(answered(prolong.execute(&self.pool)).await?.rows_affected())
    }

    async fn checkpoint(&self) -> Result<Position, LogError> {
        let query = sqlx::query_scalar("SELECT position FROM relay_checkpoint");
        answered(query.fetch_one(&self.pool)).await.map(Position::new)
    }

    /// One statement locks the row, so that no other process takes over in between.
    async fn save(&self, position: Position) -> Result<(), LeadError> {
        let save = concat!(
            "WITH held AS (UPDATE leases SET expires_at = ",
            until!(),
            " WHERE task = $1 AND epoch = $2 RETURNING epoch) ",
            "UPDATE relay_checkpoint SET position = $3 WHERE EXISTS (SELECT FROM held)"
        );
        let save = sqlx::query(save).bind(self.task).bind(self.epoch).bind(position.get());
        held(answered(save.execute(&self.pool)).await?.rows_affected())
    }

    async fn resign(&self) -> Result<(), LogError> {
        let end = "UPDATE leases SET epoch = epoch + 1, expires_at = '-infinity' \
                   WHERE task = $1 AND epoch = $2";
        let end = sqlx::query(end).bind(self.task).bind(self.epoch);
        answered(end.execute(&self.pool)).await.map(drop)
    }
}

fn held(rows: u64) -> Result<(), LeadError> {
    if rows == 0 { Err(LeadError::Lost) } else { Ok(()) }
}
