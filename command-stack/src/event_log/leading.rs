//! Leader election: one process at a time runs each task.
//!
//! Invariant: `confirm` and `save` fail after leadership is lost, even in a process that was paused
//! and did not notice, because the log itself checks who leads.

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

/// A task that one process at a time runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Publishes the events of the log to the bus.
    Relay,
    /// Runs due jobs (the scheduler).
    Agenda,
    /// Delivers webhooks.
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

/// The leadership of one task.
#[async_trait]
pub trait Leadership: Send + Sync {
    /// Renews the lease; the leader calls this about once a second.
    async fn confirm(&self) -> Result<(), LeadError>;

    /// Every event up to this position has been published.
    async fn checkpoint(&self) -> Result<Position, LogError>;

    /// Saves the position up to which all events have been published.
    async fn save(&self, position: Position) -> Result<(), LeadError>;

    /// Releases the lease, so that the next leader need not wait until it expires.
    async fn resign(&self) -> Result<(), LogError>;
}

/// Why an action of a leader failed.
#[derive(Debug, thiserror::Error)]
pub enum LeadError {
    /// This process no longer leads the task.
    #[error("another one leads now")]
    Lost,
    /// The log failed; the process may or may not still lead.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Pause between attempts to become the leader.
const NEXT_LEADER: Duration = Duration::from_millis(500);
/// Several renewals fit into one lease, so that one failed renewal does not lose it.
const CONFIRM_INTERVAL: Duration = Duration::from_secs(1);

/// Short, because a lease that is not released expires by itself.
const RESIGN_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs `work` whenever this process leads the task, until `shutdown` is cancelled.
/// Restarts `work` with a growing pause when it fails, and drops it when leadership is lost.
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

/// Runs `work` while leading; returns `None` if it stopped because of the shutdown.
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

/// Renews the lease until it is lost.
/// Ignores failures of the log: they do not show who leads, and `work` meets them as well.
async fn until_lost(leadership: &dyn Leadership) -> LeadError {
    loop {
        sleep(CONFIRM_INTERVAL).await;
        if let Err(lost @ LeadError::Lost) = leadership.confirm().await {
            return lost;
        }
    }
}
