//! The clock that domain rules and the scheduler get as an argument, so that tests can set it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::Utc;
use events::Timestamp;

/// The system clock, or a clock that a test sets; clones share their time.
#[derive(Debug, Clone, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// Returns the system clock.
    #[must_use]
    pub fn system() -> Self {
        Self(None)
    }

    /// Returns a clock that shows `time` until `set` changes it.
    #[must_use]
    pub fn standing_at(time: Timestamp) -> Self {
        Self(Some(Arc::new(AtomicI64::new(time.millis()))))
    }

    /// Sets a clock made by `standing_at`; has no effect on the system clock.
    pub fn set(&self, time: Timestamp) {
        if let Some(millis) = &self.0 {
            millis.store(time.millis(), Ordering::Relaxed);
        }
    }

    /// The current time of this clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            None => Utc::now().into(),
            Some(millis) => Timestamp::from_millis(millis.load(Ordering::Relaxed)),
        }
    }
}
