//! What both databases have in common: a row of `events`, and which of their errors mean what.

use std::sync::LazyLock;

use events::{
    ArticleId, BoxError, EventKind, LogError, Metadata, Position, RecordedEvent, StreamId,
    Timestamp, UserId, Version,
};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::append_queue::BatchError;
use super::{Duty, FirstAnswer, Obligation};

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

/// A row of [`OBLIGATIONS`].
#[derive(sqlx::FromRow)]
pub(super) struct StoredObligation {
    duty: String,
    position: i64,
    stream_id: String,
    planned: Option<String>,
}

/// Each part begins at events of one type, which have a partial index, and asks whether a later
/// event of the stream has done with it. The text contains the names, because a prepared statement
/// with bound names cannot use a partial index.
pub(super) static OBLIGATIONS: LazyLock<String> = LazyLock::new(|| {
    let scheduled = EventKind::ArticleScheduled.name();
    let drafted = EventKind::ArticleDrafted.name();
    let erased = EventKind::UserErased.name();
    let settle_publication = quoted(|settled| settled.publication);
    let settle_draft = quoted(|settled| settled.draft);
    format!(
        "\
    SELECT 'publish' AS duty, asked.position, asked.stream_id, \
           asked.data ->> 'publish_at' AS planned \
    FROM events AS asked \
    WHERE asked.event_type = '{scheduled}' AND asked.position > $1 \
      AND NOT EXISTS (SELECT 1 FROM events AS done \
        WHERE done.stream_id = asked.stream_id AND done.version > asked.version \
          AND done.event_type IN ({settle_publication})) \
    UNION ALL \
    SELECT 'forget', asked.position, asked.stream_id, NULL FROM events AS asked \
    WHERE asked.event_type = '{erased}' AND asked.position > $1 \
      AND (EXISTS (SELECT 1 FROM user_keys WHERE user_id = substr(asked.stream_id, 6)) \
        OR EXISTS (SELECT 1 FROM email_claims WHERE user_id = substr(asked.stream_id, 6))) \
    UNION ALL \
    SELECT 'archive', asked.position, draft.stream_id, NULL FROM events AS asked \
    JOIN events AS draft ON draft.event_type = '{drafted}' \
      AND draft.data ->> 'author_id' = substr(asked.stream_id, 6) \
    WHERE asked.event_type = '{erased}' AND asked.position > $1 \
      AND NOT EXISTS (SELECT 1 FROM events AS done \
        WHERE done.stream_id = draft.stream_id \
          AND done.event_type IN ({settle_draft}))"
    )
});

/// Which obligations an event settles for its stream.
struct Settled {
    /// To publish the article at the time that was planned before the event.
    publication: bool,
    /// To archive the article as the draft of an erased author.
    draft: bool,
}

const fn settled_by(kind: EventKind) -> Settled {
    let (publication, draft) = match kind {
        EventKind::ArticleScheduled | EventKind::ArticleUnscheduled => (true, false),
        EventKind::ArticlePublished => (true, true),
        EventKind::ArticleArchived => (false, true),
        EventKind::ArticleDrafted
        | EventKind::ArticleRevised
        | EventKind::ArticleEmbargoed
        | EventKind::ArticleCorrected
        | EventKind::ArticleRetracted
        | EventKind::ArticleMovedOut
        | EventKind::ArticleMovedIn
        | EventKind::UserRegistered
        | EventKind::UserRenamed
        | EventKind::UserEmailChanged
        | EventKind::UserPasswordChanged
        | EventKind::UserRolesChanged
        | EventKind::UserRecommendationsSwitched
        | EventKind::UserReadingProfileCleared
        | EventKind::UserErased
        | EventKind::FrontPinned
        | EventKind::FrontBreakingSet
        | EventKind::FrontBreakingCleared => (false, false),
    };
    Settled { publication, draft }
}

/// The names of the kinds that settle an obligation, as a list for SQL.
fn quoted(settles: impl Fn(&Settled) -> bool) -> String {
    let kinds = EventKind::ALL.iter().filter(|kind| settles(&settled_by(**kind)));
    kinds.map(|kind| format!("'{}'", kind.name())).collect::<Vec<_>>().join(", ")
}

impl StoredObligation {
    fn obligation(self) -> Result<Obligation, BoxError> {
        let id = StreamId::from(self.stream_id).aggregate_id()?;
        let what = match (self.duty.as_str(), self.planned) {
            ("publish", Some(planned)) => {
                Duty::Publish { article: ArticleId(id), planned: planned.parse()? }
            }
            ("forget", _) => Duty::Forget { user: UserId(id) },
            ("archive", _) => Duty::Archive { article: ArticleId(id) },
            _ => return Err("an obligation without a time".into()),
        };
        Ok(Obligation { position: Position::new(self.position), what })
    }
}

pub(super) fn obligations(rows: Vec<StoredObligation>) -> Vec<Obligation> {
    // One that cannot be read must not keep the others from being done.
    let readable = |row: StoredObligation| match row.obligation() {
        Ok(obligation) => Some(obligation),
        Err(error) => {
            tracing::error!(%error, "an obligation cannot be read");
            None
        }
    };
    rows.into_iter().filter_map(readable).collect()
}

impl StoredEvent {
    pub(super) fn recorded(self) -> Result<RecordedEvent, BoxError> {
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

#[cfg(test)]
mod tests;
