//! Older events from the log, one page at a time.
//!
//! No stream stays open while a client receives a page, because all queries share one connection.

use std::sync::Arc;

use events::{BoxError, Position};
use proto::v1::Happened;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::following;
use crate::queries::QueryStacks;

/// Clients that read older events at the same time; the others wait.
const CONCURRENT_READERS: usize = 16;

/// Reads older events for clients that missed them.
pub(crate) struct EarlierEvents {
    queries: Arc<QueryStacks>,
    permits: Semaphore,
}

impl EarlierEvents {
    pub(crate) fn new(queries: Arc<QueryStacks>) -> Self {
        Self { queries, permits: Semaphore::new(CONCURRENT_READERS) }
    }

    /// The first page of events after a position; `None` if no turn is free before `until`.
    pub(crate) async fn page_after(
        &self,
        position: Position,
        until: Instant,
    ) -> Result<Option<Happened>, BoxError> {
        let Ok(permit) = timeout_at(until, self.permits.acquire()).await else { return Ok(None) };
        let _permit = permit?;
        let mut error = "there is no query-stack".into();
        for upstream in self.queries.upstreams() {
            let page = async {
                let mut told = following::begin(upstream, Some(position)).await?;
                loop {
                    let happened = following::next(&mut told).await?;
                    if happened.position > position.get() {
                        return Ok(happened);
                    }
                }
            };
            match page.await {
                Ok(happened) => return Ok(Some(happened)),
                Err(refused) => error = refused,
            }
        }
        Err(error)
    }
}
