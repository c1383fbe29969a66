//! Waiting until a view has what a reader has seen already.

use std::time::Duration;

use events::Position;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::Status;

use super::Queries;
use crate::view_store::{Checkpoint, Move, View};

/// How long a query waits for its `min_position`.
const POSITION_TIMEOUT: Duration = Duration::from_secs(2);
/// What a view needs for an event that was just committed: a few milliseconds on the bus, and the
/// projector's step, before which it may have to end another and gather.
const ON_THE_BUS: Duration = Duration::from_millis(15);
const STEPS: u32 = 4;
/// And no longer than this, however slow the store was: the log may know that nothing will come, and
/// asking it takes its time as well.
const LONGEST: Duration = Duration::from_millis(500);
/// Between looks at a checkpoint that another process moves: the first pause, and the longest.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
const LOOK_AGAIN_LATER: Duration = Duration::from_millis(20);
/// The same where this process moves it, and tells so: another one may have taken over.
const LOOK_ANYWAY: Duration = Duration::from_millis(500);

impl Queries {
    /// The live generation of a view that has everything of its partition up to `min`.
    pub(super) async fn live(&self, view: &View, min: i64) -> Result<Checkpoint, Status> {
        let min = Position::new(min);
        let deadline = Instant::now() + POSITION_TIMEOUT;
        if let Some(reached) = self.reached_here(view, min, deadline).await {
            return Ok(reached);
        }
        let mut needed = None;
        let (mut place, mut pause) = (None, LOOK_AGAIN);
        loop {
            let live = self.look(self.store.state(view)).await?.live;
            if live.position >= needed.unwrap_or(min) {
                return Ok(Checkpoint { position: live.position.max(min), ..live });
            }
            if needed.is_none() {
                // This may take its time when the log is down: look at the view again after it.
                let last = timeout_at(deadline, self.last_of_partition(view, min)).await;
                needed = Some(last.unwrap_or(min));
                continue;
            }
            place = place.or_else(|| self.waiting.try_acquire().ok());
            if Instant::now() >= deadline || place.is_none() {
                return Err(Status::failed_precondition("the view is behind"));
            }
            let mut moves = self.store.moves(view);
            let moved_here = moves.borrow().is_some();
            let has_all = has_all_up_to(needed.unwrap_or(min));
            if has_all(&moves.borrow()) {
                // The store does not show yet what it was given: it may be another one by now.
                sleep(pause).await;
            } else {
                let look = Instant::now() + if moved_here { LOOK_ANYWAY } else { pause };
                let _ = timeout_at(look.min(deadline), moves.wait_for(has_all)).await;
            }
            pause = (pause * 2).min(LOOK_AGAIN_LATER);
        }
    }

    /// Returns when what was to be forgotten of readings up to `min` is forgotten.
    pub(super) async fn forgotten(&self, min: i64) -> Result<(), Status> {
        let min = Position::new(min);
        if min == Position::START {
            return Ok(());
        }
        let deadline = Instant::now() + POSITION_TIMEOUT;
        let last = timeout_at(deadline, self.last_of_partition(&View::users(), min)).await;
        let needed = last.unwrap_or(min);
        let (mut place, mut pause) = (None, LOOK_AGAIN);
        while self.look(self.readings.followed()).await? < needed {
            place = place.or_else(|| self.waiting.try_acquire().ok());
            if Instant::now() >= deadline || place.is_none() {
                return Err(Status::failed_precondition("not everything is forgotten yet"));
            }
            sleep(pause).await;
            pause = (pause * 2).min(LOOK_AGAIN_LATER);
        }
        Ok(())
    }

    /// Where this process has moved a view that still moves, once that is `min` or beyond. Such a
    /// view gets there by itself, however far behind it is: `min` was committed before it was asked
    /// for, so what comes next lies beyond it. Waiting for that costs nothing, while every look at
    /// the store and the log would slow the view down further. `None` when it does not move: when
    /// nothing came for longer than it takes.
    ///
    /// Somebody may switch to another generation at this very moment. The one that was left is
    /// kept until the next switch, and it has what the reader asked for.
    async fn reached_here(
        &self,
        view: &View,
        min: Position,
        deadline: Instant,
    ) -> Option<Checkpoint> {
        if min == Position::START {
            return None;
        }
        let mut moves = self.store.moves(view);
        loop {
            let moved = (*moves.borrow_and_update())?;
            let quiet = moved.at + (ON_THE_BUS + STEPS * moved.took).min(LONGEST);
            if Instant::now() >= quiet.min(deadline) {
                return None;
            }
            if moved.to.position >= min {
                return Some(moved.to);
            }
            timeout_at(quiet.min(deadline), moves.changed()).await.ok()?.ok()?;
        }
    }

    /// The view's partition may have nothing up to `min` that the view does not have: then there
    /// is nothing to wait for. If the log itself is not at `min`, or does not answer, the cautious
    /// answer is `min`.
    async fn last_of_partition(&self, view: &View, min: Position) -> Position {
        let of_partition = self.log.last_position(Some(&view.partition), min);
        match tokio::try_join!(self.log.last_position(None, min), of_partition) {
            Ok((of_log, of_partition)) if of_log == min => of_partition,
            _ => min,
        }
    }
}

fn has_all_up_to(min: Position) -> impl Fn(&Option<Move>) -> bool + Copy {
    move |moved| moved.is_some_and(|moved| moved.to.position >= min)
}
