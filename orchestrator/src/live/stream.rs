//! One client of the live updates.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use events::{BoxError, Category, Position};
use futures::Stream;
use futures::stream::unfold;
use proto::Problem;
use proto::conventions::Ending;
use proto::metrics;
use proto::v1::Happened;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::earlier_events::EarlierEvents;
use super::malformed;
use super::tail::{Next, Tail, frame, is_of};

/// Proxies and browsers close connections that are idle for about a minute.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Accepts clients, up to a limit.
pub(crate) struct Listeners {
    tail: Arc<Tail>,
    earlier: Arc<EarlierEvents>,
    places: Arc<Semaphore>,
}

/// A connected client.
///
/// An event wakes thousands of them at once, so each must do little.
struct Listener {
    tail: Arc<Tail>,
    earlier: Arc<EarlierEvents>,
    head: watch::Receiver<Option<Position>>,
    category: Option<Category>,
    /// All events up to here were sent.
    sent: Position,
    stage: Stage,
    heartbeat: Pin<Box<Sleep>>,
    /// Cancelled when the service stops; its own token, since a shared one's lock is contended.
    ending: CancellationToken,
    _place: Place,
}

/// Why the listener stops waiting.
enum Woken {
    ByNews,
    ToBeat,
    ToEnd,
}

enum Stage {
    Begun,
    /// Has been up to date at least once.
    Live,
    Over,
}

struct Place(#[expect(dead_code, reason = "held")] OwnedSemaphorePermit);

impl Place {
    fn taken(permit: OwnedSemaphorePermit) -> Self {
        metrics::live_clients(1);
        Self(permit)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        metrics::live_clients(-1);
    }
}

impl Listeners {
    pub(crate) fn new(tail: Arc<Tail>, earlier: Arc<EarlierEvents>, at_most: usize) -> Self {
        Self { tail, earlier, places: Arc::new(Semaphore::new(at_most)) }
    }

    /// The same with another limit.
    pub(crate) fn at_most(&self, clients: usize) -> Self {
        Self::new(Arc::clone(&self.tail), Arc::clone(&self.earlier), clients)
    }

    /// Subscribes to a category, or to all, after a position or from now on.
    ///
    /// # Errors
    /// 503 when there are too many listeners, or no query-stack sends events; 400 when `after` is
    /// beyond the end of the log.
    pub(crate) async fn listen(
        &self,
        category: Option<Category>,
        after: Option<Position>,
        ending: Ending,
    ) -> Result<impl Stream<Item = Result<Bytes, Infallible>> + use<>, Problem> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| Problem::overloaded("too many listeners at once"))?;
        let (head, heard) = self.tail.reached(after, malformed).await?;
        let listener = Listener {
            tail: Arc::clone(&self.tail),
            earlier: Arc::clone(&self.earlier),
            head,
            category,
            sent: after.unwrap_or(heard),
            stage: Stage::Begun,
            heartbeat: Box::pin(sleep_until(Instant::now())),
            ending: ending.0.child_token(),
            _place: Place::taken(place),
        };
        // Boxed: each event moves a pointer, not the whole listener.
        Ok(unfold(Box::new(listener), Listener::next))
    }
}

impl Listener {
    async fn next(mut self: Box<Self>) -> Option<(Result<Bytes, Infallible>, Box<Self>)> {
        if matches!(self.stage, Stage::Over) {
            return None;
        }
        let frames = self.frames().await;
        Some((Ok(frames), self))
    }

    /// Waits for the next bytes to send.
    async fn frames(&mut self) -> Bytes {
        loop {
            // Checked here too, because a client with a backlog never waits.
            if self.ending.is_cancelled() {
                return self.stopped();
            }
            // A client that is up to date queries nothing until there is something new.
            if matches!(self.stage, Stage::Live) {
                match self.wait().await {
                    Woken::ByNews => {}
                    Woken::ToBeat => return self.still_here(),
                    Woken::ToEnd => return self.stopped(),
                }
            }
            match self.tail.after(self.sent, self.category.as_ref().map(Category::as_str)) {
                Next::Frames(frames, position) => {
                    (self.sent, self.stage) = (position, Stage::Live);
                    return frames;
                }
                Next::Nothing(position) => (self.sent, self.stage) = (position, Stage::Live),
                // Was up to date, but fell behind the events in memory.
                Next::Older if matches!(self.stage, Stage::Live) => {
                    metrics::live_client_too_slow();
                    return self.end("too slow");
                }
                Next::Older => {
                    if let Some(frames) = self.older().await {
                        return frames;
                    }
                }
            }
        }
    }

    /// Waits for new events, a due heartbeat or the end of the service.
    async fn wait(&mut self) -> Woken {
        let sent = self.sent;
        tokio::select! {
            biased; // nearly every wake-up is for new events, and then nothing else is polled
            _ = self.head.wait_for(|heard| heard.is_some_and(|heard| heard > sent)) => Woken::ByNews,
            () = self.heartbeat.as_mut() => Woken::ToBeat,
            () = self.ending.cancelled() => Woken::ToEnd,
        }
    }

    /// The next older events; `None` if none of the page is for this client.
    async fn older(&mut self) -> Option<Bytes> {
        let until = self.heartbeat.deadline();
        let page = tokio::select! {
            page = self.earlier.page_after(self.sent, until) => page,
            () = self.ending.cancelled() => return Some(self.stopped()),
        };
        match page {
            Ok(Some(page)) => {
                let frames = self.earlier(&page);
                let is_due = frames.is_none() && until <= Instant::now();
                if is_due { Some(self.still_here()) } else { frames }
            }
            Ok(None) => Some(self.still_here()),
            Err(error) => Some(self.interrupted(&error)),
        }
    }

    /// A heartbeat: an id without data, which tells the client its position.
    ///
    /// Also sent to busy clients, because that costs less than resetting the timer for every event.
    fn still_here(&mut self) -> Bytes {
        self.heartbeat.as_mut().reset(Instant::now() + HEARTBEAT);
        format!(": still here\nid: {}\n\n", self.sent).into()
    }

    /// The events of a page that are for this client.
    fn earlier(&mut self, happened: &Happened) -> Option<Bytes> {
        let wanted = self.category.as_ref().map(Category::as_str);
        let events = happened.events.iter();
        let events = events.filter(|it| is_of(it.category.as_deref(), it.from.as_deref(), wanted));
        let frames: Vec<_> = events.map(frame).collect();
        self.sent = Position::new(happened.position);
        (!frames.is_empty()).then(|| frames.concat().into())
    }

    fn stopped(&mut self) -> Bytes {
        self.end("the service stops")
    }

    fn interrupted(&mut self, error: &BoxError) -> Bytes {
        tracing::warn!(%error, "a listener does not get what it missed");
        self.end("interrupted")
    }

    /// The last frame; the client may reconnect and continue from its position.
    fn end(&mut self, reason: &str) -> Bytes {
        self.stage = Stage::Over;
        let sent = self.sent;
        format!("id: {sent}\nevent: end\ndata: {{\"reason\":\"{reason}\"}}\n\n").into()
    }
}
