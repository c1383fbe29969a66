//! Streams public events from the log.
//!
//! Not from the bus: a queue gives each message to one consumer, but a follower wants all events,
//! from any position.

use std::time::Duration;

use events::{Position, RecordedEvent, Secrets};
use futures::Stream;
use futures::stream::try_unfold;
use proto::conventions::Ending;
use proto::public;
use proto::v1::Happened;
use tokio::time::{Instant, timeout_at};
use tonic::Status;

use super::{Queries, silent_log};

/// Events per read of the log.
const PAGE: usize = 250;
/// The longest pause between messages, so that a follower notices when we are unresponsive.
const HEARTBEAT: Duration = Duration::from_millis(500);

impl Queries {
    /// All events after a position, or from now on, until the service stops.
    pub(super) fn happening(
        self,
        after: Option<i64>,
        ending: Ending,
    ) -> impl Stream<Item = Result<Happened, Status>> {
        let told = after.map(Position::new);
        try_unfold((self, told, ending), |(queries, told, ending)| async move {
            let next = ending.0.run_until_cancelled(queries.next(told)).await;
            let Some(next) = next.transpose()? else { return Ok(None) };
            let told = Some(Position::new(next.position));
            Ok(Some((next, (queries, told, ending))))
        })
    }

    /// The next events; an empty message when there are none before the heartbeat.
    async fn next(&self, told: Option<Position>) -> Result<Happened, Status> {
        let Some(told) = told else {
            let last = self.log.last_position(None, Position::END).await.map_err(silent_log)?;
            return Ok(nothing_until(last));
        };
        let heartbeat = Instant::now() + HEARTBEAT;
        let mut appended = self.log.appended();
        loop {
            appended.mark_unchanged();
            let page = self.log.read_after(told, None, PAGE).await.map_err(silent_log)?;
            if let Some(last) = page.last() {
                let events = page.iter().filter_map(public).collect();
                let erased = page.iter().rfind(|event| erases(event));
                let erased = erased.map(|event| event.position.get());
                return Ok(Happened { events, position: last.position.get(), erased });
            }
            match timeout_at(heartbeat, appended.changed()).await {
                Ok(Ok(())) => {}
                // There is no notification any more: poll at the next heartbeat.
                Ok(Err(_)) => tokio::time::sleep_until(heartbeat).await,
                Err(_) => return Ok(nothing_until(told)),
            }
        }
    }
}

/// Whether names that were printed cannot be read any more.
fn erases(event: &RecordedEvent) -> bool {
    event.kind().is_some_and(|kind| kind.secrets() == Secrets::Destroyed)
}

fn nothing_until(position: Position) -> Happened {
    Happened { position: position.get(), ..Default::default() }
}
