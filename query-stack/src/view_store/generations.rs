//! State transitions of a view's generations: pure, the same for every adapter.

use super::{ApplyError, Checkpoint, ViewState};

/// The generations of a view, and the highest number used, because numbers are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Generations {
    pub(super) last: i64,
    pub(super) state: ViewState,
}

impl Generations {
    /// The checkpoint of a new view: an empty live generation.
    pub(super) const FIRST: Checkpoint = Checkpoint::first(1);

    pub(super) fn begin_rebuild(&mut self) -> Checkpoint {
        self.last += 1;
        let begun = Checkpoint::first(self.last);
        self.state.building = Some(begun);
        begun
    }

    /// Starts or restarts a rollback; the generation stays `previous` until the switch.
    ///
    /// The higher revision makes the writer load the parked streams of an interrupted rollback.
    pub(super) fn begin_rollback(&mut self) -> Option<Checkpoint> {
        let previous = self.state.previous?;
        let begun = Checkpoint { revision: previous.revision + 1, ..previous };
        self.state.building = Some(begun);
        self.state.building
    }

    pub(super) fn switch(&mut self, building: Checkpoint) -> Result<(), ApplyError> {
        let live = self.state.live;
        if self.state.building != Some(building) || live.position > building.position {
            return Err(ApplyError::Moved);
        }
        self.state = ViewState { live: building, previous: Some(live), building: None };
        Ok(())
    }

    /// The generations whose documents are still needed.
    pub(super) fn kept(self) -> impl Iterator<Item = i64> {
        let ViewState { live, previous, building } = self.state;
        [Some(live), previous, building].into_iter().flatten().map(|kept| kept.generation)
    }

    pub(super) fn keeps(self, generation: i64) -> bool {
        self.kept().any(|kept| kept == generation)
    }
}
