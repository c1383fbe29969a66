//! From events to changed documents: pure, and without an event that could stop it. A stream of
//! which an event cannot be taken is left out from there on; the others do not notice.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use events::news::NewsEvent;
use events::{
    BoxError, Chain, DecodeError, DomainEvent, EventKind, Position, RecordedEvent, Stamp, StreamId,
    Timestamp, Version,
};
use uuid::Uuid;

use crate::view_store::{Document, Parked, ParkedState, Projection, View};
use crate::{articles, desk, front, users};

/// The document of an aggregate after an event; `None`: there is none.
type Project = fn(Option<Document>, DomainEvent, Stamp) -> Result<Option<Document>, BoxError>;

/// What this program makes of the events of a view. A newer program may know more.
#[derive(Clone, Copy)]
pub(crate) struct Program {
    pub(crate) decode: fn(&RecordedEvent) -> Result<DomainEvent, DecodeError>,
    pub(crate) project: Project,
}

impl Program {
    pub(crate) fn of(view: &View) -> Self {
        let project = match view.projection {
            Projection::Articles | Projection::Search => articles::project,
            Projection::Desk => desk::project,
            Projection::Users => users::project,
            Projection::Front => front::project,
        };
        Self { decode: RecordedEvent::decode, project }
    }
}

/// What became of the documents.
#[derive(Debug, Default)]
pub(crate) struct Folded {
    /// Only those that changed.
    pub(crate) documents: Vec<Document>,
    /// Those that must not be seen any more.
    pub(crate) removed: Vec<Uuid>,
    /// One for each stream of which an event could not be taken: the first that could not.
    pub(crate) failed: Vec<Failure>,
}

impl Folded {
    /// The documents, when every event could be taken.
    ///
    /// # Errors
    /// The first event that could not.
    pub(crate) fn complete(self) -> Result<Vec<Document>, Failure> {
        match self.failed.into_iter().next() {
            None => Ok(self.documents),
            Some(failure) => Err(failure),
        }
    }
}

/// An event that could not be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("position {position} cannot be projected: {reason}")]
pub(crate) struct Failure {
    pub(crate) stream: StreamId,
    pub(crate) position: Position,
    version: Version,
    event_type: String,
    /// Whether a newer program may be able to take it.
    newer: bool,
    reason: String,
}

impl Failure {
    fn of(event: &RecordedEvent, refused: &Refused) -> Self {
        Self {
            stream: event.stream_id.clone(),
            position: event.position,
            version: event.version,
            event_type: event.event_type.clone(),
            newer: matches!(refused, Refused::Newer(_)),
            reason: refused.to_string(),
        }
    }

    /// The stream as it is left out, when it was left out `before` or not. Another event than
    /// before is another failure.
    pub(crate) fn parked(self, before: Option<&Parked>, now: Timestamp) -> Parked {
        let before = before.filter(|before| before.position == self.position);
        Parked {
            stream: self.stream,
            state: if self.newer { ParkedState::Waiting } else { ParkedState::Parked },
            position: self.position,
            version: self.version,
            event_type: self.event_type,
            error: self.reason,
            attempts: before.map_or(0, |before| before.attempts) + 1,
            since: before.map_or(now, |before| before.since),
            tried_at: now,
        }
    }
}

/// Why an event could not be taken.
#[derive(Debug, thiserror::Error)]
enum Refused {
    /// A newer program wrote it.
    #[error("{0}")]
    Newer(DecodeError),
    /// It cannot be read, or cannot follow what was before, or met a bug.
    #[error("{}", Chain(&**.0))]
    Failed(BoxError),
}

impl From<DecodeError> for Refused {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::UnknownType(_) | DecodeError::NewerSchema { .. } => Self::Newer(error),
            // Its words name the cause already.
            DecodeError::Malformed { .. } => failed(error.to_string()),
        }
    }
}

fn failed(error: impl Into<BoxError>) -> Refused {
    Refused::Failed(error.into())
}

