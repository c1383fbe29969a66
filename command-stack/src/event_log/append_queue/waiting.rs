//! Who waits for the log, how much of it there is, and how long that is likely to take.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proto::metrics;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{APPEND_TIMEOUT, Answer, BATCH_BYTES, BATCH_EVENTS, WAITING_BYTES};
use crate::event_log::Append;

/// A request that waits. Its room is given back when it is dropped.
pub(super) struct Waiting {
    pub(super) append: Append,
    pub(super) answer: oneshot::Sender<Answer>,
    pub(super) ticket: Arc<Ticket>,
    _room: Room,
}

/// Whether a request is still waiting: it is either taken into a batch or given up, never both.
#[derive(Default)]
pub(super) struct Ticket(AtomicU8);

const WAITS: u8 = 0;
const TAKEN: u8 = 1;
const GIVEN_UP: u8 = 2;

impl Ticket {
    /// Whether it is in a batch now.
    pub(super) fn take(&self) -> bool {
        self.settle(TAKEN)
    }

    /// Whether it will not be in a batch.
    pub(super) fn give_up(&self) -> bool {
        self.settle(GIVEN_UP)
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.0.load(Ordering::Acquire) == GIVEN_UP
    }

    fn settle(&self, on: u8) -> bool {
        self.0.compare_exchange(WAITS, on, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// What goes on in the queue.
#[derive(Default)]
pub(super) struct Course(Mutex<QueueState>);

#[derive(Default)]
struct QueueState {
    appends: usize,
    events: usize,
    bytes: usize,
    /// When the batch that the database has in hand was given to it.
    in_hand: Option<Instant>,
    /// How long the batch before took.
    last: Duration,
}

impl QueueState {
    /// How long who comes now would wait. What the batch in hand has taken so far, the others will
    /// take as well. While the database has nothing in hand nobody knows, and one goes and sees.
    fn expected(&self, now: Instant) -> Duration {
        let Some(began) = self.in_hand else { return Duration::ZERO };
        let each = self.last.max(now - began);
        let batches = (self.events / BATCH_EVENTS).max(self.bytes / BATCH_BYTES);
        each * (1 + u32::try_from(batches).unwrap_or(u32::MAX))
    }
}

impl Course {
    /// A place in the queue; `None` when there is none, or when it would be in vain.
    pub(super) fn wait(
        self: &Arc<Self>,
        append: Append,
        answer: oneshot::Sender<Answer>,
        ticket: Arc<Ticket>,
    ) -> Option<Waiting> {
        let (events, bytes) = size(&append);
        let mut state = self.state();
        let full = state.bytes > 0 && state.bytes + bytes > WAITING_BYTES;
        if full || state.expected(Instant::now()) > APPEND_TIMEOUT {
            return None;
        }
        state.appends += 1;
        metrics::appends_waiting(state.appends);
        state.events += events;
        state.bytes += bytes;
        let room = Room { course: Arc::clone(self), events, bytes };
        Some(Waiting { append, answer, ticket, _room: room })
    }

    pub(super) fn begin(&self) {
        self.state().in_hand = Some(Instant::now());
    }

    pub(super) fn end(&self) {
        let mut state = self.state();
        state.last = state.in_hand.take().map_or(Duration::ZERO, |began| began.elapsed());
    }

    fn state(&self) -> MutexGuard<'_, QueueState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a request takes of the queue.
struct Room {
    course: Arc<Course>,
    events: usize,
    bytes: usize,
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut state = self.course.state();
        state.appends -= 1;
        metrics::appends_waiting(state.appends);
        state.events -= self.events;
        state.bytes -= self.bytes;
    }
}

/// Events and their bytes.
pub(super) fn size(append: &Append) -> (usize, usize) {
    let events = append.streams.iter().flat_map(|stream| &stream.events);
    events.fold((0, 0), |(count, bytes), event| (count + 1, bytes + event.data.get().len()))
}
