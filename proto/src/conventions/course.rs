//! One request from its head to the head of its response: request id, log, metrics and trace.
//! [`carry`] passes the request id and the trace to other services.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{ConnectInfo, MatchedPath, Request};
use axum::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use axum::http::{Method, Response};
use axum::middleware::Next;
use axum::response::IntoResponse;
use futures::FutureExt;
use tracing::{Instrument, Level, Span};

use super::{FORWARDED_FOR, REQUEST_ID, TRACEPARENT, request_id_or_new, traceparent};
use crate::metrics::{self, Route};
use crate::trace::{SpanKind, Step};
use crate::{Problem, Refusal};

const GRPC: &str = "application/grpc";

tokio::task_local! {
    static UNDER_WAY: UnderWay;
}

impl Route {
    /// Whether the route matches every address below a prefix.
    fn is_open(&self) -> bool {
        self.as_str().contains("{*")
    }

    /// Attaches the route for an in-process caller, which does not know our routes.
    fn tell(self, response: &mut Response<Body>) {
        if let Self::Matched(route) = self {
            response.extensions_mut().insert(route);
        }
    }
}

/// The request that this task works on.
struct UnderWay {
    id: Option<HeaderValue>,
    traceparent: Option<HeaderValue>,
    route: Route,
}

impl UnderWay {
    fn of(headers: &HeaderMap, route: Route) -> Self {
        let [id, traceparent] = [REQUEST_ID, TRACEPARENT].map(|name| headers.get(name).cloned());
        Self { id, traceparent, route }
    }
}

/// Sets the request id and `traceparent` of the current request, if any, on outgoing headers.
pub fn carry(headers: &mut HeaderMap) {
    let _ = UNDER_WAY.try_with(|UnderWay { id, traceparent, .. }| {
        for (name, value) in [(REQUEST_ID, id), (TRACEPARENT, traceparent)] {
            if let Some(value) = value {
                headers.insert(name, value.clone());
            }
        }
    });
}

/// Logs every panic from now on, with the request in which it happens.
/// This is the only record: code that catches a panic logs nothing.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let what = panic.payload_as_str().unwrap_or("it does not say why");
        let at = panic.location().map(ToString::to_string);
        let route = UNDER_WAY.try_with(|request| request.route.as_str().to_owned()).ok();
        tracing::error!(what, at, route, "panicked");
    }));
}

/// Answers a request before routing, with a request id and metrics but no other layer.
/// `None` if `at_hand` has no response, or if requests are traced or logged at DEBUG, which the
/// router does.
pub fn answer_at_once(
    request: &Request,
    route: &'static str,
    at_hand: impl FnOnce() -> Option<Response<Body>>,
) -> Option<Response<Body>> {
    if Step::is_wanted() || tracing::enabled!(Level::DEBUG) {
        return None;
    }
    let began = Instant::now();
    // After a panic here, the router handles the request and reports the panic.
    let mut response = std::panic::catch_unwind(AssertUnwindSafe(at_hand)).ok()??;
    let (method, status) = (name_of(request.method()), response.status().as_u16());
    metrics::http_request(method, &Route::Named(route), Some(status), began.elapsed());
    response.headers_mut().insert(REQUEST_ID, request_id_or_new(request.headers()));
    Some(response)
}

pub(super) async fn name_request(mut request: Request, next: Next) -> Response<Body> {
    let id = request_id_or_new(request.headers());
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let route = Route::from(request.extensions().get::<MatchedPath>().cloned());
    let mut step = begin(&mut request, &route);
    let mut timing = Timing::begin(request.method(), &route);
    let (method, path) = (request.method(), request.uri().path());
    // The span has the highest level, so that every record has it at any log level.
    let id_text = id.to_str().ok();
    let span =
        tracing::error_span!("request", id = id_text, %method, path, trace_id = step.trace_id());
    let from = Origin::of(&request);
    let under_way = UnderWay::of(request.headers(), route.clone());
    let answer = UNDER_WAY.scope(under_way, run(next, request)).instrument(span.clone());
    let mut response = answer.await;
    let status = response.status().as_u16();
    tell(&span, status, from, response.extensions_mut().remove());
    step.note("http.response.status_code", i64::from(status));
    step.fail_if(response.status().is_server_error());
    match &mut timing {
        Some(timing) => timing.answered(status, response.extensions_mut().remove()),
        None => route.tell(&mut response),
    }
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// Turns a panic into a 500; [`log_panics`] has logged it. Other responses are unchanged.
/// The library's layer for this boxes every body, at a cost for each live update.
async fn run(next: Next, request: Request) -> Response<Body> {
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    answer.unwrap_or_else(|_| Problem::internal().into_response())
}

/// Logs the response, and a refusal as a security record.
/// The refusal was removed from the response, so only the refusing one of two services in a process
/// logs it.
fn tell(span: &Span, status: u16, from: Origin, refusal: Option<Refusal>) {
    let _entered = span.enter();
    tracing::debug!(status, "answered");
    if let Some(Refusal { why, whose }) = refusal {
        let (whose, from) = (whose.map(|user| user.to_string()), from.to_string());
        tracing::warn!(target: "security", why, whose, from, status, "turned away");
    }
}

/// Starts the step of a request. Health checks and scrapes are not traced.
fn begin(request: &mut Request, route: &Route) -> Step {
    if !Step::is_wanted() || route.as_str().starts_with("/health/") || route.as_str() == "/metrics"
    {
        return Step::none();
    }
    let method = name_of(request.method());
    let name = format!("{method} {}", route.as_str());
    let mut step = Step::begin(SpanKind::Server, name, traceparent(request.headers()).as_deref());
    step.note("http.request.method", method);
    step.note("http.route", route.as_str().to_owned());
    let path = request.uri().path();
    step.note("url.path", path.get(..200).unwrap_or(path).to_owned());
    hand_on(&step, request.headers_mut());
    step
}

/// Makes the step the parent of all that follows from the request.
fn hand_on(step: &Step, headers: &mut HeaderMap) {
    if let Some(Ok(value)) = step.traceparent().map(HeaderValue::try_from) {
        headers.insert(TRACEPARENT, value);
    }
}

/// The name of a method; OpenTelemetry prescribes `_OTHER` for unknown ones.
fn name_of(method: &Method) -> &'static str {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
    known.into_iter().find(|known| method == *known).unwrap_or("_OTHER")
}

