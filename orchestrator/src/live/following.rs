//! The call by which a query-stack reports what is new in the log.

use std::time::Duration;

use events::{BoxError, Position};
use proto::v1::{FollowRequest, Happened};
use tokio::time::timeout;
use tonic::Streaming;

use crate::upstream::Upstream;

/// A query-stack that says nothing for so long is silent: three of its heartbeats.
const SILENCE: Duration = Duration::from_millis(1_500);

/// What happens after a position, or from now on.
pub(crate) async fn begin(
    upstream: &Upstream,
    after: Option<Position>,
) -> Result<Streaming<Happened>, BoxError> {
    let mut queries = upstream.queries();
    let following = queries.follow(FollowRequest { after: after.map(Position::get) });
    Ok(timeout(SILENCE, following).await??.into_inner())
}

/// What is told next.
pub(crate) async fn next(told: &mut Streaming<Happened>) -> Result<Happened, BoxError> {
    let happened = timeout(SILENCE, told.message()).await??;
    happened.ok_or_else(|| "it has ended".into())
}
