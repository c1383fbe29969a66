//! Sends a batch of appends to `append_events`: one statement, one round trip, one fsync.

use async_trait::async_trait;
use events::{LogError, Position, Timestamp};
use sqlx::{Connection, PgConnection, PgPool};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::super::append_queue::{Answer, AppendBatch, BatchError};
use super::super::stored::{StoredCommand, batch_error, first_answer};
use super::super::{Append, AppendError, Appended, StreamAppend};
use super::{ANSWER_TIMEOUT, CONNECT_TIMEOUT, TRUSTED_IDLE, connect};

/// Appends over its own connection; a pool would ping the server between two batches.
pub(super) struct Writer {
    pool: PgPool,
    idle: Mutex<Option<(PgConnection, Instant)>>,
}

impl Writer {
    pub(super) fn new(pool: PgPool) -> Self {
        Self { pool, idle: Mutex::default() }
    }
}

#[async_trait]
impl AppendBatch for Writer {
    async fn append_batch(&self, batch: &[Append]) -> Result<Vec<Answer>, BatchError> {
        let mut idle = self.idle.lock().await;
        // Taken out, so that the next batch opens a new connection after an error or a timeout.
        let mut connection = match idle.take() {
            Some((open, since)) => self.still_alive(open, since).await,
            None => connect(&self.pool).await,
        }
        .map_err(batch_error)?;
        let rows = timeout(ANSWER_TIMEOUT, call(&mut connection, Columns::of(batch))).await;
        let rows = rows.map_err(|silence| BatchError::Unavailable(silence.into()))?;
        let rows = rows.map_err(batch_error)?;
        *idle = Some((connection, Instant::now()));
        Ok(answers(batch.len(), rows))
    }

    fn system(&self) -> &'static str {
        "postgresql"
    }
}

impl Writer {
    /// Replaces a connection that broke while idle, so that the next command does not fail.
    async fn still_alive(
        &self,
        mut open: PgConnection,
        since: Instant,
    ) -> Result<PgConnection, sqlx::Error> {
        if since.elapsed() < TRUSTED_IDLE {
            return Ok(open);
        }
        match timeout(CONNECT_TIMEOUT, open.ping()).await {
            Ok(Ok(())) => Ok(open),
            _ => connect(&self.pool).await,
        }
    }
}

/// A row of the result of `append_events`.
#[derive(sqlx::FromRow)]
struct Row {
    request: i32,
    outcome: String,
    position: Option<i64>,
    appended_at_ms: Option<i64>,
    fingerprint: Option<Vec<u8>>,
    stream_id: Option<String>,
    version: Option<i64>,
}

async fn call(
    connection: &mut PgConnection,
    columns: Columns<'_>,
) -> Result<Vec<Row>, sqlx::Error> {
    sqlx::query_as(
        "SELECT request, outcome, last_position AS position, \
         (extract(epoch FROM appended_at) * 1000)::bigint AS appended_at_ms, \
         first_fingerprint AS fingerprint, first_stream_id AS stream_id, \
         first_version AS version \
         FROM append_events($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
    )
    .bind(columns.command_requests)
    .bind(columns.command_ids)
    .bind(columns.fingerprints)
    .bind(columns.stream_requests)
    .bind(columns.stream_ids)
    .bind(columns.expected_versions)
    .bind(columns.event_requests)
    .bind(columns.event_stream_ids)
    .bind(columns.event_versions)
    .bind(columns.event_ids)
    .bind(columns.partitions)
    .bind(columns.event_types)
    .bind(columns.schema_versions)
    .bind(columns.event_data)
    .bind(columns.event_metadata)
    .fetch_all(connection)
    .await
}

fn answers(requests: usize, rows: Vec<Row>) -> Vec<Answer> {
    let unanswered = || Err(AppendError::Log(LogError::Corrupt("no answer".into())));
    let mut answers: Vec<_> = (0..requests).map(|_| unanswered()).collect();
    for row in rows {
        let request = usize::try_from(row.request).ok();
        if let Some(slot) = request.and_then(|request| answers.get_mut(request)) {
            *slot = row.answer().unwrap_or_else(unanswered);
        }
    }
    answers
}

impl Row {
    fn answer(self) -> Option<Answer> {
        Some(match self.outcome.as_str() {
            "appended" => Ok(Appended {
                position: Position::new(self.position?),
                recorded_at: Timestamp::from_millis(self.appended_at_ms?),
            }),
            "repeated" => {
                let first = first_answer(StoredCommand {
                    fingerprint: self.fingerprint?,
                    stream_id: self.stream_id?,
                    version: self.version?,
                    position: self.position?,
                });
                Err(first.map_or_else(AppendError::Log, AppendError::Repeated))
            }
            "conflict" => Err(AppendError::Conflict),
            _ => return None,
        })
    }
}

/// The arguments of `append_events`: a batch of appends as columns.
#[derive(Default)]
struct Columns<'a> {
    command_requests: Vec<i32>,
    command_ids: Vec<&'a str>,
    fingerprints: Vec<&'a [u8]>,
    stream_requests: Vec<i32>,
    stream_ids: Vec<&'a str>,
    expected_versions: Vec<i64>,
    event_requests: Vec<i32>,
    event_stream_ids: Vec<&'a str>,
    event_versions: Vec<i64>,
    event_ids: Vec<uuid::Uuid>,
    partitions: Vec<String>,
    event_types: Vec<&'a str>,
    schema_versions: Vec<i16>,
    event_data: Vec<&'a str>,
    event_metadata: Vec<String>,
}

impl<'a> Columns<'a> {
    fn of(batch: &'a [Append]) -> Self {
        let mut columns = Self::default();
        for (request, append) in (0..).zip(batch) {
            if let Some(key) = &append.key {
                columns.command_requests.push(request);
                columns.command_ids.push(&key.id);
                columns.fingerprints.push(&key.fingerprint);
            }
            let metadata = serde_json::to_string(&append.metadata).unwrap_or_default();
            for stream in &append.streams {
                columns.add(request, stream, &metadata);
            }
        }
        columns
    }

    fn add(&mut self, request: i32, stream: &'a StreamAppend, metadata: &str) {
        self.stream_requests.push(request);
        self.stream_ids.push(stream.stream_id.as_str());
        self.expected_versions.push(stream.expected.get());
        for (ahead, event) in (1..).zip(&stream.events) {
            self.event_requests.push(request);
            self.event_stream_ids.push(stream.stream_id.as_str());
            self.event_versions.push(stream.expected.plus(ahead).get());
            self.event_ids.push(event.event_id);
            self.partitions.push(event.partition.to_string());
            self.event_types.push(event.event_type);
            self.schema_versions.push(i16::try_from(event.schema_version).unwrap_or(i16::MAX));
            self.event_data.push(event.data.get());
            self.event_metadata.push(metadata.to_owned());
        }
    }
}
