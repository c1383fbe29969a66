//! What one process at a time does for the whole portal, and how processes take turns in it.
//!
//! Invariant: who has lost the right to do a task cannot do what only its holder may, whatever it
//! believes: the log itself compares. A process that was paused need not notice anything.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use events::{Backoff, Chain, LogError, Position};
use futures::future::BoxFuture;
use proto::metrics;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::EventLog;

/// What one process at a time does for the whole portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Carrying the log to the bus.
    Relay,
    /// Doing what is due.
    Agenda,
    /// Calling partners.
    Webhooks,
}

impl Task {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Agenda => "agenda",
            Self::Webhooks => "webhooks",
        }
    }
}

/// The right to do a task.
#[async_trait]
pub trait Leadership: Send + Sync {
    /// Holds it for a while longer; to be called about every second.
    async fn confirm(&self) -> Result<(), LeadError>;

    /// Everything up to here has been published.
    async fn checkpoint(&self) -> Result<Position, LogError>;

    /// Moves the checkpoint.
    async fn save(&self, position: Position) -> Result<(), LeadError>;

    /// Gives it up, so that another need not wait until it has run out.
    async fn resign(&self) -> Result<(), LogError>;
}

/// Why a leader could not do what only a leader may.
#[derive(Debug, thiserror::Error)]
pub enum LeadError {
    /// It is none any more.
    #[error("another one leads now")]
    Lost,
    /// The log failed; it may lead or not.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Between looks at whether the leader is gone.
const NEXT_LEADER: Duration = Duration::from_millis(500);
/// Several fit into a lease, so that one that fails costs nothing.
const CONFIRM_INTERVAL: Duration = Duration::from_secs(1);

/// A lease that is not given up runs out by itself.
const RESIGN_TIMEOUT: Duration = Duration::from_secs(1);

/// Does the work whenever nobody else does, until the token is cancelled. The work goes on until it
/// fails, and is dropped when the right to do it is lost.
pub(crate) async fn take_turns<'a, E>(
    log: &dyn EventLog,
    task: Task,
    shutdown: CancellationToken,
    work: impl Fn(Arc<dyn Leadership>) -> BoxFuture<'a, Result<Infallible, E>>,
) where
    E: std::error::Error + From<LogError> + From<LeadError> + 'static,
{
    let mut backoff = Backoff::default();
    metrics::leads(task.as_str(), false);
    while let Some(turn) = shutdown.run_until_cancelled(log.lead(task)).await {
        let failed = match turn {
            Ok(Some(leadership)) => {
                tracing::info!(?task, "leads");
                metrics::leads(task.as_str(), true);
                let failed = lead(leadership.into(), &shutdown, &work).await;
                metrics::leads(task.as_str(), false);
                failed
            }
            Ok(None) => {
                shutdown.run_until_cancelled(sleep(NEXT_LEADER)).await;
                continue;
            }
            Err(error) => Some(error.into()),
        };
        if let Some(error) = failed {
            tracing::warn!(?task, error = %Chain(&error), "starts over");
            shutdown.run_until_cancelled(backoff.pause()).await;
        }
    }
}

/// Works for as long as it leads; nothing failed when it was asked to stop.
async fn lead<'a, E: From<LeadError>>(
    leadership: Arc<dyn Leadership>,
    shutdown: &CancellationToken,
    work: &impl Fn(Arc<dyn Leadership>) -> BoxFuture<'a, Result<Infallible, E>>,
) -> Option<E> {
    let failed = tokio::select! {
        ended = work(Arc::clone(&leadership)) => ended.err(),
        lost = until_lost(&*leadership) => Some(lost.into()),
        () = shutdown.cancelled() => None,
    };
    let _ = timeout(RESIGN_TIMEOUT, leadership.resign()).await;
    failed
}

/// Holds on. That the log does not answer says nothing of who leads: whoever works notices it too.
async fn until_lost(leadership: &dyn Leadership) -> LeadError {
    loop {
        sleep(CONFIRM_INTERVAL).await;
        if let Err(lost @ LeadError::Lost) = leadership.confirm().await {
            return lost;
        }
    }
}
