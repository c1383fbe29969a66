//! `GET /v1/events`: the public log from any position on, in batches of CloudEvents 1.0.
//!
//! It tells what the live updates tell, from the same source. A batch says up to where the log was
//! read, also where nothing was for the public, and `Link: rel="next"` goes on right there: whoever
//! follows that misses nothing and gets nothing twice. What was told cannot be taken back, so that a
//! full batch stays what it is.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, LINK};
use axum::http::{HeaderValue, Uri};
use axum::response::{IntoResponse, Response};
use events::Position;
use proto::conventions::{Ending, PORTAL_POSITION};
use proto::fields::{Whole, query};
use proto::v1::{Happened, PublicEvent};
use proto::{CloudEvent, Problem};
use schemars::JsonSchema;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::Door;
use crate::live::{EarlierEvents, Tail};
use crate::parameters::{Limit, invalid, limit};

/// Events of a batch, if nothing else is asked for.
const LIMIT: u32 = 100;
/// Seconds, shorter than any request may take (`portal/src/serve`).
type Wait = Whole<0, 10>;
/// Who waits at the same time: each is a request, of which a door takes some hundreds. Another one is
/// answered at once.
const WAITING: usize = 64;
/// Pages of the log that are read for one batch. In a long stretch of what is not for the public a
/// batch may be empty, and yet be further.
const PAGES: usize = 8;
/// For reading all of them: with the longest wait still less than any request may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// Of a full batch: a newer program may tell more of the same events.
const KEEP: &str = "public, max-age=3600";

#[derive(JsonSchema)]
#[schemars(rename = "PublicLogParameters")]
pub(crate) struct PublicLogParameters {
    /// The position up to which everything is known; the start of the log, if not said.
    after: Option<Position>,
    #[schemars(with = "Option<Limit>")]
    limit: u32,
    /// Seconds to wait for an event if there is none yet.
    wait: Option<Wait>,
}

impl PublicLogParameters {
    fn read(uri: &Uri) -> Result<Self, Problem> {
        query(uri, |fields| {
            let (after, limit) = (fields.optional("after"), limit(fields, LIMIT));
            let wait = fields.optional("wait");
            Ok(Self { after: after?, limit: limit?, wait: wait? })
        })
    }
}

/// Reads the log for partners.
#[derive(Clone)]
pub(crate) struct PublicLog {
    tail: Arc<Tail>,
    earlier: Arc<EarlierEvents>,
    places: Arc<Semaphore>,
}

/// What was read.
struct Batch {
    events: Vec<PublicEvent>,
    /// Everything for the public up to here is in the batch, or was before it.
    position: Position,
}

pub(crate) async fn get(
    State(portal): State<Door>,
    ending: Option<Extension<Ending>>,
    uri: Uri,
) -> Result<Response, Problem> {
    let PublicLogParameters { after, limit, wait } = PublicLogParameters::read(&uri)?;
    let after = after.unwrap_or(Position::START);
    let wait = wait.map_or(0, Wait::get);
    let Extension(Ending(ending)) = ending.unwrap_or_default();
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let reading = portal.public_log.read(after, most, Duration::from_secs(wait.into()));
    // Who waits while the service stops comes again, to another one.
    let batch = ending.run_until_cancelled(reading).await;
    let stopping = || Problem::unavailable("the service stops");
    let batch = batch.ok_or_else(stopping)??;
    let mut next = format!("/v1/events?after={}&limit={limit}", batch.position);
    if wait > 0 {
        next += &format!("&wait={wait}");
    }
    Ok(answer(&batch, &next, batch.events.len() == most))
}

