//! Rebuilds views from the log while readers use the live ones.
//!
//! A rebuild fills a new generation, which goes live when it is not behind. It writes only
//! documents, so it has no side effects. A stream that cannot be folded is parked in the new
//! generation.
//!
//! Up to the end of the log at the start, streams are folded whole and written in bulk (`loading`).
//! Later events are applied in log order, as a projector does.

mod loading;

use std::sync::Arc;
use std::time::Duration;

use events::{EventReader, LogError, Position, Timestamp};
use tokio::time::sleep;

use self::loading::Load;
use crate::Unavailable;
use crate::projection::{ProjectError, ViewWriter};
use crate::view_store::{ApplyError, Checkpoint, Slot, View, ViewStore};

/// Events in memory while catching up.
const PAGE: usize = 500;
/// Pause between attempts to switch when there is nothing to catch up with.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The end of the history to rebuild.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// The current end; the new generation goes live.
    Now,
    /// Up to this position; the new generation stays beside the live one for inspection.
    Position(Position),
    /// Up to this time; otherwise like a position.
    Time(Timestamp),
}

/// Progress of a rebuild.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Events read so far, each counted once for all views.
    pub events: u64,
    /// Events to read, as counted at the start.
    pub total: u64,
}

/// Receives the progress.
pub type OnProgress<'a> = &'a mut (dyn FnMut(Progress) + Send);

/// A new generation of a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The rebuilt view.
    pub view: View,
    /// The generation and its position.
    pub checkpoint: Checkpoint,
    /// Number of documents.
    pub documents: usize,
}

/// Why a rebuild stopped; the live view is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// Another rebuild of the same view has begun.
    #[error("another rebuild of {0} has begun")]
    Superseded(String),
    /// There is no generation to roll back to.
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

/// Rebuilds views from a log into a store.
pub struct Rebuilder {
    /// The source of the events.
    pub log: Arc<dyn EventReader>,
    /// The store of the new generations.
    pub store: Arc<dyn ViewStore>,
}

impl Rebuilder {
    /// Builds a new generation of each view in one pass over the log.
    ///
    /// [`Rebuilder::go_live`] makes it live.
    ///
    /// # Errors
    /// See [`RebuildError`]. An interrupted rebuild is simply started again.
    pub async fn build(
        &self,
        views: &[View],
        until: Until,
        on_progress: OnProgress<'_>,
    ) -> Result<Vec<Built>, RebuildError> {
        let up_to = self.position_of(until).await?;
        let mut begun = Vec::with_capacity(views.len());
        for view in views {
            begun.push((view.clone(), self.store.begin_rebuild(view).await?));
        }
        let load = Load { log: &*self.log, store: &self.store, up_to };
        load.run(begun, on_progress).await
    }

    /// Catches up with a new generation and makes it live.
    ///
    /// # Errors
    /// See [`RebuildError`].
    pub async fn go_live(
        &self,
        view: &View,
        built: Checkpoint,
    ) -> Result<Checkpoint, RebuildError> {
        let caught_up = self.catch_up(view, built, None).await?;
        self.switch(view, caught_up).await
    }

    /// Makes the previous generation live again, after it has caught up.
    ///
    /// Readers thus never see an older state.
    ///
    /// # Errors
    /// See [`RebuildError`].
    pub async fn roll_back(
        &self,
        view: &View,
        on_progress: OnProgress<'_>,
    ) -> Result<Checkpoint, RebuildError> {
        let previous = self.store.begin_rollback(view).await?;
        let previous = previous.ok_or_else(|| RebuildError::NoPrevious(view.to_string()))?;
        let caught_up = self.catch_up(view, previous, Some(on_progress)).await?;
        self.switch(view, caught_up).await
    }

    async fn position_of(&self, until: Until) -> Result<Position, LogError> {
        match until {
            Until::Now => self.log.last_position(None, Position::END).await,
            Until::Position(position) => self.log.last_position(None, position).await,
            Until::Time(time) => position_at(&*self.log, time).await,
        }
    }

    async fn switch(&self, view: &View, mut built: Checkpoint) -> Result<Checkpoint, RebuildError> {
        loop {
            match self.store.switch(view, built).await {
                Ok(()) => return Ok(built),
                Err(ApplyError::Unavailable(error)) => return Err(error.into()),
                // The live view is ahead because of new events: catch up again.
                Err(ApplyError::Moved) => {
                    self.still_ours(view, built).await?;
                    let caught_up = self.catch_up(view, built, None).await?;
                    if caught_up == built {
                        // The log is a replica that is behind the live view; it may catch up.
                        sleep(LOOK_AGAIN).await;
                    }
                    built = caught_up;
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

    async fn catch_up(
        &self,
        view: &View,
        mut building: Checkpoint,
        mut on_progress: Option<OnProgress<'_>>,
    ) -> Result<Checkpoint, RebuildError> {
        let store = Arc::clone(&self.store);
        let writer = ViewWriter::new(store, view.clone(), Slot::Building);
        let partition = std::slice::from_ref(&view.partition);
        // Counting costs a query, so only for a caller that reports progress.
        let total = if on_progress.is_some() {
            let before = self.log.count(partition, building.position).await?;
            self.log.count(partition, Position::END).await?.saturating_sub(before)
        } else {
            0
        };
        let mut events = 0;
        loop {
            let page = self.log.read_after(building.position, partition.first(), PAGE).await?;
            building =
                writer.advance(building, &page).await.map_err(|error| superseded(view, error))?;
            events += page.len() as u64;
            if let Some(tell) = &mut on_progress {
                tell(Progress { events, total });
            }
            // A short page suffices: under load there are always new events, and the switch checks
            // the lag.
            if page.len() < PAGE {
                return Ok(building);
            }
        }
    }
}

/// The last position up to a time, by binary search, because times never decrease.
pub(crate) async fn position_at(
    log: &dyn EventReader,
    time: Timestamp,
) -> Result<Position, LogError> {
    let head = log.last_position(None, Position::END).await?;
    let (mut included, mut excluded) = (Position::START.get(), head.get() + 1);
    while included + 1 < excluded {
        let middle = included.midpoint(excluded);
        let event = log.read_after(Position::new(middle - 1), None, 1).await?.pop();
        if event.is_some_and(|event| event.recorded_at <= time) {
            included = middle;
        } else {
            excluded = middle;
        }
    }
    Ok(Position::new(included))
}

/// Maps a moved checkpoint: only another rebuild writes this generation.
fn superseded(view: &View, error: ProjectError) -> RebuildError {
    match error {
        ProjectError::Moved => RebuildError::Superseded(view.to_string()),
        error => error.into(),
    }
}