/// Records the duration of a request when dropped, also if the client disconnected.
struct Timing {
    began: Instant,
    method: &'static str,
    route: Route,
    status: Option<u16>,
}

impl Timing {
    /// `None` within another request of this process, which is counted already.
    fn begin(method: &Method, route: &Route) -> Option<Self> {
        let is_first = UNDER_WAY.try_with(|_| ()).is_err();
        is_first.then(|| {
            let (began, method) = (Instant::now(), name_of(method));
            Self { began, method, route: route.clone(), status: None }
        })
    }
}

impl Timing {
    /// Records the status.
    /// A request forwarded within this process counts for the route that handled it.
    fn answered(&mut self, status: u16, taken_by: Option<MatchedPath>) {
        self.status = Some(status);
        if taken_by.is_some() && self.route.is_open() {
            self.route = taken_by.into();
        }
    }
}

impl Drop for Timing {
    fn drop(&mut self) {
        let Self { began, method, route, status } = self;
        metrics::http_request(method, route, *status, began.elapsed());
    }
}

pub(super) async fn name_call(mut request: Request, next: Next) -> Response<Body> {
    if request.headers().get(CONTENT_TYPE).is_none_or(|kind| kind != GRPC) {
        return name_request(request, next).await;
    }
    let began = Instant::now();
    let method = request.uri().path().trim_start_matches('/').to_owned();
    let parent = traceparent(request.headers());
    let mut step = Step::within(SpanKind::Server, parent.as_deref(), || method.clone());
    step.note("rpc.system.name", "grpc");
    step.note("rpc.method", method.clone());
    hand_on(&step, request.headers_mut());
    let id = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let span = tracing::error_span!("call", id, method, trace_id = step.trace_id());
    let under_way = UnderWay::of(request.headers(), Route::Unknown);
    let answer = UNDER_WAY.scope(under_way, run(next, request)).instrument(span.clone());
    let response = answer.await;
    let code = code(&response);
    span.in_scope(|| tracing::debug!(code, "answered"));
    metrics::rpc(&method, code, began.elapsed());
    step.fail_if(code != 0);
    response
}

/// The gRPC code: in the headers of a response without a body; a response with a body starts as OK.
fn code(response: &Response<Body>) -> usize {
    const INTERNAL: usize = 13;
    if !response.status().is_success() {
        return INTERNAL;
    }
    let code = response.headers().get("grpc-status").and_then(|code| code.to_str().ok());
    code.map_or(0, |code| code.parse().unwrap_or(INTERNAL))
}

/// The source of a request: `X-Forwarded-For` and the peer of the connection.
struct Origin(Option<HeaderValue>, Option<ConnectInfo<SocketAddr>>);

impl Origin {
    fn of(request: &Request) -> Self {
        let forwarded = request.headers().get(FORWARDED_FOR).cloned();
        Self(forwarded, request.extensions().get().copied())
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(forwarded, peer) = self;
        // A client can forge this header, so the peer is logged as well.
        if let Some(forwarded) = forwarded.as_ref().and_then(|value| value.to_str().ok()) {
            write!(f, "{} via ", forwarded.get(..200).unwrap_or(forwarded))?;
        }
        match peer {
            Some(ConnectInfo(peer)) => peer.ip().fmt(f),
            None => f.write_str("this process"),
        }
    }
}

#[cfg(test)]
mod tests;
