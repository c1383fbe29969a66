//! Building a view again from the log, while readers go on with the live one: a new generation is
//! filled beside it and takes its place when it is not behind. Nothing but documents is written,
//! so a rebuild has no side effects. A stream of which an event cannot be taken is parked in the new
//! generation too.

use std::sync::Arc;

use events::{EventReader, LogError, Position, RecordedEvent, Timestamp};

use crate::projection::{ProjectError, ViewWriter};
use crate::view_store::{ApplyError, Checkpoint, Slot, Unavailable, View, ViewStore};

/// Events held in memory at most.
const PAGE: usize = 500;

/// How far the past is rebuilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Up to now; the new generation becomes live.
    Now,
    /// Up to this position; the new generation stays beside the live one, to be looked into.
    Position(Position),
    /// Up to this moment; likewise.
    Time(Timestamp),
}

/// How far a rebuild has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Events applied so far.
    pub events: usize,
    /// Where in the log it is.
    pub position: Position,
    /// Where the log ended when it began.
    pub head: Position,
}

/// Why a rebuild stopped. The live view is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// Another rebuild of the same view began.
    #[error("another rebuild of {0} has begun")]
    Superseded(String),
    /// There is no generation to go back to.
    #[error("{0} has no previous generation")]
    NoPrevious(String),
    /// The log or the store failed.
    #[error(transparent)]
    Project(#[from] ProjectError),
}

impl From<Unavailable> for RebuildError {
    fn from(error: Unavailable) -> Self {
        Self::Project(error.into())
    }
}

impl From<LogError> for RebuildError {
    fn from(error: LogError) -> Self {
        Self::Project(error.into())
    }
}

/// Rebuilds views.
pub struct Rebuilder {
    /// Where from.
    pub log: Arc<dyn EventReader>,
    /// Where to.
    pub store: Arc<dyn ViewStore>,
}

impl Rebuilder {
    /// Builds a new generation of a view and, unless it ends in the past, makes it live. Returns
    /// the new generation's checkpoint.
    ///
    /// # Errors
    /// See [`RebuildError`]. A rebuild that was interrupted is simply begun again.
    pub async fn rebuild(
        &self,
        view: &View,
        until: Until,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Checkpoint, RebuildError> {
        self.store.state(view).await?;
        let building = self.store.begin_rebuild(view).await?;
        let mut events = 0;
        let built = self.fill(view, building, until, &mut events, progress).await?;
        match until {
            Until::Now => self.switch(view, built, events, progress).await,
            Until::Position(_) | Until::Time(_) => Ok(built),
        }
    }

    /// Makes the previous generation live again, after it has caught up, so that readers never see
    /// an older state.
    ///
    /// # Errors
    /// See [`RebuildError`].
    pub async fn roll_back(
        &self,
        view: &View,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Checkpoint, RebuildError> {
        let previous = self.store.begin_rollback(view).await?;
        let previous = previous.ok_or_else(|| RebuildError::NoPrevious(view.to_string()))?;
        let mut events = 0;
        let caught_up = self.fill(view, previous, Until::Now, &mut events, progress).await?;
        self.switch(view, caught_up, events, progress).await
    }

    async fn switch(
        &self,
        view: &View,
        mut built: Checkpoint,
        mut events: usize,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Checkpoint, RebuildError> {
        loop {
            match self.store.switch(view, built).await {
                Ok(()) => return Ok(built),
                Err(ApplyError::Unavailable(error)) => return Err(error.into()),
                // Commands went on and the live view is ahead: catch up once more.
                Err(ApplyError::Moved) => {
                    self.still_ours(view, built).await?;
                    built = self.fill(view, built, Until::Now, &mut events, progress).await?;
                }
            }
        }
    }

    async fn still_ours(&self, view: &View, built: Checkpoint) -> Result<(), RebuildError> {
        match self.store.state(view).await?.building {
            Some(building) if building == built => Ok(()),
            _ => Err(RebuildError::Superseded(view.to_string())),
        }
    }

    async fn fill(
        &self,
        view: &View,
        mut building: Checkpoint,
        until: Until,
        events: &mut usize,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Checkpoint, RebuildError> {
        let store = Arc::clone(&self.store);
        let writer = ViewWriter::new(store, view.clone(), Slot::Building);
        let head = self.log.last_position(Some(&view.partition), Position::END).await?;
        loop {
            let partition = Some(&view.partition);
            let mut page = self.log.read_after(building.position, partition, PAGE).await?;
            let read = page.len();
            page.retain(|event| until.includes(event));
            *events += page.len();
            building = match writer.advance(building, &page).await {
                Err(ProjectError::Moved) => {
                    return Err(RebuildError::Superseded(view.to_string()));
                }
                advanced => advanced?,
            };
            progress(Progress { events: *events, position: building.position, head });
            // Not only when nothing is left: while commands go on, something always is, and whether
            // it is enough the switch decides.
            if page.len() < read || read < PAGE {
                return Ok(building);
            }
        }
    }
}

impl Until {
    fn includes(self, event: &RecordedEvent) -> bool {
        match self {
            Self::Now => true,
            Self::Position(position) => event.position <= position,
            Self::Time(time) => event.recorded_at <= time,
        }
    }
}
