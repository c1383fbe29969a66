//! The relay: carries the log to the bus, in order, at least once.
//!
//! The log is the outbox. One relay leads; it publishes what comes after its checkpoint, page by
//! page, and moves the checkpoint over a page only when the broker has confirmed all of it. After
//! any failure it goes back to its checkpoint: messages may be repeated, never left out. One that was
//! paused while another took over cannot move the checkpoint.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use events::bus::{BusError, EventPublisher, Message, Queue};
use events::{Chain, LogError, Partition, Position, RecordedEvent};
use futures::FutureExt;
use proto::metrics;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::event_log::{EventLog, LeadError, Leadership, Task, take_turns};

/// Events in flight at most: enough to keep RabbitMQ busy, and a bound for what is held in memory
/// (1 MB of usual articles, 200 MB of the longest) and sent twice.
const PAGE: usize = 250;
/// The log is looked at this often even if nothing woke us.
const POLL: Duration = Duration::from_millis(500);
/// The checkpoint is saved at most this often: it costs the database an fsync, and what is sent
/// twice after a crash costs the projectors almost nothing.
const SAVE_INTERVAL: Duration = Duration::from_millis(250);

/// Why the relay starts over.
#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Lead(#[from] LeadError),
    #[error(transparent)]
    Bus(#[from] BusError),
}

/// Carries the log to the bus.
pub struct Relay {
    log: Arc<dyn EventLog>,
    bus: Arc<dyn EventPublisher>,
    partitions: Vec<Partition>,
}

impl Relay {
    /// A relay for these partitions. Events of others stay in the log: who adds a category later
    /// reads its past from there.
    #[must_use]
    pub fn new(
        log: Arc<dyn EventLog>,
        bus: Arc<dyn EventPublisher>,
        partitions: Vec<Partition>,
    ) -> Self {
        Self { log, bus, partitions }
    }

    /// Runs until the token is cancelled.
    pub async fn run(self, shutdown: CancellationToken) {
        let work = |leadership| self.lead(leadership).boxed();
        let turns = take_turns(&*self.log, Task::Relay, shutdown.clone(), work);
        tokio::join!(turns, shutdown.run_until_cancelled(self.tell_where_the_log_ends()));
    }

    /// So that whoever watches can compare it with how far the relay is.
    async fn tell_where_the_log_ends(&self) {
        loop {
            metrics::log_position(self.log.last_position(None, Position::END).await.ok());
            sleep(metrics::SAMPLE_INTERVAL).await;
        }
    }

    async fn lead(&self, leadership: Arc<dyn Leadership>) -> Result<Infallible, RelayError> {
        let queues: Vec<_> = self.partitions.iter().flat_map(Queue::of).collect();
        self.bus.declare(&queues).await?;
        let mut course = Course::begin(leadership).await?;
        metrics::relay_position(course.published);
        let ended = self.follow(&mut course).await;
        if let Err(RelayError::Bus(BusError::Stuck(partitions))) = &ended {
            // Whoever leads now may be publishing to them.
            course.leadership.confirm().await?;
            self.replace_queues(partitions).await?;
        }
        // What was confirmed need not be sent again, whatever went wrong after it.
        if let Err(error) = course.save().await {
            tracing::debug!(error = %Chain(&error), "the checkpoint was not saved");
        }
        ended
    }

    /// Nothing else would ever mend them, and the bus may lose what is in them.
    async fn replace_queues(&self, partitions: &[Partition]) -> Result<(), BusError> {
        let queues: Vec<_> = partitions.iter().flat_map(Queue::of).collect();
        let names: Vec<_> = queues.iter().map(Queue::to_string).collect();
        tracing::error!(queues = names.join(", "), "queues that take nothing are replaced");
        self.bus.replace(&queues).await
    }

    async fn follow(&self, course: &mut Course) -> Result<Infallible, RelayError> {
        let mut appended = self.log.appended();
        loop {
            appended.mark_unchanged();
            let page = self.log.read_after(course.published, None, PAGE).await?;
            if page.is_empty() {
                // Whether woken or not: look again. An error only says that nobody will wake us.
                let _ = timeout(course.patience(), appended.changed()).await;
            } else {
                self.publish(course, page).await?;
            }
            course.save_if_due().await?;
        }
    }

    async fn publish(
        &self,
        course: &mut Course,
        page: Vec<RecordedEvent>,
    ) -> Result<(), RelayError> {
        let last = page.last().map_or(course.published, |event| event.position);
        let mut messages = Vec::with_capacity(page.len());
        for event in page {
            if self.partitions.contains(&event.partition) {
                let previous = course.previous(&*self.log, &event).await?;
                messages.push(Message { event, previous });
            }
        }
        self.bus.publish(&messages).await?;
        course.published = last;
        metrics::relay_position(last);
        Ok(())
    }
}

/// How far the leading relay has come.
struct Course {
    leadership: Arc<dyn Leadership>,
    published: Position,
    saved: Position,
    saved_at: Instant,
    last_of_partition: HashMap<Partition, Position>,
}

impl Course {
    async fn begin(leadership: Arc<dyn Leadership>) -> Result<Self, LogError> {
        let published = leadership.checkpoint().await?;
        Ok(Self {
            leadership,
            published,
            saved: published,
            saved_at: Instant::now(),
            last_of_partition: HashMap::new(),
        })
    }

    /// The position before this event in its partition: from memory, or once from the log.
    async fn previous(
        &mut self,
        log: &dyn EventLog,
        event: &RecordedEvent,
    ) -> Result<Position, LogError> {
        let known = self.last_of_partition.insert(event.partition.clone(), event.position);
        if let Some(previous) = known {
            return Ok(previous);
        }
        let before = Position::new(event.position.get() - 1);
        log.last_position(Some(&event.partition), before).await
    }

    /// How long to wait for new events: until the next save if one is due, else until the poll.
    fn patience(&self) -> Duration {
        if self.saved == self.published {
            POLL
        } else {
            SAVE_INTERVAL.saturating_sub(self.saved_at.elapsed())
        }
    }

    async fn save_if_due(&mut self) -> Result<(), LeadError> {
        if self.saved != self.published && self.saved_at.elapsed() >= SAVE_INTERVAL {
            self.save().await?;
        }
        Ok(())
    }

    async fn save(&mut self) -> Result<(), LeadError> {
        self.leadership.save(self.published).await?;
        self.saved = self.published;
        self.saved_at = Instant::now();
        Ok(())
    }
}
