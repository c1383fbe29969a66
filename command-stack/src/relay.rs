//! The relay: carries the log to the bus, in order, at least once.
//!
//! The log is the outbox. One relay leads; it publishes what comes after its checkpoint, page by
//! page, and moves the checkpoint over a page only when the broker has confirmed all of it. After
//! any failure it goes back to its checkpoint: messages may be repeated, never left out. One that was
//! paused while another took over cannot move the checkpoint.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use events::bus::{BusError, EventPublisher, Message, Queue};
use events::{Chain, LogError, Partition, Position, RecordedEvent};
use futures::FutureExt;
use proto::metrics;
use proto::trace::{SpanKind, Step, trace_of};
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

const NOT_LEADING: i64 = -1;

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
    /// How far it is while it leads, for figures.
    published: AtomicI64,
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
        Self { log, bus, partitions, published: AtomicI64::new(NOT_LEADING) }
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
            let end = self.log.last_position(None, Position::END).await.ok();
            metrics::log_position(end);
            metrics::relay_lag(match end {
                Some(end) => self.lag(end).await,
                None => None,
            });
            sleep(metrics::SAMPLE_INTERVAL).await;
        }
    }

    /// How many events are before it, and how long the oldest of them waits.
    async fn lag(&self, end: Position) -> Option<(u64, Duration)> {
        let published = self.published.load(Ordering::Relaxed);
        if published == NOT_LEADING {
            return None;
        }
        // The log has no holes.
        let events = u64::try_from(end.get() - published).unwrap_or_default();
        if events == 0 {
            return Some((0, Duration::ZERO));
        }
        let next = self.log.read_after(Position::new(published), None, 1).await.ok()?;
        let now = chrono::Utc::now().timestamp_millis();
        let age = next.first().map_or(0, |event| now - event.recorded_at.millis());
        Some((events, Duration::from_millis(u64::try_from(age).unwrap_or_default())))
    }

    async fn lead(&self, leadership: Arc<dyn Leadership>) -> Result<Infallible, RelayError> {
        let queues: Vec<_> = self.partitions.iter().flat_map(Queue::of).collect();
        self.bus.declare(&queues).await?;
        let mut course = Course::begin(leadership).await?;
        let _leading = Leading(&self.published);
        self.reached(course.published);
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
                let _ = timeout(course.pause(), appended.changed()).await;
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
        let (mut messages, mut steps) = (Vec::with_capacity(page.len()), Vec::new());
        for event in page {
            if self.partitions.contains(&event.partition) {
                let previous = course.previous(&*self.log, &event).await?;
                let step = publishing(&event, self.bus.system());
                let traceparent = step.traceparent();
                messages.push(Message { event, previous, traceparent });
                steps.push(step);
            }
        }
        let published = self.bus.publish(&messages).await;
        steps.iter_mut().for_each(|step| step.fail_if(published.is_err()));
        drop(steps);
        published?;
        for Message { event, .. } in &messages {
            let (position, id) = (event.position.get(), &event.metadata.correlation_id);
            tracing::debug!(position, correlation_id = id, "on the bus");
        }
        course.published = last;
        self.reached(last);
        Ok(())
    }

    fn reached(&self, position: Position) {
        self.published.store(position.get(), Ordering::Relaxed);
        metrics::relay_position(position);
    }
}

/// The step of sending an event, in the trace of who caused it.
fn publishing(event: &RecordedEvent, system: &'static str) -> Step {
    let name = || "publish portal.events".to_owned();
    let mut step = Step::within(SpanKind::Producer, trace_of(event, None), name);
    if step.is_some() {
        step.note("messaging.system", system);
        step.note("messaging.operation.type", "send");
        step.note("messaging.operation.name", "publish");
        step.note("messaging.destination.name", "portal.events");
        step.note("messaging.rabbitmq.destination.routing_key", event.routing_key());
        step.note_event(event);
    }
    step
}

/// Who ceases to lead is not behind.
struct Leading<'a>(&'a AtomicI64);

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        self.0.store(NOT_LEADING, Ordering::Relaxed);
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
    fn pause(&self) -> Duration {
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
