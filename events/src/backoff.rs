//! Waiting between attempts of a loop that must never give up.

use std::time::Duration;

use tokio::time::{Instant, sleep};

const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(2);
/// An attempt that lasted so long had worked: what came then is a new trouble.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(5);

/// Pauses that double from 0.1 to 2 seconds, and begin anew after a quiet time.
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
    /// Waits before the next attempt.
    pub async fn pause(&mut self) {
        if self.attempt_began.elapsed() >= FORGOTTEN_AFTER {
            self.next = SHORTEST;
        }
        sleep(self.next).await;
        self.next = (self.next * 2).min(LONGEST);
        self.attempt_began = Instant::now();
    }
}
