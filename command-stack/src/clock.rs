//! The clock of domain rules and scheduler, passed in so that tests can set it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::Utc;
use events::Timestamp;

/// A system clock, or a clock set by a test. Clones share their time.
#[derive(Debug, Clone, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The system clock.
    #[must_use]
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that shows `time` until it is set.
    #[must_use]
    pub fn standing_at(time: Timestamp) -> Self {
        Self(Some(Arc::new(AtomicI64::new(time.millis()))))
    }

    /// Sets a standing clock; has no effect on the system clock.
    pub fn set(&self, time: Timestamp) {
        if let Some(millis) = &self.0 {
            millis.store(time.millis(), Ordering::Relaxed);
        }
    }

    /// The current time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            None => Utc::now().into(),
            Some(millis) => Timestamp::from_millis(millis.load(Ordering::Relaxed)),
        }
    }
}
