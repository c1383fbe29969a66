//! The projector: applies events from the bus to one view.
//!
//! Each message names the previous position of its partition. The projector reads everything
//! between the view's checkpoint and that position from the log, so a lost message, a new view and
//! a long absence are the same case. It acknowledges a message after the view has applied it.
//!
//! An event that cannot be applied parks its stream; other streams continue. Beside them the
//! projector retries parked streams: failed ones a few times, those of a newer program for ever,
//! because this program may be older than the one before.

mod steps;

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use chrono::Utc;
use events::bus::{BusError, EventSubscriber, Message};
use events::{Backoff, Chain, EventReader, RecordedEvent, StreamId, Timestamp};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::steps::Steps;
use crate::projection::{ProjectError, ViewWriter};
use crate::view_store::{Checkpoint, Parked, Slot, View, ViewStore};

/// Events per read of the log and per transaction while catching up.
const PAGE: usize = 250;
/// After this time without a message the log is checked for lost ones.
const IDLE: Duration = Duration::from_secs(3);
/// An event older than this that the bus has not delivered may be lost.
const OVERDUE_MS: i64 = 1_000;
/// The same for the search view, which may lag this far under load.
const OVERDUE_WORDS_MS: i64 = 30_000;
/// Interval for checking parked streams while a retry may help.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The longest pause between transactions.
///
/// A transaction costs the store about the same for one event as for many, so the projector pauses
/// for as long as the last one took. The first event after an idle time is applied at once.
const GATHER: Duration = Duration::from_millis(20);
/// The same for the search view.
///
/// It costs the store several times the other views, one index entry per word. So it gets at most
/// half of the time, and the others go first.
const GATHER_WORDS: Duration = Duration::from_millis(500);
/// One search view of this process writes at a time, including its pause.
///
/// Otherwise one view would write in the pause of another.
static WORDS: Semaphore = Semaphore::const_new(1);
/// From this many messages on there is no pause.
const MANY: usize = 32;
/// Parked streams per read.
const PARKED_PAGE: usize = 100;
const SILENT: &str = "it did not bring what is in the log";

/// What the log had that the bus did not deliver.
#[derive(Clone, Copy)]
enum Missed {
    Nothing,
    /// May be on its way, to this projector or to another one of the view.
    New,
    Overdue,
}

/// Keeps one view up to date.
///
/// Several may run for one view: the bus delivers to one, and the store lets one move the
/// checkpoint.
pub struct Projector {
    writer: ViewWriter,
    log: Arc<dyn EventReader>,
    bus: Arc<dyn EventSubscriber>,
    /// The last known set of parked streams.
    parked: Mutex<Option<ParkedSet>>,
    /// The checkpoint after the last change; if another writer moved it, the next change fails.
    left_at: Mutex<Option<Checkpoint>>,
}

/// Identifies a set of parked streams: generation and revision.
type ParkedSet = (i64, i64);

impl Projector {
    /// A projector for this view.
    #[must_use]
    pub fn new(
        view: View,
        store: Arc<dyn ViewStore>,
        log: Arc<dyn EventReader>,
        bus: Arc<dyn EventSubscriber>,
    ) -> Self {
        let writer = ViewWriter::new(store, view, Slot::Live);
        Self { writer, log, bus, parked: Mutex::default(), left_at: Mutex::default() }
    }

    /// The same with another program.
    #[cfg(test)]
    pub(crate) fn with_program(mut self, program: crate::fold::Program) -> Self {
        self.writer.program = program;
        self
    }

    /// Runs until the token is cancelled.
    pub async fn run(self, shutdown: CancellationToken) {
        let work = async {
            let mut backoff = Backoff::default();
            loop {
                // Without the bus the view still follows the log, with a delay.
                if let Err(error) = self.catch_up().await {
                    self.complain("not caught up", &error);
                }
                let Err(error) = self.follow().await;
                self.complain("the bus is interrupted", &error);
                backoff.pause().await;
            }
        };
        let beside = async { tokio::join!(work, self.see_to_parked(), self.upgrade()) };
        shutdown.run_until_cancelled(beside).await;
    }

    async fn upgrade(&self) {
        let mut backoff = Backoff::default();
        while let Err(error) = self.writer.store.upgrade(&self.writer.view).await {
            self.complain("not upgraded", &error);
            backoff.pause().await;
        }
    }