/// The documents after these events, which are in order. Events that a document already has are
/// passed over: that makes at-least-once delivery harmless. So are those of the streams that are
/// `left_out`, but for taking back what readers see.
pub(crate) fn fold<'a>(
    program: Program,
    known: Vec<Document>,
    events: impl IntoIterator<Item = &'a RecordedEvent>,
    mut left_out: HashSet<StreamId>,
) -> Folded {
    let known = known.into_iter().map(|document| (document.id, document)).collect();
    let mut fold = Fold { program, known, changed: HashMap::new(), removed: HashSet::new() };
    let mut failed = Vec::new();
    for event in events {
        if !left_out.contains(&event.stream_id) {
            let Err(refused) = fold.take(event) else { continue };
            failed.push(Failure::of(event, &refused));
            left_out.insert(event.stream_id.clone());
        }
        fold.pass_over(event);
    }
    let (documents, removed) = (fold.changed.into_values(), fold.removed.into_iter());
    Folded { documents: documents.collect(), removed: removed.collect(), failed }
}

/// What whole streams add up to in a view, each folded by itself, in their order.
pub(crate) fn fold_streams(view: &View, events: &[RecordedEvent]) -> Folded {
    let program = Program::of(view);
    let mut all = Folded::default();
    for stream in events.chunk_by(|one, next| one.stream_id == next.stream_id) {
        // What happened to an article in other categories is not this view's.
        let of_view = stream.iter().filter(|event| event.partition == view.partition);
        let folded = fold(program, Vec::new(), of_view, HashSet::new());
        all.documents.extend(folded.documents);
        all.failed.extend(folded.failed);
    }
    all
}

struct Fold {
    program: Program,
    known: HashMap<Uuid, Document>,
    changed: HashMap<Uuid, Document>,
    removed: HashSet<Uuid>,
}

impl Fold {
    fn take(&mut self, recorded: &RecordedEvent) -> Result<(), Refused> {
        let stamp = recorded.stamp().map_err(failed)?;
        let changed = self.changed.get(&stamp.id);
        let before = changed.or_else(|| self.known.get(&stamp.id));
        if before.is_some_and(|known| known.version >= stamp.version) {
            return Ok(());
        }
        // What changed stays if this fails; what is known is in the store, and need not.
        let before = changed.cloned().or_else(|| self.known.remove(&stamp.id));
        let after = unless_it_panics(|| project(self.program, before, recorded, stamp))?;
        if let Some(after) = after {
            self.changed.insert(stamp.id, after);
        }
        Ok(())
    }

    /// Of a stream that is left out readers go on to see what was known last, until an event takes
    /// it back. Its kind is enough for that: it may be the very event that cannot be read.
    fn pass_over(&mut self, event: &RecordedEvent) {
        if let Ok(id) = event.stream_id.aggregate_id()
            && event.kind().is_some_and(EventKind::withdraws)
        {
            self.changed.remove(&id);
            self.removed.insert(id);
        }
    }
}

fn project(
    program: Program,
    before: Option<Document>,
    recorded: &RecordedEvent,
    stamp: Stamp,
) -> Result<Option<Document>, Refused> {
    let event = (program.decode)(recorded)?;
    let older = before.as_ref().filter(|known| known.version.next() != stamp.version);
    if let Some(older) = older.filter(|_| !stands_alone(&event)) {
        return Err(failed(format!("version {} follows {}", stamp.version, older.version)));
    }
    (program.project)(before, event, stamp).map_err(failed)
}

/// An article that comes back to a category brings all of itself: what happened to it elsewhere
/// is not in this partition, so that its version here may leap.
fn stands_alone(event: &DomainEvent) -> bool {
    match event {
        DomainEvent::News(event) => match event {
            NewsEvent::MovedIn(_) => true,
            NewsEvent::Drafted(_)
            | NewsEvent::Revised(_)
            | NewsEvent::Scheduled(_)
            | NewsEvent::Unscheduled(_)
            | NewsEvent::Embargoed(_)
            | NewsEvent::Published(_)
            | NewsEvent::Corrected(_)
            | NewsEvent::Retracted(_)
            | NewsEvent::Archived(_)
            | NewsEvent::MovedOut(_) => false,
        },
        DomainEvent::User(_) | DomainEvent::Front(_) => false,
    }
}

/// A bug that one event meets must not take the others down. Nothing is left half done: a
/// projection is a function of its arguments.
fn unless_it_panics<T>(work: impl FnOnce() -> Result<T, Refused>) -> Result<T, Refused> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(failed(said(&*panic))))
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the projection panicked: {}", text.unwrap_or("without a word"))
}

#[cfg(test)]
mod tests;
