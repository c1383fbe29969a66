//! Retries and discards parked streams: streams with an event that could not be projected.
//! Both use the compare-and-set of the checkpoint, so that the projector, which keeps running, and
//! concurrent retries never overwrite each other.

use std::collections::HashSet;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use events::{EventReader, LogError, RecordedEvent, StreamId, Timestamp};

use crate::fold::fold;
use crate::projection::{ProjectError, ViewWriter};
use crate::view_store::{
    ApplyError, Change, Checkpoint, Parked, ParkedState, Slot, View, ViewStore,
};

/// Attempts before a parked stream needs an operator.
const ATTEMPTS: u32 = 5;
/// The pause after the first attempt; doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// How often to start over when the projector has moved the checkpoint.
const RACES: usize = 100;

/// The outcome of retrying a parked stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TakenUp {
    /// The stream is projected and no longer parked.
    Done,
    /// One of its events still cannot be projected.
    Still(Parked),
    /// The stream was not parked.
    WasNotParked,
}

impl Parked {
    /// Whether the same event still waits for a newer program.
    fn waits_like(&self, before: &Self) -> bool {
        let waits = |parked: &Self| parked.state == ParkedState::Waiting;
        waits(self) && waits(before) && self.position == before.position
    }

    /// Whether the projector retries it, now or later.
    pub(crate) fn is_tried_by_itself(&self) -> bool {
        match self.state {
            ParkedState::Waiting => true,
            ParkedState::Parked => self.attempts < ATTEMPTS,
            ParkedState::Discarded => false,
        }
    }

    /// Whether a retry is due at `now`.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        // Cheap: a stream that waits for a newer program is only looked at.
        let pause = match self.state {
            ParkedState::Waiting => Duration::ZERO,
            _ => FIRST_PAUSE * 2_u32.pow(self.attempts.saturating_sub(1).min(ATTEMPTS)),
        };
        let waited = u64::try_from(now.millis() - self.tried_at.millis()).unwrap_or_default();
        self.is_tried_by_itself() && Duration::from_millis(waited) >= pause
    }
}

impl ViewWriter {
    /// Folds the whole stream up to the checkpoint; the projector applies later events.
    pub(crate) async fn take_up(
        &self,
        log: &dyn EventReader,
        stream: &StreamId,
    ) -> Result<TakenUp, ProjectError> {
        self.take_up_if(log, stream, |_| true).await
    }

    /// Does the same, if the stream is still parked and `wanted` holds.
    pub(crate) async fn take_up_if(
        &self,
        log: &dyn EventReader,
        stream: &StreamId,
        wanted: fn(&Parked) -> bool,
    ) -> Result<TakenUp, ProjectError> {
        for _ in 0..RACES {
            let from = self.store.state(&self.view).await?.live;
            let Some(before) = self.parked(from, stream).await? else {
                return Ok(TakenUp::WasNotParked);
            };
            if !wanted(&before) {
                return Ok(TakenUp::Still(before));
            }
            match self.try_to_take_up(log, from, &before).await {
                Err(ProjectError::Moved) => {}
                taken_up => return taken_up,
            }
        }
        Err(ProjectError::Moved)
    }

    async fn try_to_take_up(
        &self,
        log: &dyn EventReader,
        from: Checkpoint,
        before: &Parked,
    ) -> Result<TakenUp, ProjectError> {
        let events = self.events_up_to(log, from, &before.stream).await?;
        let mut folded = fold(self.program, Vec::new(), &events, HashSet::new());
        let now = Timestamp::from(chrono::Utc::now());
        let still = folded.failed.pop().map(|failure| failure.parked(Some(before), now));
        if still.as_ref().is_some_and(|still| still.waits_like(before)) {
            return Ok(TakenUp::Still(before.clone()));
        }
        let mut removed = folded.removed;
        if folded.documents.is_empty() {
            removed.extend(before.stream.aggregate_id().ok());
        }
        let (parked, freed) = match &still {
            Some(still) => (slice::from_ref(still), &[][..]),
            None => (&[][..], slice::from_ref(&before.stream)),
        };
        let (to, documents) = (from.position, &folded.documents[..]);
        let change = Change { to, documents, removed: &removed, parked, freed };
        self.store.apply(&self.view, self.slot, from, &change).await?;
        let Some(still) = still else {
            tracing::info!(view = %self.view, stream = %before.stream, "taken up again");
            return Ok(TakenUp::Done);
        };
        self.tell(&still);
        Ok(TakenUp::Still(still))
    }

