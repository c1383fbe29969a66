//! What both databases have in common: a row of `events`, and which of their errors mean what.

use events::{BoxError, LogError, Metadata, Position, RecordedEvent, StreamId, Timestamp, Version};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::FirstAnswer;
use super::append_queue::BatchError;

/// A row of `events` as the adapters select it.
#[derive(sqlx::FromRow)]
pub(super) struct StoredEvent {
    position: i64,
    stream_id: String,
    version: i64,
    event_id: Uuid,
    partition: String,
    event_type: String,
    schema_version: i32,
    data: String,
    metadata: String,
    recorded_at_ms: i64,
}

/// A row of `commands`.
#[derive(sqlx::FromRow)]
pub(super) struct StoredCommand {
    pub(super) fingerprint: Vec<u8>,
    pub(super) stream_id: String,
    pub(super) version: i64,
    pub(super) position: i64,
}

/// Both databases understand these.
pub(super) const MISSING_POSITIONS: &str = "SELECT 'position ' || (before + 1) || ' is missing' \
     FROM (SELECT position, lag(position, 1, 0) OVER (ORDER BY position) AS before FROM events) \
     AS pairs WHERE position <> before + 1 ORDER BY position LIMIT 10";
pub(super) const BROKEN_STREAMS: &str = "SELECT 'stream ' || stream_id || ' lacks a version' \
     FROM events GROUP BY stream_id HAVING min(version) <> 1 OR max(version) <> count(*) \
     ORDER BY stream_id LIMIT 10";

impl StoredEvent {
    fn recorded(self) -> Result<RecordedEvent, BoxError> {
        let metadata: Metadata = serde_json::from_str(&self.metadata)?;
        Ok(RecordedEvent {
            position: Position::new(self.position),
            stream_id: StreamId::from(self.stream_id),
            version: Version::new(self.version),
            event_id: self.event_id,
            partition: self.partition.parse()?,
            event_type: self.event_type,
            schema_version: self.schema_version.try_into()?,
            data: RawValue::from_string(self.data)?,
            metadata,
            recorded_at: Timestamp::from_millis(self.recorded_at_ms),
        })
    }
}

pub(super) fn recorded(rows: Vec<StoredEvent>) -> Result<Vec<RecordedEvent>, LogError> {
    rows.into_iter().map(|row| row.recorded().map_err(LogError::Corrupt)).collect()
}

pub(super) fn first_answer(row: StoredCommand) -> Result<FirstAnswer, LogError> {
    let fingerprint = row.fingerprint.try_into();
    Ok(FirstAnswer {
        fingerprint: fingerprint
            .map_err(|_| LogError::Corrupt("a fingerprint is not 32 bytes".into()))?,
        stream_id: StreamId::from(row.stream_id),
        version: Version::new(row.version),
        position: Position::new(row.position),
    })
}

/// Whether the database did not answer, as opposed to having answered no. SQLSTATE classes of
/// PostgreSQL: 08 connection, 25 read-only (a standby), 40 deadlock, 53 resources, 55 lock, 57
/// operator intervention; SQLite: 5 busy, 6 locked, 10 I/O, 13 full, 14 cannot open (the low byte
/// of its extended codes).
fn is_unavailable(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else {
        return !matches!(error, sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. });
    };
    let code = error.code().unwrap_or_default();
    match code.parse::<i64>() {
        Ok(sqlite) if code.len() < 5 => matches!(sqlite & 0xff, 5 | 6 | 10 | 13 | 14),
        _ => matches!(code.get(..2), Some("08" | "25" | "40" | "53" | "55" | "57")),
    }
}

pub(crate) fn log_error(error: sqlx::Error) -> LogError {
    if is_unavailable(&error) {
        LogError::Unavailable(error.into())
    } else {
        LogError::Corrupt(error.into())
    }
}

pub(super) fn batch_error(error: sqlx::Error) -> BatchError {
    if is_unavailable(&error) {
        BatchError::Unavailable(error.into())
    } else {
        BatchError::Refused(error.into())
    }
}
