//! Follows the event stream of a query-stack.
//!
//! Every query-stack is followed, so one that dies costs nothing, and each is known to be alive or
//! not.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use events::{Backoff, BoxError, Chain, Position};
use futures::FutureExt;
use proto::v1::Happened;
use tonic::Streaming;

use crate::home::FrontPage;
use crate::live::Tail;
use crate::live::following::{begin, next};
use crate::upstream::Upstream;

/// Follows one query-stack.
pub(crate) struct Follower {
    pub(crate) upstream: Upstream,
    pub(crate) tail: Arc<Tail>,
    pub(crate) front_page: Arc<FrontPage>,
}

impl Follower {
    /// Runs for ever.
    pub(crate) async fn run(self) {
        let mut backoff = Backoff::default();
        loop {
            // A panic on one message must not end the task.
            match AssertUnwindSafe(self.follow(&mut backoff)).catch_unwind().await {
                Ok(Err(error)) => self.complain(&*error),
                Err(_) => self.complain(&std::io::Error::other("it panicked")),
            }
            // Without notifications only queries keep the page current.
            self.front_page.doubt(&self.upstream);
            backoff.pause().await;
        }
    }

    fn complain(&self, error: &(dyn std::error::Error + 'static)) {
        let (upstream, error) = (self.upstream.name(), Chain(error));
        tracing::warn!(upstream, %error, "not followed for now");
    }

    async fn follow(&self, backoff: &mut Backoff) -> Result<Infallible, BoxError> {
        let mut told = self.begin_where_others_are().await?;
        loop {
            let happened = next(&mut told).await?;
            self.tail.hear(&happened, |new| self.front_page.note(new, &happened));
            *backoff = Backoff::default();
        }
    }

    async fn begin_where_others_are(&self) -> Result<Streaming<Happened>, BoxError> {
        if let Some(heard) = self.tail.heard() {
            return begin(&self.upstream, Some(heard)).await;
        }
        let mut told = begin(&self.upstream, None).await?;
        let now = Position::new(next(&mut told).await?.position);
        if self.tail.begin(now, || self.front_page.begin(now)) {
            return Ok(told);
        }
        begin(&self.upstream, self.tail.heard()).await
    }
}
