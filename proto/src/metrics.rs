//! What a process tells of itself in figures: `/metrics`, in the text format of OpenMetrics, which
//! Prometheus reads. Every name is here, with what it means.
//!
//! A scrape costs nothing but the writing of the text: it asks no database, so that the public door
//! can answer it as well. What has to be looked for is looked for every [`SAMPLE_INTERVAL`] by
//! whoever it concerns. A figure that cannot be known now is `NaN`.

use std::sync::LazyLock;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use events::Position;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Metric, Registry};

use crate::Problem;

/// Between looks at what has to be looked for.
pub const SAMPLE_INTERVAL: Duration = Duration::from_secs(5);
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Number = Gauge<f64, AtomicU64>;
type NoLabel = [(&'static str, &'static str); 0];

const NO_LABEL: NoLabel = [];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfView {
    view: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfStreams {
    view: String,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTask {
    task: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfBreaker {
    upstream: String,
    state: &'static str,
}

/// Whether a service behind the door is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// It is.
    Closed,
    /// Not by readers; its health is being asked for.
    HalfOpen,
    /// It is not.
    Open,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfBuild {
    version: &'static str,
}

struct Figures {
    registry: Registry,
    build: Family<OfBuild, Number>,
    start_time: Family<NoLabel, Number>,
    view_lag: Family<OfView, Number>,
    view_position: Family<OfView, Number>,
    view_parked: Family<OfStreams, Number>,
    log_position: Family<NoLabel, Number>,
    leading: Family<OfTask, Number>,
    relay_position: Family<NoLabel, Number>,
    breaker: Family<OfBreaker, Number>,
    appends_waiting: Family<NoLabel, Number>,
    appends_overloaded: Family<NoLabel, Counter>,
    requests_overloaded: Family<NoLabel, Counter>,
}

static FIGURES: LazyLock<Figures> = LazyLock::new(|| {
    let mut registry = Registry::with_prefix("portal");
    let registry = &mut registry;
    Figures {
        build: new(registry, "build_info", "Which program this is"),
        start_time: new(
            registry,
            "start_time_seconds",
            "When the process started, in seconds since 1970",
        ),
        view_lag: new(
            registry,
            "view_lag_seconds",
            "Age of the oldest event of a view's partition that the view has not taken, or 0",
        ),
        view_position: new(
            registry,
            "view_position",
            "Position in the log up to which a view has taken the events of its partition",
        ),
        view_parked: new(
            registry,
            "view_parked_streams",
            "Streams that a view leaves out because of an event that it cannot take",
        ),
        log_position: new(registry, "log_position", "Position of the last event of the log"),
        leading: new(
            registry,
            "leading",
            "1 while this process does what one does for all, 0 while another one does",
        ),
        relay_position: new(
            registry,
            "relay_position",
            "Position up to which this relay has carried the log to the bus, when it last led",
        ),
        breaker: new(
            registry,
            "breaker_state",
            "1 for the state of the circuit breaker before a service, 0 for the others",
        ),
        appends_waiting: new(
            registry,
            "appends_waiting",
            "Appends that wait until the log has committed those before",
        ),
        // A counter's name ends with `_total`, which the library adds.
        appends_overloaded: new(
            registry,
            "appends_overloaded",
            "Appends that were turned away because too many waited",
        ),
        requests_overloaded: new(
            registry,
            "requests_overloaded",
            "Requests that were turned away because too many were being worked on",
        ),
        registry: std::mem::take(registry),
    }
});

/// A figure that is not told until it is known.
fn new<F: Metric + Default + Clone>(registry: &mut Registry, name: &str, help: &str) -> F {
    let figure = F::default();
    registry.register(name, help, figure.clone());
    figure
}

/// Tells which program this is and since when it runs: to be called once, at the start.
pub fn started(version: &'static str) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    FIGURES.start_time.get_or_create(&NO_LABEL).set(now.as_secs_f64());
    FIGURES.build.get_or_create(&OfBuild { version }).set(1.0);
    // A counter that first shows up with a 1 has never increased, for whoever compares.
    drop(FIGURES.appends_overloaded.get_or_create(&NO_LABEL));
    drop(FIGURES.requests_overloaded.get_or_create(&NO_LABEL));
}

/// How far a view is; `None`: its store does not answer.
pub fn view_position(view: &str, position: Option<Position>) {
    let position = position.map_or(f64::NAN, number);
    FIGURES.view_position.get_or_create(&OfView { view: view.to_owned() }).set(position);
}

/// How long the oldest event waits that the view has not taken; `None`: nobody can tell.
pub fn view_lag(view: &str, lag: Option<Duration>) {
    let lag = lag.map_or(f64::NAN, |lag| lag.as_secs_f64());
    FIGURES.view_lag.get_or_create(&OfView { view: view.to_owned() }).set(lag);
}

/// How many streams a view leaves out, in one state.
pub fn view_parked(view: &str, state: &'static str, count: u64) {
    let label = OfStreams { view: view.to_owned(), state };
    #[expect(clippy::cast_precision_loss, reason = "never so many")]
    FIGURES.view_parked.get_or_create(&label).set(count as f64);
}

/// Where the log ends; `None`: it does not answer.
pub fn log_position(position: Option<Position>) {
    FIGURES.log_position.get_or_create(&NO_LABEL).set(position.map_or(f64::NAN, number));
}

/// Whether this process leads in a task.
pub fn leads(task: &'static str, leads: bool) {
    FIGURES.leading.get_or_create(&OfTask { task }).set(f64::from(u8::from(leads)));
}

/// How far this relay, which leads, has carried the log.
pub fn relay_position(position: Position) {
    FIGURES.relay_position.get_or_create(&NO_LABEL).set(number(position));
}

/// How many appends wait for their turn.
pub fn appends_waiting(count: usize) {
    #[expect(clippy::cast_precision_loss, reason = "never so many")]
    FIGURES.appends_waiting.get_or_create(&NO_LABEL).set(count as f64);
}

/// An append was turned away.
pub fn append_overloaded() {
    FIGURES.appends_overloaded.get_or_create(&NO_LABEL).inc();
}

/// A request was turned away before anybody looked at it.
pub fn request_overloaded() {
    FIGURES.requests_overloaded.get_or_create(&NO_LABEL).inc();
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, which no log reaches")]
const fn number(position: Position) -> f64 {
    position.get() as f64
}

/// In which state the circuit breaker before a service is.
pub fn breaker(upstream: &str, state: BreakerState) {
    let states = [
        (BreakerState::Closed, "closed"),
        (BreakerState::HalfOpen, "half_open"),
        (BreakerState::Open, "open"),
    ];
    for (other, name) in states {
        let of = OfBreaker { upstream: upstream.to_owned(), state: name };
        FIGURES.breaker.get_or_create(&of).set(if other == state { 1.0 } else { 0.0 });
    }
}

/// `/metrics`
pub async fn exposition() -> Response {
    let mut text = String::new();
    match encode(&mut text, &FIGURES.registry) {
        Ok(()) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => Problem::internal().into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    #[tokio::test]
    async fn figures_are_told_by_their_names_once_they_are_known() {
        let told = async || {
            let body = to_bytes(exposition().await.into_body(), usize::MAX).await.expect("a body");
            String::from_utf8(body.to_vec()).expect("a text")
        };
        assert!(!told().await.contains("portal_leading{"));
        leads("relay", false);
        view_position("articles_sports", Some(Position::new(7)));
        view_lag("articles_sports", None);
        view_parked("articles_sports", "waiting", 2);
        append_overloaded();
        let text = told().await;
        for line in [
            "portal_leading{task=\"relay\"} 0.0",
            "portal_view_position{view=\"articles_sports\"} 7.0",
            "portal_view_lag_seconds{view=\"articles_sports\"} NaN",
            "portal_view_parked_streams{view=\"articles_sports\",state=\"waiting\"} 2.0",
            "portal_appends_overloaded_total{} 1",
            "# EOF",
        ] {
            assert!(text.lines().any(|told| told == line), "{line} is not in {text}");
        }
    }
}
