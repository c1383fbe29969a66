//! The projector: keeps one view up to date from what the bus brings.
//!
//! The bus only says that something is new. Whether something is missing the projector sees for
//! itself: each message names the position before it in the partition, and whatever lies between
//! the view's checkpoint and that position is read from the log. So a lost message, a new view and
//! a long absence are the same case. A message is acknowledged when what it says is in the view.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use events::bus::{BusError, EventSubscriber, Message};
use events::{Backoff, Chain, EventReader};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::projection::{ProjectError, ViewWriter};
use crate::view_store::{Checkpoint, Slot, View, ViewStore};

/// Events read from the log and applied at a time while catching up.
const PAGE: usize = 250;
/// Silence after which the log is asked whether a message was lost.
const IDLE: Duration = Duration::from_secs(3);
const SILENT: &str = "it did not bring what is in the log";

/// Keeps one view. Any number of them may run for the same view: the bus gives messages to one,
/// and the store lets only one move the checkpoint.
pub struct Projector {
    writer: ViewWriter,
    log: Arc<dyn EventReader>,
    bus: Arc<dyn EventSubscriber>,
}

impl Projector {
    /// A projector for this view.
    #[must_use]
    pub fn new(
        view: View,
        store: Arc<dyn ViewStore>,
        log: Arc<dyn EventReader>,
        bus: Arc<dyn EventSubscriber>,
    ) -> Self {
        Self { writer: ViewWriter { store, view, slot: Slot::Live }, log, bus }
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
        shutdown.run_until_cancelled(work).await;
    }

    fn complain(&self, what: &str, error: &(dyn std::error::Error + 'static)) {
        tracing::warn!(view = %self.writer.view, error = %Chain(error), "{what}");
    }

    async fn follow(&self) -> Result<Infallible, BusError> {
        let mut subscription = self.bus.subscribe(&self.writer.view.queue()).await?;
        loop {
            let Ok(received) = timeout(IDLE, subscription.receive()).await else {
                match self.catch_up().await {
                    Ok(false) => continue,
                    // The queue may be another one by now, or bound to nothing: begin anew.
                    Ok(true) => return Err(BusError::Unavailable(SILENT.into())),
                    Err(error) => {
                        self.complain("not caught up", &error);
                        continue;
                    }
                }
            };
            self.take(received?).await;
            subscription.acknowledge().await?;
        }
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
        let checkpoint = self.checkpoint().await?;
        let mut reached = checkpoint.position;
        let mut events = Vec::with_capacity(messages.len());
        for Message { event, previous } in messages {
            if event.position <= reached {
                continue;
            }
            if *previous > reached {
                return self.catch_up().await.map(drop);
            }
            reached = event.position;
            events.push(event.clone());
        }
        self.writer.advance(checkpoint, &events).await?;
        Ok(())
    }

    /// Reads from the log what the view does not have, and tells whether there was anything.
    async fn catch_up(&self) -> Result<bool, ProjectError> {
        let partition = &self.writer.view.partition;
        let began = self.checkpoint().await?;
        let mut checkpoint = began;
        loop {
            let events = self.log.read_after(checkpoint.position, Some(partition), PAGE).await?;
            checkpoint = self.writer.advance(checkpoint, &events).await?;
            if events.len() < PAGE {
                return Ok(checkpoint.position > began.position);
            }
        }
    }

    async fn checkpoint(&self) -> Result<Checkpoint, ProjectError> {
        Ok(self.writer.store.state(&self.writer.view).await?.live)
    }
}
