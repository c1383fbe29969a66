//! The projector: keeps one view up to date from what the bus brings.
//!
//! The bus only says that something is new. Whether something is missing the projector sees for
//! itself: each message names the position before it in the partition, and whatever lies between
//! the view's checkpoint and that position is read from the log. So a lost message, a new view and
//! a long absence are the same case. A message is acknowledged when what it says is in the view.
//!
//! An event that cannot be taken parks its stream, and the others go on at once. Beside them the
//! projector tries what is parked again: a few times what failed, and for ever what a newer program
//! wrote, since this one may have just been started in the place of an older one.

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

/// Events read from the log and applied at a time while catching up.
const PAGE: usize = 250;
/// Silence after which the log is asked whether a message was lost.
const IDLE: Duration = Duration::from_secs(3);
/// The bus brings an event within milliseconds: one that it did not bring by then it may have lost.
const OVERDUE_MS: i64 = 1_000;
/// The view that is searched may be so late while there is much to do.
const OVERDUE_WORDS_MS: i64 = 30_000;
/// Between looks at parked streams, while there are some that time may help.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// A transaction costs the store about the same for one event as for many. So a projector pauses
/// for as long as the last one took, but not longer than this, and more come together the busier
/// the store is. The first event after a quiet time is taken at once.
const GATHER: Duration = Duration::from_millis(20);
/// The same for the view that is searched. Each word of an article is an entry of an index, which
/// costs the store several times what the other views of it do: these go first, and while there is
/// much to do no more than half of the time is spent on the words.
const GATHER_WORDS: Duration = Duration::from_millis(500);
/// Whose turn it is to write words, of all views of this process that are searched: kept through the
/// pause after it, or the pauses of some would be the work of others.
static WORDS: Semaphore = Semaphore::const_new(1);
/// So many messages came together already.
const MANY: usize = 32;
/// Parked streams looked at a time.
const PARKED_PAGE: usize = 100;
const SILENT: &str = "it did not bring what is in the log";

/// What a look into the log brought that the bus had not.
#[derive(Clone, Copy)]
enum Missed {
    Nothing,
    /// It may be on its way, to here or to another projector of the view.
    New,
    Overdue,
}

/// Keeps one view. Any number of them may run for the same view: the bus gives messages to one,
/// and the store lets only one move the checkpoint.
pub struct Projector {
    writer: ViewWriter,
    log: Arc<dyn EventReader>,
    bus: Arc<dyn EventSubscriber>,
    /// The newest set of parked streams that was heard of.
    parked: Mutex<Option<ParkedSet>>,
    /// Where this projector left the view: whether it still is there, the next change finds out.
    left_at: Mutex<Option<Checkpoint>>,
}

/// One state of the set of parked streams: a generation and its revision.
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

    /// The same with another program, which may learn.
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
                // Without the bus the view still follows the log, only later.
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
        // The bus brings the messages of a view to one projector; others only look into the log.
        let mut brings_them_here = false;
        loop {
            let Ok(received) = timeout(IDLE, subscription.receive()).await else {
                match self.catch_up().await {
                    // The queue may be another one by now, or bound to nothing: begin anew.
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

    /// Takes events into the view; words only when it is their turn, and with a pause.
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

    /// Returns when the messages are in the view, however long the view store is away: holding on
    /// to them is what keeps the rest at the broker.
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

    /// Reads from the log what the view does not have.
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
                // A parked stream was taken up meanwhile, or another projector was faster.
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

    /// While nothing was ever parked, and once time helps nobody any more, this costs nothing.
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

    /// Tries what is due, page by page; whether there is anything that time may help.
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
                    // Somebody may give it up just now, or have tried it.
                    let wanted = |parked: &Parked| parked.is_due(Utc::now().into());
                    let taken = self.writer.take_up_if(&*self.log, &parked.stream, wanted).await;
                    // The next ones need not wait for this one.
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