fn answer(batch: &Batch, next: &str, is_full: bool) -> Response {
    let events: Vec<_> = batch.events.iter().map(CloudEvent::from).collect();
    let mut response = axum::Json(events).into_response();
    let headers = response.headers_mut();
    let set: [(HeaderName, &str); 3] = [
        (CONTENT_TYPE, CloudEvent::BATCH_CONTENT_TYPE),
        (CACHE_CONTROL, if is_full { KEEP } else { "no-cache" }),
        (LINK, &format!("<{next}>; rel=\"next\"")),
    ];
    for (name, value) in set {
        // Of numbers and constants, so that this cannot fail.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    headers.insert(PORTAL_POSITION, HeaderValue::from(batch.position.get()));
    response
}

impl PublicLog {
    pub(crate) fn new(tail: Arc<Tail>, earlier: Arc<EarlierEvents>) -> Self {
        Self { tail, earlier, places: Arc::new(Semaphore::new(WAITING)) }
    }

    /// At most so many events after a position; when there are none, waits for one.
    async fn read(&self, after: Position, most: usize, wait: Duration) -> Result<Batch, Problem> {
        let (mut head, _) = self.tail.reached(Some(after), |why| invalid("after", why)).await?;
        let place = self.places.try_acquire().ok().filter(|_| !wait.is_zero());
        let wait_until = Instant::now() + if place.is_some() { wait } else { Duration::ZERO };
        let mut batch = Batch { events: Vec::new(), position: after };
        let mut deadline = None;
        for _ in 0..PAGES {
            let sent = batch.position;
            let has_more = |heard: &Option<Position>| heard.is_some_and(|heard| heard > sent);
            let is_end = !has_more(&head.borrow());
            if is_end && !batch.events.is_empty() {
                break;
            }
            if is_end && timeout_at(wait_until, head.wait_for(has_more)).await.is_err() {
                break;
            }
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + DEADLINE);
            match self.page_after(sent, deadline).await {
                Ok(page) => batch.take(page, most),
                // What was read is told, and the next batch goes on there.
                Err(_) if batch.position > after => break,
                Err(problem) => return Err(problem),
            }
            if batch.events.len() == most {
                break;
            }
        }
        Ok(batch)
    }

    async fn page_after(&self, position: Position, deadline: Instant) -> Result<Happened, Problem> {
        match timeout_at(deadline, self.earlier.page_after(position, deadline)).await {
            Ok(Ok(Some(page))) => Ok(page),
            Ok(Ok(None)) => Err(Problem::overloaded("too many read the log at once")),
            Ok(Err(error)) => Err(unreadable(&error)),
            Err(late) => Err(unreadable(&late)),
        }
    }
}

fn unreadable(error: &dyn std::fmt::Display) -> Problem {
    tracing::warn!(%error, "a partner cannot read the log");
    Problem::unavailable("the log cannot be read right now")
}

impl Batch {
    /// As much of a page as there is room for.
    fn take(&mut self, page: Happened, most: usize) {
        let room = most - self.events.len();
        self.position = Position::new(page.position);
        self.events.extend(page.events.into_iter().take(room));
        if self.events.len() == most
            && let Some(last) = self.events.last()
        {
            self.position = Position::new(last.position);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(positions: &[i64], end: i64) -> Happened {
        let event = |position: &i64| PublicEvent { position: *position, ..Default::default() };
        let events = positions.iter().map(event).collect();
        Happened { events, position: end, erased: None }
    }

    fn taken(page: Happened, most: usize) -> (usize, i64) {
        let mut batch = Batch { events: Vec::new(), position: Position::START };
        batch.take(page, most);
        (batch.events.len(), batch.position.get())
    }

    #[test]
    fn a_batch_is_as_far_as_what_it_tells() {
        // Not further, or what had no room would be missing.
        assert_eq!(taken(page(&[2, 5, 8], 9), 2), (2, 5));
        assert_eq!(taken(page(&[2, 5], 9), 2), (2, 5));
        // And where nothing was for the public it is further all the same.
        assert_eq!(taken(page(&[2, 5, 8], 9), 4), (3, 9));
        assert_eq!(taken(page(&[], 250), 4), (0, 250));
    }
}