    fn complain(&self, what: &str, error: &(dyn std::error::Error + 'static)) {
        tracing::warn!(view = %self.writer.view, error = %Chain(error), "{what}");
    }

    async fn follow(&self) -> Result<Infallible, BusError> {
        let mut subscription = self.bus.subscribe(&self.writer.view.queue()).await?;
        // The bus delivers a view's messages to one projector; the others only read the log.
        let mut brings_them_here = false;
        loop {
            let Ok(received) = timeout(IDLE, subscription.receive()).await else {
                match self.catch_up().await {
                    // The queue may have been replaced or unbound: subscribe again.
                    Ok(Missed::Overdue) => return Err(BusError::Unavailable(SILENT.into())),
                    Ok(Missed::New) if brings_them_here => {
                        return Err(BusError::Unavailable(SILENT.into()));
                    }
                    Ok(_) => continue,
                    Err(error) => {
                        self.complain("not caught up", &error);
                        continue;
                    }
                }
            };
            let messages = received?;
            let more_wait = messages.len() >= MANY;
            let began = Instant::now();
            self.take(messages).await;
            brings_them_here = true;
            subscription.acknowledge().await?;
            if !more_wait {
                sleep(began.elapsed().min(GATHER)).await;
            }
        }
    }

    /// Applies events to the view; a search view waits for its turn and pauses afterwards.
    async fn advance(
        &self,
        from: Checkpoint,
        events: &[RecordedEvent],
    ) -> Result<Checkpoint, ProjectError> {
        if !self.is_searched() {
            return Ok(self.seen(self.writer.advance(from, events).await?));
        }
        let _turn = WORDS.acquire().await;
        let began = Instant::now();
        let advanced = self.seen(self.writer.advance(from, events).await?);
        sleep(began.elapsed().min(GATHER_WORDS)).await;
        Ok(advanced)
    }

    fn is_searched(&self) -> bool {
        self.writer.view.projection.is_searched()
    }

    /// Returns when the view has applied the messages, however long the store is unavailable.
    ///
    /// Unacknowledged messages keep the others at the broker.
    async fn take(&self, messages: Vec<Message>) {
        let mut backoff = Backoff::default();
        while let Err(error) = self.try_take(&messages).await {
            if !matches!(error, ProjectError::Moved) {
                self.complain("the view stands still", &error);
                backoff.pause().await;
            }
        }
    }

    async fn try_take(&self, messages: &[Message]) -> Result<(), ProjectError> {
        let mut steps = self.steps();
        let left_at = self.left_at.lock().unwrap_or_else(PoisonError::into_inner).take();
        let checkpoint = match left_at {
            Some(checkpoint) => checkpoint,
            None => self.checkpoint().await?,
        };
        let mut reached = checkpoint.position;
        let mut events = Vec::with_capacity(messages.len());
        for Message { event, previous, traceparent } in messages {
            if event.position <= reached {
                continue;
            }
            if *previous > reached {
                return self.catch_up().await.map(drop);
            }
            reached = event.position;
            events.push(event.clone());
            steps.sent_by(traceparent.as_deref());
        }
        steps.writes();
        self.advance(checkpoint, &events).await?;
        steps.done(&events);
        Ok(())
    }

    /// Applies everything from the log that the view does not have.
    async fn catch_up(&self) -> Result<Missed, ProjectError> {
        let partition = &self.writer.view.partition;
        let overdue_ms = if self.is_searched() { OVERDUE_WORDS_MS } else { OVERDUE_MS };
        let overdue = Timestamp::from_millis(Utc::now().timestamp_millis() - overdue_ms);
        let mut missed = Missed::Nothing;
        let mut checkpoint = self.checkpoint().await?;
        loop {
            let mut steps = self.steps();
            let events = self.log.read_after(checkpoint.position, Some(partition), PAGE).await?;
            if let (Missed::Nothing, Some(oldest)) = (missed, events.first()) {
                let is_overdue = oldest.recorded_at < overdue;
                missed = if is_overdue { Missed::Overdue } else { Missed::New };
            }
            steps.writes();
            checkpoint = match self.advance(checkpoint, &events).await {
                // A parked stream was retried meanwhile, or another projector was faster.
                Err(ProjectError::Moved) => {
                    checkpoint = self.checkpoint().await?;
                    continue;
                }
                advanced => advanced?,
            };
            steps.done(&events);
            if events.len() < PAGE {
                return Ok(missed);
            }
        }
    }

    fn steps(&self) -> Steps<'_> {
        let ViewWriter { view, store, .. } = &self.writer;
        let systems = (self.bus.system(), store.system());
        let now = SystemTime::now();
        Steps { view, systems, began: now, writing: now, traceparents: Vec::new() }
    }

    async fn checkpoint(&self) -> Result<Checkpoint, ProjectError> {
        Ok(self.seen(self.writer.store.state(&self.writer.view).await?.live))
    }

    fn seen(&self, checkpoint: Checkpoint) -> Checkpoint {
        if checkpoint.revision > 0 {
            let newest = Some((checkpoint.generation, checkpoint.revision));
            *self.parked.lock().unwrap_or_else(PoisonError::into_inner) = newest;
        }
        *self.left_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(checkpoint);
        checkpoint
    }

    /// Retries parked streams; costs nothing if there are none, or none that a retry may help.
    async fn see_to_parked(&self) -> Infallible {
        let mut settled = None;
        loop {
            let newest = *self.parked.lock().unwrap_or_else(PoisonError::into_inner);
            if newest != settled {
                match self.take_up_parked().await {
                    Ok(time_may_help) if time_may_help => {}
                    Ok(_) => settled = newest,
                    Err(error) => self.complain("parked streams are not seen to", &error),
                }
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Retries all due streams; returns whether a later retry may help any.
    async fn take_up_parked(&self) -> Result<bool, ProjectError> {
        let ViewWriter { store, view, .. } = &self.writer;
        let generation = store.state(view).await?.live.generation;
        let (mut after, mut time_may_help): (Option<StreamId>, _) = (None, false);
        loop {
            let page = store.parked(view, generation, after.as_ref(), PARKED_PAGE).await?;
            let now = Timestamp::from(Utc::now());
            for parked in &page {
                time_may_help |= parked.is_tried_by_itself();
                if parked.is_due(now) {
                    // Another process may have discarded or retried it just now.
                    let wanted = |parked: &Parked| parked.is_due(Utc::now().into());
                    let taken = self.writer.take_up_if(&*self.log, &parked.stream, wanted).await;
                    // Continue with the next stream.
                    if let Err(error) = taken {
                        time_may_help = true;
                        self.complain("a parked stream was not tried", &error);
                    }
                }
            }
            match page.last() {
                Some(last) if page.len() == PARKED_PAGE => after = Some(last.stream.clone()),
                _ => return Ok(time_may_help),
            }
        }
    }
}
