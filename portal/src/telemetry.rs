//! Where traces go, if a setting says so: by OTLP over HTTP. Without it none is made.
//!
//! Nobody waits for whoever collects them: steps queue up to a bound and are dropped past it, on a
//! thread of their own, each sending has a deadline, and so has the last one at the end.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Request, Response, Uri};
use clap::Args;
use events::{BoxError, Chain};
use opentelemetry::KeyValue;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use orchestrator::upstream::{Protocol, Trust, Upstream};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::tls::{self, Tls};

/// For one batch of steps.
const SENDING: Duration = Duration::from_secs(5);
/// For what is left at the end.
const LAST_SENDING: Duration = Duration::from_secs(3);
/// What a collector may say to it.
const LARGEST_ANSWER: usize = 64 << 10;

/// The settings of traces. The variables have OpenTelemetry's names; its library reads further ones by
/// itself (docs/operations.md).
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Settings")]
pub(crate) struct Telemetry {
    /// The collector that receives traces by OTLP over HTTP, such as http://localhost:4318 [default:
    /// no traces]
    #[arg(
        long,
        global = true,
        env = "OTEL_EXPORTER_OTLP_ENDPOINT",
        hide_env_values = true,
        value_name = "URL"
    )]
    otlp_endpoint: Option<String>,

    /// The share of traces that are sent, from 0 to 1. For a request with a traceparent the caller's
    /// sampling decision applies
    #[arg(
        long,
        global = true,
        env = "OTEL_TRACES_SAMPLER_ARG",
        value_name = "RATIO",
        default_value = "1"
    )]
    trace_ratio: f64,
}

/// Traces are being sent.
pub(crate) struct Sending(SdkTracerProvider);

/// Begins to send the traces of this service, if the settings ask for it.
pub(crate) fn start(
    telemetry: &Telemetry,
    tls: &Tls,
    service: &'static str,
) -> Result<Option<Sending>> {
    let Some((endpoint, collector)) = collector(telemetry, tls)? else { return Ok(None) };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(collector)
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .build()?;
    let of_new = Sampler::TraceIdRatioBased(telemetry.trace_ratio);
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(Sampler::ParentBased(Box::new(of_new)))
        .with_resource(resource(service))
        .build();
    proto::trace::collect(provider.clone());
    Ok(Some(Sending(provider)))
}

/// Checks the address of the collector, without sending anything.
pub(crate) fn check(telemetry: &Telemetry, tls: &Tls) -> Result<()> {
    collector(telemetry, tls).map(drop)
}

fn collector<'a>(telemetry: &'a Telemetry, tls: &Tls) -> Result<Option<(&'a str, Collector)>> {
    let endpoint = telemetry.otlp_endpoint.as_deref();
    let Some(endpoint) = endpoint.filter(|endpoint| !endpoint.is_empty()) else { return Ok(None) };
    // The error does not repeat the address, which may hold a password.
    let collector = Collector::at(endpoint, &tls::trust(tls)?)
        .context("--otlp-endpoint is not an address like http://HOST:PORT")?;
    Ok(Some((endpoint, collector)))
}

/// What is said of every step: which service did it.
fn resource(service: &'static str) -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_attribute(version);
    match std::env::var_os("OTEL_SERVICE_NAME") {
        Some(_) => resource.build(),
        None => resource.with_service_name(service).build(),
    }
}

impl Sending {
    /// Sends what is left, if anybody takes it soon.
    pub(crate) async fn stop(self) {
        let ending = move || self.0.shutdown_with_timeout(LAST_SENDING);
        if let Ok(Err(error)) = tokio::task::spawn_blocking(ending).await {
            tracing::debug!(%error, "the last steps of traces were not sent");
        }
    }
}

/// Whoever takes traces. The library calls from a thread of its own, which knows no runtime.
struct Collector {
    upstream: Upstream,
    runtime: Handle,
    /// Whether it took what was sent last: a log that says so each time would say nothing else.
    is_well: Arc<AtomicBool>,
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Collector")
    }
}

impl Collector {
    fn at(endpoint: &str, trust: &Trust) -> Option<Self> {
        let uri: Uri = endpoint.parse().ok()?;
        let address = format!("{}://{}", uri.scheme()?, uri.authority()?);
        let upstream = Upstream::at("collector", &address, Protocol::Http1, trust).ok()?;
        let is_well = Arc::new(AtomicBool::new(true));
        Some(Self { upstream, runtime: Handle::current(), is_well })
    }
}

#[async_trait::async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (upstream, is_well) = (self.upstream.clone(), Arc::clone(&self.is_well));
        let sending = self.runtime.spawn(async move {
            let sent = send(&upstream, request).await;
            tell(&is_well, &sent);
            sent
        });
        sending.await?
    }
}

async fn send(upstream: &Upstream, request: Request<Bytes>) -> Result<Response<Bytes>, BoxError> {
    let sending = async {
        let (head, body) = upstream.send(request.map(Body::from)).await?.into_parts();
        Ok(Response::from_parts(head, to_bytes(body, LARGEST_ANSWER).await?))
    };
    timeout(SENDING, sending).await?
}

fn tell(is_well: &AtomicBool, sent: &Result<Response<Bytes>, BoxError>) {
    let cause = match sent {
        Ok(response) if response.status().is_success() => None,
        Ok(response) => Some(response.status().to_string()),
        Err(error) => Some(Chain(&**error).to_string()),
    };
    match (is_well.swap(cause.is_none(), Ordering::Relaxed), cause) {
        (true, Some(cause)) => tracing::warn!(cause, "traces are not taken, and are lost"),
        (false, None) => tracing::info!("traces are taken again"),
        _ => {}
    }
}
