//! What a process tells of itself in figures: `/metrics`, in the text format of OpenMetrics, which
//! Prometheus reads. Every name is here, with what it means.
//!
//! A scrape costs nothing but the writing of the text: it asks no database, so that the public door
//! can answer it as well. What has to be looked for is looked for every [`SAMPLE_INTERVAL`] by
//! whoever it concerns. A figure that cannot be known now is `NaN`.

mod standard;

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
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

use self::standard::Standard;
pub use self::standard::{Route, watch_pool};
pub(crate) use self::standard::{http_request, rpc};
use crate::Problem;

/// Between looks at what has to be looked for.
pub const SAMPLE_INTERVAL: Duration = Duration::from_secs(5);
/// The media type of [`exposition`].
pub const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

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
struct OfOutcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfBreaker {
    upstream: String,
    state: &'static str,
}

/// Whether the orchestrator calls a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// It is called.
    Closed,
    /// No query reaches it; only its health is checked.
    HalfOpen,
    /// It is not called.
    Open,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfBuild {
    version: &'static str,
}

/// How the front page was had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageWas {
    /// As it was kept, and whole.
    Fresh,
    /// As it was kept, with a part that is old or missing.
    Stale,
    /// Put together for this request.
    Composed,
}

struct Figures {
    registry: Registry,
    standard: Standard,
    build: Family<OfBuild, Number>,
    start_time: Family<NoLabel, Number>,
    view_lag: Family<OfView, Number>,
    view_position: Family<OfView, Number>,
    view_lag_events: Family<OfView, Number>,
    view_parked: Family<OfStreams, Number>,
    log_position: Family<NoLabel, Number>,
    leading: Family<OfTask, Number>,
    relay_position: Family<NoLabel, Number>,
    relay_lag: Family<NoLabel, Number>,
    relay_lag_events: Family<NoLabel, Number>,
    appends: Family<OfOutcome, Counter>,
    append_batch: Histogram,
    /// One of each [`PageWas`]: asked by every reader, so nobody looks a label up.
    kept_pages: [Counter; 3],
    breaker: Family<OfBreaker, Number>,
    appends_waiting: Family<NoLabel, Number>,
    appends_overloaded: Family<NoLabel, Counter>,
    requests_overloaded: Family<NoLabel, Counter>,
    live_clients: Family<NoLabel, Number>,
    live_clients_too_slow: Family<NoLabel, Counter>,
    readings_dropped: Family<NoLabel, Counter>,
}

