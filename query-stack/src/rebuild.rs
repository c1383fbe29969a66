//! Building views again from the log, while readers go on with the live ones: a new generation is
//! filled beside each and takes its place when it is not behind. Nothing but documents is written,
//! so a rebuild has no side effects. A stream of which an event cannot be taken is parked in the new
//! generation too.
//!
//! Up to where the log ended at the beginning, streams are folded whole and documents written in
//! bulk (`loading`); what came meanwhile is applied in the order of the log, as a projector does.

mod loading;

use std::sync::Arc;
use std::time::Duration;

use events::{EventReader, LogError, Position, Timestamp};
use tokio::time::sleep;

use self::loading::Load;
use crate::Unavailable;
use crate::projection::{ProjectError, ViewWriter};
use crate::view_store::{ApplyError, Checkpoint, Slot, View, ViewStore};

/// Events held in memory at most while catching up.
const PAGE: usize = 500;
/// Between attempts to switch when there is nothing to catch up with.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

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
    /// Events read so far, each once, however many views it is in.
    pub events: u64,
    /// How many there were when it began.
    pub total: u64,
}

/// Receives the progress of a rebuild.
pub type OnProgress<'a> = &'a mut (dyn FnMut(Progress) + Send);

/// A new generation of a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    pub view: View,
    /// The generation, and how far it is.
    pub checkpoint: Checkpoint,
    /// How many it has.
    pub documents: usize,
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

pub struct Rebuilder {
    pub log: Arc<dyn EventReader>,
    pub store: Arc<dyn ViewStore>,
}

impl Rebuilder {
    /// Builds a new generation of each of these views from one walk through the log, beside the live
    /// ones. [`Rebuilder::go_live`] makes them live.
    ///
    /// # Errors
    /// See [`RebuildError`]. A rebuild that was interrupted is simply begun again.
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

    /// Makes a new generation live, after it has caught up with what came since it was built.
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

    /// Makes the previous generation live again, after it has caught up, so that readers never see
    /// an older state.
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
                // Commands went on and the live view is ahead: catch up once more.
                Err(ApplyError::Moved) => {
                    self.still_ours(view, built).await?;
                    let caught_up = self.catch_up(view, built, None).await?;
                    if caught_up == built {
                        // This log is behind the live view: a replica. It may come.
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
        // Counting is only worth it for somebody who looks.
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
            // Not only when nothing is left: while commands go on, something always is, and whether
            // it is enough the switch decides.
            if page.len() < PAGE {
                return Ok(building);
            }
        }
    }
}

/// The last position up to a time. Times are in the order of positions, so that it is found by
/// halving.
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

/// Only another rebuild writes the generation that a rebuild writes.
fn superseded(view: &View, error: ProjectError) -> RebuildError {
    match error {
        ProjectError::Moved => RebuildError::Superseded(view.to_string()),
        error => error.into(),
    }
}
