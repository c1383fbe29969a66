//! The circuit breaker of a query-stack: who was silent for a whole deadline is not asked again with
//! that little patience until it says that it is well, so that one reader waits for it and not all
//! of them. A question that has more time may still be answered, and goes through.
//!
//! Closed: questions go through. Open: they are refused at once. Half-open: the service is being
//! asked for its health, by a task of its own and not at the cost of a reader.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use events::Backoff;
use proto::metrics::{self, BreakerState};
use tokio::time::Instant;

use super::Upstream;

#[derive(Clone)]
pub(super) struct Breaker(Arc<Mutex<Observations>>);

struct Observations {
    /// The longest deadline that was missed since it is open.
    missed: Option<Duration>,
    last_answer: Instant,
}

impl Breaker {
    pub(super) fn closed() -> Self {
        Self(Arc::new(Mutex::new(Observations { missed: None, last_answer: Instant::now() })))
    }

    fn state(&self) -> MutexGuard<'_, Observations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Upstream {
    /// Whether it is not to be asked by who can wait for so long.
    pub(crate) fn is_cut_off(&self, timeout: Duration) -> bool {
        self.breaker.state().missed.is_some_and(|missed| timeout <= missed)
    }

    /// It answered, whatever it said.
    pub(crate) fn answered(&self) {
        self.breaker.state().last_answer = Instant::now();
    }

    /// It did not answer a question that was asked `since` and could wait for so long; who cannot be
    /// reached keeps nobody waiting, and would not, however long. If it has not answered anybody
    /// else meanwhile, it is cut off.
    pub(crate) fn silent(&self, since: Instant, timeout: Duration) {
        let mut state = self.breaker.state();
        if state.last_answer > since {
            return;
        }
        let was_closed = state.missed.is_none();
        state.missed = state.missed.max(Some(timeout));
        if was_closed {
            metrics::breaker(self.name(), BreakerState::Open);
            tracing::warn!(upstream = self.name(), "silent: not asked until it is well again");
            tokio::spawn(self.clone().close_when_well());
        }
    }

    async fn close_when_well(self) {
        let mut backoff = Backoff::default();
        loop {
            backoff.pause().await;
            metrics::breaker(self.name(), BreakerState::HalfOpen);
            if self.health().await.is_ok_and(|health| health.ready) {
                break;
            }
            metrics::breaker(self.name(), BreakerState::Open);
        }
        let mut state = self.breaker.state();
        *state = Observations { missed: None, last_answer: Instant::now() };
        metrics::breaker(self.name(), BreakerState::Closed);
        tracing::info!(upstream = self.name(), "well again");
    }
}
