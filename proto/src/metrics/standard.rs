//! Metrics with names from the OpenTelemetry semantic conventions, as Prometheus writes them.
//! They have no prefix, so existing dashboards work.
//!
//! No HTTP request allocates here: a label is a constant, a number or a route template, never
//! client input. Routes, methods and statuses therefore bound the number of series.

use std::fmt::Write;
use std::hash::{Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::MatchedPath;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::{FIGURES, Number};

/// Histogram buckets in seconds, as the semantic conventions advise.
const SECONDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
const UNKNOWN: &str = "unknown";

type Durations<L> = Family<L, Histogram, fn() -> Histogram>;

/// The template of the route that answers a request.
#[derive(Debug, Clone)]
pub enum Route {
    /// The route that the router found.
    Matched(MatchedPath),
    /// The route of a request that was answered before routing.
    Named(&'static str),
    /// No route.
    Unknown,
}

impl Route {
    /// The template, such as `/v1/news/{category}`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Matched(path) => path.as_str(),
            Self::Named(path) => path,
            Self::Unknown => UNKNOWN,
        }
    }
}

impl From<Option<MatchedPath>> for Route {
    fn from(path: Option<MatchedPath>) -> Self {
        path.map_or(Self::Unknown, Self::Matched)
    }
}

impl PartialEq for Route {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Route {}

impl Hash for Route {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl EncodeLabelValue for Route {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        encoder.write_str(self.as_str())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRequest {
    http_request_method: &'static str,
    http_route: Route,
    http_response_status_code: Status,
}

/// `None`: the request ended without a response, for example because the client disconnected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Status(Option<u16>);

impl EncodeLabelValue for Status {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        self.0.map_or(Ok(()), |status| encoder.write_fmt(format_args!("{status}")))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfCall {
    rpc_system_name: &'static str,
    rpc_method: String,
    rpc_response_status_code: &'static str,
}

/// The gRPC codes, indexed by number.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];
const UNIMPLEMENTED: usize = 12;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPool {
    db_client_connection_pool_name: &'static str,
    db_client_connection_state: &'static str,
}

#[derive(Clone)]
pub(super) struct Standard {
    requests: Durations<OfRequest>,
    calls: Durations<OfCall>,
    connections: Family<OfPool, Number>,
}

impl Standard {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let durations: fn() -> Histogram = || Histogram::new(SECONDS);
        let standard = Self {
            requests: Family::new_with_constructor(durations),
            calls: Family::new_with_constructor(durations),
            connections: Family::default(),
        };
        registry.register(
            "http_server_request_duration_seconds",
            "From the head of a request to the head of its answer; without a status: nobody waited \
             for it",
            standard.requests.clone(),
        );
        registry.register(
            "rpc_server_call_duration_seconds",
            "From the head of a gRPC call to the head of its answer",
            standard.calls.clone(),
        );
        registry.register(
            "db_client_connection_count",
            "Connections of a pool, by whether they are used",
            standard.connections.clone(),
        );
        standard
    }
}

/// Records an HTTP request; no status means that it ended without a response.
pub(crate) fn http_request(
    method: &'static str,
    route: &Route,
    status: Option<u16>,
    took: Duration,
) {
    let of = OfRequest {
        http_request_method: method,
        http_route: route.clone(),
        http_response_status_code: Status(status),
    };
    FIGURES.standard.requests.get_or_create(&of).observe(took.as_secs_f64());
}

/// Records a gRPC call.
pub(crate) fn rpc(method: &str, code: usize, took: Duration) {
    // A client can invent any number of unimplemented methods.
    let method = if code == UNIMPLEMENTED { UNKNOWN } else { method };
    let of = OfCall {
        rpc_system_name: "grpc",
        rpc_method: method.to_owned(),
        rpc_response_status_code: CODES.get(code).copied().unwrap_or(UNKNOWN),
    };
    FIGURES.standard.calls.get_or_create(&of).observe(took.as_secs_f64());
}

/// Returns the number of connections of a pool, and how many of them are idle.
type Look = Box<dyn Fn() -> (usize, usize) + Send>;

static POOLS: Mutex<Vec<(&'static str, Look)>> = Mutex::new(Vec::new());

/// Adds a connection pool to `/metrics`.
/// Every scrape calls `look`, which must be cheap: it returns the numbers of all and of idle
/// connections.
pub fn watch_pool(name: &'static str, look: impl Fn() -> (usize, usize) + Send + 'static) {
    POOLS.lock().unwrap_or_else(PoisonError::into_inner).push((name, Box::new(look)));
}

#[expect(clippy::cast_precision_loss, reason = "never so many")]
pub(super) fn look_at_pools() {
    for (name, look) in &*POOLS.lock().unwrap_or_else(PoisonError::into_inner) {
        let (all, idle) = look();
        for (state, count) in [("idle", idle), ("used", all.saturating_sub(idle))] {
            let of =
                OfPool { db_client_connection_pool_name: name, db_client_connection_state: state };
            FIGURES.standard.connections.get_or_create(&of).set(count as f64);
        }
    }
}
