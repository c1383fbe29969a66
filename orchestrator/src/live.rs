//! `GET /v1/live`: public events as server-sent events (WHATWG HTML, 9.2).
//!
//! The id of an event is its log position. A client that reconnects sends its last id and gets the
//! later events: recent ones from memory, older ones from the log.
//!
//! The only state per client is its position, so a slow client costs nothing. A client that falls
//! behind the events in memory is notified and disconnected.

mod earlier_events;
pub(crate) mod following;
mod stream;
mod tail;

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::Response;
use events::Position;
use proto::Problem;
use proto::conventions::Ending;
use proto::fields::query;
use schemars::JsonSchema;

pub(crate) use self::earlier_events::EarlierEvents;
pub(crate) use self::stream::Listeners;
pub(crate) use self::tail::Tail;
use crate::Door;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

#[derive(JsonSchema)]
pub(crate) struct LiveParameters {
    /// Only of this one: see `/v1/categories`.
    category: Option<String>,
    /// Replaces `Last-Event-ID` for clients that cannot set it, such as the position of a page.
    after: Option<Position>,
}

impl LiveParameters {
    fn read(uri: &Uri) -> Result<Self, Problem> {
        query(uri, |fields| {
            let (category, after) = (fields.optional("category"), fields.optional("after"));
            Ok(Self { category: category?, after: after? })
        })
    }
}

pub(crate) async fn get(
    State(portal): State<Door>,
    ending: Option<Extension<Ending>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wanted = LiveParameters::read(&uri)?;
    let category =
        wanted.category.map(|name| portal.queries.category(&name).map(|of| of.0.clone()));
    let after = last_event_id(&headers)?.or(wanted.after);
    let Extension(ending) = ending.unwrap_or_default();
    let listening = portal.listeners.listen(category.transpose()?, after, ending).await?;
    let mut response = Response::new(Body::from_stream(listening));
    for (name, value) in [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-store"),
        // A proxy that buffers whole answers would buffer this one for ever.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<Position>, Problem> {
    let read = |value: &HeaderValue| value.to_str().ok()?.parse().ok();
    let malformed = || malformed("Last-Event-ID is the id of an event: its position");
    // A browser without a last event sends an empty header.
    let given = headers.get(LAST_EVENT_ID).filter(|value| !value.is_empty());
    given.map(|value| read(value).ok_or_else(malformed)).transpose()
}

fn malformed(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "malformed-header", "Malformed header", detail)
}