static FIGURES: LazyLock<Figures> = LazyLock::new(|| {
    let mut all = Registry::default();
    let standard = Standard::register(&mut all);
    let registry = all.sub_registry_with_prefix("portal");
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
        view_lag_events: new(
            registry,
            "view_lag_events",
            "Events of a view's partition that the view has not taken, counted up to 100,000",
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
        relay_lag: new(
            registry,
            "relay_lag_seconds",
            "Age of the oldest event that this relay has not carried to the bus, or 0; NaN: it does \
             not lead",
        ),
        relay_lag_events: new(
            registry,
            "relay_lag_events",
            "Events that this relay has not carried to the bus; NaN: it does not lead",
        ),
        appends: new(registry, "appends", "Appends to the log, by what became of them"),
        append_batch: of_batches(registry),
        kept_pages: counters(
            registry,
            "front_pages",
            "Front pages for everybody, by how they were had",
            ["fresh", "stale", "composed"],
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
        live_clients: new(registry, "live_clients", "Clients that follow the live updates"),
        live_clients_too_slow: new(
            registry,
            "live_clients_too_slow",
            "Clients of the live updates that fell too far behind and were let go",
        ),
        readings_dropped: new(
            registry,
            "readings_dropped",
            "Readings of articles that are not known, because too many waited or the bus was away",
        ),
        standard,
        registry: all,
    }
});

/// A figure that is not told until it is known.
fn new<F: Metric + Default + Clone>(registry: &mut Registry, name: &str, help: &str) -> F {
    let figure = F::default();
    registry.register(name, help, figure.clone());
    figure
}

fn of_batches(registry: &mut Registry) -> Histogram {
    let figure = Histogram::new([1, 2, 4, 8, 16, 32, 64, 128, 256, 512].map(f64::from));
    registry.register("append_batch_size", "Appends that were committed together", figure.clone());
    figure
}

/// Counters of one family, each with its outcome.
fn counters<const N: usize>(
    registry: &mut Registry,
    name: &str,
    help: &str,
    outcomes: [&'static str; N],
) -> [Counter; N] {
    let family: Family<OfOutcome, Counter> = new(registry, name, help);
    outcomes.map(|outcome| family.get_or_create(&OfOutcome { outcome }).clone())
}

/// Tells which program this is and since when it runs: to be called once, at the start.
pub fn started(version: &'static str) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    FIGURES.start_time.get_or_create(&NO_LABEL).set(now.as_secs_f64());
    FIGURES.build.get_or_create(&OfBuild { version }).set(1.0);
    // A counter that first shows up with a 1 has never increased, for whoever compares.
    drop(FIGURES.appends_overloaded.get_or_create(&NO_LABEL));
    drop(FIGURES.requests_overloaded.get_or_create(&NO_LABEL));
    drop(FIGURES.readings_dropped.get_or_create(&NO_LABEL));
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

/// How many events the view has not taken; `None`: nobody can tell.
pub fn view_lag_events(view: &str, events: Option<u64>) {
    let events = events.map_or(f64::NAN, count);
    FIGURES.view_lag_events.get_or_create(&OfView { view: view.to_owned() }).set(events);
}

/// How many streams a view leaves out, in one state.
pub fn view_parked(view: &str, state: &'static str, count: u64) {
    let label = OfStreams { view: view.to_owned(), state };
    FIGURES.view_parked.get_or_create(&label).set(self::count(count));
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

/// How many events this relay has before it, and how long the oldest waits; `None`: it does not lead,
/// or nobody can tell.
pub fn relay_lag(lag: Option<(u64, Duration)>) {
    let (events, age) =
        lag.map_or((f64::NAN, f64::NAN), |(events, age)| (count(events), age.as_secs_f64()));
    FIGURES.relay_lag_events.get_or_create(&NO_LABEL).set(events);
    FIGURES.relay_lag.get_or_create(&NO_LABEL).set(age);
}

/// An append ended so: `appended`, `conflict`, `repeated`, `overloaded` or `failed`.
pub fn append(outcome: &'static str) {
    FIGURES.appends.get_or_create(&OfOutcome { outcome }).inc();
}

/// So many appends went to the database together.
pub fn append_batch(appends: usize) {
    FIGURES.append_batch.observe(count(appends as u64));
}

/// A reader got the front page that everybody gets.
pub fn front_page(was: PageWas) {
    FIGURES.kept_pages[was as usize].inc();
}

/// How many appends wait for their turn.
pub fn appends_waiting(count: usize) {
    FIGURES.appends_waiting.get_or_create(&NO_LABEL).set(self::count(count as u64));
}

/// An append was turned away.
pub fn append_overloaded() {
    FIGURES.appends_overloaded.get_or_create(&NO_LABEL).inc();
}

/// A request was turned away before anybody looked at it.
pub fn request_overloaded() {
    FIGURES.requests_overloaded.get_or_create(&NO_LABEL).inc();
}

/// Readings were not handed on.
pub fn readings_dropped(count: usize) {
    FIGURES.readings_dropped.get_or_create(&NO_LABEL).inc_by(count as u64);
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, which no log reaches")]
const fn number(position: Position) -> f64 {
    position.get() as f64
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
const fn count(number: u64) -> f64 {
    number as f64
}

/// So many more clients follow the live updates, or fewer.
pub fn live_clients(more: i32) {
    FIGURES.live_clients.get_or_create(&NO_LABEL).inc_by(f64::from(more));
}

/// A client of the live updates was let go, because it fell too far behind.
pub fn live_client_too_slow() {
    FIGURES.live_clients_too_slow.get_or_create(&NO_LABEL).inc();
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
    standard::look_at_pools();
    let mut text = String::new();
    match encode(&mut text, &FIGURES.registry) {
        Ok(()) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => Problem::internal().into_response(),
    }
}

#[cfg(test)]
mod tests;
