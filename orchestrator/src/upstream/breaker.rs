//! The circuit breaker of a service behind the door: who was silent for a whole deadline is not
//! asked again until it says that it is well, so that one reader waits for it and not all of them.
//!
//! Closed: questions go through. Open: they are refused at once. Half-open: the service is being
//! asked for its health, by a task of its own and not at the cost of a reader.

use std::sync::{Arc, Mutex, PoisonError};

use events::Backoff;
use proto::metrics::{self, BreakerState};
use tokio::time::Instant;

use super::Upstream;

#[derive(Clone)]
pub(super) struct Breaker(Arc<Mutex<State>>);

struct State {
    is_open: bool,
    last_answer: Instant,
}

impl Breaker {
    pub(super) fn closed(upstream: &str) -> Self {
        metrics::breaker(upstream, BreakerState::Closed);
        Self(Arc::new(Mutex::new(State { is_open: false, last_answer: Instant::now() })))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Upstream {
    /// Whether it is not to be asked now.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.breaker.state().is_open
    }

    /// It answered, whatever it said.
    pub(crate) fn answered(&self) {
        self.breaker.state().last_answer = Instant::now();
    }

    /// It did not answer a question that was asked `since`. If it has not answered anybody else
    /// meanwhile, it is cut off.
    pub(crate) fn silent(&self, since: Instant) {
        let mut state = self.breaker.state();
        if state.is_open || state.last_answer > since {
            return;
        }
        state.is_open = true;
        drop(state);
        metrics::breaker(self.name(), BreakerState::Open);
        tracing::warn!(upstream = self.name(), "silent: not asked until it is well again");
        tokio::spawn(self.clone().close_when_well());
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
        *self.breaker.state() = State { is_open: false, last_answer: Instant::now() };
        metrics::breaker(self.name(), BreakerState::Closed);
        tracing::info!(upstream = self.name(), "well again");
    }
}
