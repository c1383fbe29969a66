//! The circuit breaker of a query-stack.
//!
//! Closed: requests pass. Open: after a whole deadline without any answer, requests with that
//! deadline or a shorter one are rejected at once; longer ones may still succeed and pass.
//! Half-open: a background task, not a reader's request, probes the health.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use events::Backoff;
use proto::metrics::{self, BreakerState};
use tokio::time::Instant;

use super::Upstream;

#[derive(Clone)]
pub(super) struct Breaker(Arc<Mutex<Observations>>);

struct Observations {
    /// The longest missed deadline since it opened; `None` while closed.
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
    /// Whether a request with this deadline is rejected.
    pub(crate) fn is_cut_off(&self, timeout: Duration) -> bool {
        self.breaker.state().missed.is_some_and(|missed| timeout <= missed)
    }

    /// Records any answer, also an error.
    pub(crate) fn answered(&self) {
        self.breaker.state().last_answer = Instant::now();
    }

    /// Records a missed deadline, and opens the breaker if nothing else was answered since `since`.
    ///
    /// A connection failure is recorded with an unlimited deadline, because waiting would not help.
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
