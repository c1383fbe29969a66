//! Waits until a view has reached a reader's position.

use std::time::Duration;

use events::Position;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::Status;

use super::Queries;
use crate::view_store::{Checkpoint, Move, View};

/// How long a query waits for its `min_position`.
const POSITION_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a view needs for a new event: the bus, and up to four steps of the projector.
const ON_THE_BUS: Duration = Duration::from_millis(15);
const STEPS: u32 = 4;
/// The upper bound of that time; asking the log, which may know that nothing comes, takes time too.
const LONGEST: Duration = Duration::from_millis(500);
/// Shortest and longest pause between polls of a checkpoint that another process moves.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
const LOOK_AGAIN_LATER: Duration = Duration::from_millis(20);
/// Pause between polls of a checkpoint that this process moves, in case another has taken over.
const LOOK_ANYWAY: Duration = Duration::from_millis(500);

impl Queries {
    /// The live generation of a view, once it has all events of its partition up to `min`.
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
                // This may take long when the log is unavailable: load the view again afterwards.
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
                // The store does not show yet what it confirmed; it may be another replica by now.
                sleep(pause).await;
            } else {
                let look = Instant::now() + if moved_here { LOOK_ANYWAY } else { pause };
                let _ = timeout_at(look.min(deadline), moves.wait_for(has_all)).await;
            }
            pause = (pause * 2).min(LOOK_AGAIN_LATER);
        }
    }

    /// Waits until all deletions of readings demanded up to `min` are done.
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

    /// The live checkpoint once this process moves it to `min`; `None` if the view stands still.
    ///
    /// `min` was committed before the request, so a moving view reaches it without help. Watching
    /// is free, while each query of store and log would slow the view down.
    ///
    /// If a switch happens meanwhile, the old generation is retained until the next switch and has
    /// the requested events.
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

    /// The last position of the view's partition up to `min`: all that a reader must wait for.
    ///
    /// Returns `min`, the safe value, if the log is unavailable or has not reached `min` itself.
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
