//! Shows traces as they come, for `scripts/trace`: takes what services send by OTLP over HTTP, and
//! prints each trace as a tree once nothing more of it came for a while.
//!
//! Listens on 127.0.0.1:4318, or where its first argument says. For a look at one's own machine: what
//! it has not printed yet is bounded, and more is left out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;
use tokio::time::interval;

/// A trace of which nothing came for so long is printed: services send every five seconds, unless
/// `OTEL_BSP_SCHEDULE_DELAY` says otherwise.
const QUIET: Duration = Duration::from_secs(6);
/// Steps that wait to be printed.
const WAITING: usize = 10_000;

/// A trace, until it is printed.
struct Trace {
    steps: Vec<(String, Span)>,
    newest: Instant,
}

type Traces = Arc<Mutex<HashMap<Vec<u8>, Trace>>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:4318".to_owned());
    let listener = TcpListener::bind(&address).await?;
    println!("start a portal with OTEL_EXPORTER_OTLP_ENDPOINT=http://{}", listener.local_addr()?);
    let traces = Traces::default();
    tokio::spawn(print_quiet(Arc::clone(&traces)));
    let take = post(async move |body: Bytes| take(&traces, body));
    Ok(axum::serve(listener, Router::new().route("/v1/traces", take)).await?)
}

fn take(traces: &Traces, body: Bytes) -> StatusCode {
    let Ok(sent) = ExportTraceServiceRequest::decode(body) else { return StatusCode::BAD_REQUEST };
    let mut traces = traces.lock().unwrap_or_else(PoisonError::into_inner);
    let mut waiting: usize = traces.values().map(|trace| trace.steps.len()).sum();
    for of_service in sent.resource_spans {
        let attributes = of_service.resource.unwrap_or_default().attributes;
        let name = attributes.into_iter().find(|attribute| attribute.key == "service.name");
        let name = name.and_then(|name| name.value?.value).map(text).unwrap_or_default();
        for span in of_service.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            waiting += 1;
            if waiting <= WAITING {
                let new = || Trace { steps: Vec::new(), newest: Instant::now() };
                let trace = traces.entry(span.trace_id.clone()).or_insert_with(new);
                trace.newest = Instant::now();
                trace.steps.push((name.clone(), span));
            }
        }
    }
    StatusCode::OK
}

async fn print_quiet(traces: Traces) {
    let mut looks = interval(Duration::from_millis(500));
    loop {
        looks.tick().await;
        let is_quiet = |_: &Vec<u8>, trace: &mut Trace| trace.newest.elapsed() > QUIET;
        let quiet: Vec<_> = {
            let mut traces = traces.lock().unwrap_or_else(PoisonError::into_inner);
            traces.extract_if(is_quiet).collect()
        };
        quiet.into_iter().for_each(|(id, trace)| print(&id, trace.steps));
    }
}

fn print(id: &[u8], mut steps: Vec<(String, Span)>) {
    steps.sort_by_key(|(_, span)| span.start_time_unix_nano);
    let began = steps.first().map_or(0, |(_, span)| span.start_time_unix_nano);
    println!("\ntrace {}: from the beginning, how long, who, what", hex(id));
    let is_known = |id: &[u8]| steps.iter().any(|(_, span)| span.span_id == id);
    let roots = steps.iter().filter(|(_, span)| !is_known(&span.parent_span_id));
    roots.for_each(|root| print_step(root, &steps, began, 0));
}

fn print_step(step: &(String, Span), all: &[(String, Span)], began: u64, depth: usize) {
    let (service, span) = step;
    let (from, to) = (span.start_time_unix_nano, span.end_time_unix_nano);
    let (offset, took) = (millis(began, from), millis(from, to));
    println!(
        "{offset:>10.1} ms {took:>8.1} ms  {:depth$}{service}: {}",
        "",
        span.name,
        depth = 2 * depth
    );
    for child in all.iter().filter(|(_, child)| child.parent_span_id == span.span_id) {
        print_step(child, all, began, depth + 1);
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn millis(from: u64, to: u64) -> f64 {
    to.saturating_sub(from) as f64 / 1e6
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(value: Value) -> String {
    match value {
        Value::StringValue(text) => text,
        other => format!("{other:?}"),
    }
}
