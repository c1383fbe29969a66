//! Delays between the attempts of a loop that never gives up.

use std::time::Duration;

use tokio::time::{Instant, sleep};

const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(2);
/// After an attempt of this length, the delay restarts: the attempt worked for a while.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(5);

/// A delay that doubles from 0.1 to 2 seconds and restarts after a long attempt.
pub struct Backoff {
    next: Duration,
    attempt_began: Instant,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: SHORTEST, attempt_began: Instant::now() }
    }
}

impl Backoff {
    /// Sleeps for the current delay, then doubles it.
    pub async fn pause(&mut self) {
        if self.attempt_began.elapsed() >= FORGOTTEN_AFTER {
            self.next = SHORTEST;
        }
        sleep(self.next).await;
        self.next = (self.next * 2).min(LONGEST);
        self.attempt_began = Instant::now();
    }
}