    /// Reads the events of a stream in this partition, up to the checkpoint.
    /// Fails if the log ends earlier: an outdated copy would remove data from the view.
    async fn events_up_to(
        &self,
        log: &dyn EventReader,
        to: Checkpoint,
        stream: &StreamId,
    ) -> Result<Vec<RecordedEvent>, ProjectError> {
        if log.last_position(Some(&self.view.partition), to.position).await? < to.position {
            let behind = format!("it ends before position {}, where the view is", to.position);
            return Err(LogError::Unavailable(behind.into()).into());
        }
        let mut events = log.read_stream(stream).await?;
        events.retain(|event| {
            event.partition == self.view.partition && event.position <= to.position
        });
        Ok(events)
    }

    /// Discards a stream and its document; `None` if it was not parked.
    async fn discard(&self, stream: &StreamId) -> Result<Option<Parked>, ProjectError> {
        for _ in 0..RACES {
            let from = self.store.state(&self.view).await?.live;
            let Some(before) = self.parked(from, stream).await? else { return Ok(None) };
            let discarded = Parked { state: ParkedState::Discarded, ..before };
            let removed: Vec<_> = stream.aggregate_id().into_iter().collect();
            let change = Change {
                to: from.position,
                removed: &removed,
                parked: slice::from_ref(&discarded),
                ..Change::default()
            };
            match self.store.apply(&self.view, self.slot, from, &change).await {
                Err(ApplyError::Moved) => {}
                Err(error) => return Err(error.into()),
                Ok(_) => return Ok(Some(discarded)),
            }
        }
        Err(ProjectError::Moved)
    }

    async fn parked(
        &self,
        at: Checkpoint,
        stream: &StreamId,
    ) -> Result<Option<Parked>, ProjectError> {
        let stream = slice::from_ref(stream);
        Ok(self.store.parked_among(&self.view, at.generation, stream).await?.pop())
    }

    /// Logs a parked stream as an error.
    pub(crate) fn tell(&self, parked: &Parked) {
        let Parked { stream, state, position, event_type, error, attempts, .. } = parked;
        let view = &self.view;
        tracing::error!(%view, %stream, %position, event_type, error, attempts, "{state}");
    }
}

/// Access for operators to the parked streams of the live views.
pub struct DeadLetters {
    /// The event log.
    pub log: Arc<dyn EventReader>,
    /// The view store.
    pub store: Arc<dyn ViewStore>,
}

impl DeadLetters {
    /// Returns up to `limit` parked streams of a view, in ascending order after `after`.
    ///
    /// # Errors
    /// When the view store is unavailable.
    pub async fn list(
        &self,
        view: &View,
        after: Option<&StreamId>,
        limit: usize,
    ) -> Result<Vec<Parked>, ProjectError> {
        let live = self.store.state(view).await?.live;
        Ok(self.store.parked(view, live.generation, after, limit).await?)
    }

    /// Returns the stream, if the view has parked it.
    ///
    /// # Errors
    /// When the view store is unavailable.
    pub async fn find(
        &self,
        view: &View,
        stream: &StreamId,
    ) -> Result<Option<Parked>, ProjectError> {
        let live = self.store.state(view).await?.live;
        self.writer(view).parked(live, stream).await
    }

    /// Projects a parked or discarded stream again, from its first event.
    ///
    /// # Errors
    /// See [`ProjectError`].
    pub async fn retry(&self, view: &View, stream: &StreamId) -> Result<TakenUp, ProjectError> {
        self.writer(view).take_up(&*self.log, stream).await
    }

    /// Discards a stream in this generation of the view; `None` if it was not parked.
    /// Its document is removed, and its later events are skipped.
    ///
    /// # Errors
    /// See [`ProjectError`].
    pub async fn discard(
        &self,
        view: &View,
        stream: &StreamId,
    ) -> Result<Option<Parked>, ProjectError> {
        self.writer(view).discard(stream).await
    }

    fn writer(&self, view: &View) -> ViewWriter {
        ViewWriter::new(Arc::clone(&self.store), view.clone(), Slot::Live)
    }
}

#[cfg(test)]
mod tests;
