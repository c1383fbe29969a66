//! What time it is, as the rules and the agenda see it: an argument, so that a test can say.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::Utc;
use events::Timestamp;

/// A clock. Clones show the same time.
#[derive(Debug, Clone, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The clock of the machine.
    #[must_use]
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that stands until it is set.
    #[must_use]
    pub fn standing_at(time: Timestamp) -> Self {
        Self(Some(Arc::new(AtomicI64::new(time.millis()))))
    }

    /// Sets a standing clock; the machine's is not ours to set.
    pub fn set(&self, time: Timestamp) {
        if let Some(millis) = &self.0 {
            millis.store(time.millis(), Ordering::Relaxed);
        }
    }

    /// The time that decisions see.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            None => Utc::now().into(),
            Some(millis) => Timestamp::from_millis(millis.load(Ordering::Relaxed)),
        }
    }
}
