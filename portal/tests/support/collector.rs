//! Whoever takes traces: OTLP over HTTP with protobuf, decoded with the contract of OpenTelemetry.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;

/// A step of a trace, and which service did it.
#[derive(Debug, Clone)]
pub struct Step {
    pub service: String,
    pub span: Span,
}

impl Step {
    pub fn id(&self) -> String {
        hex(&self.span.span_id)
    }

    pub fn parent(&self) -> String {
        hex(&self.span.parent_span_id)
    }

    /// An attribute, if it is a text.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        text(&self.span.attributes, name)
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text<'a>(attributes: &'a [KeyValue], name: &str) -> Option<&'a str> {
    let value = attributes.iter().find(|attribute| attribute.key == name)?.value.as_ref();
    match value {
        Some(AnyValue { value: Some(Value::StringValue(text)) }) => Some(text),
        _ => None,
    }
}

/// Takes whatever is sent, until it is dropped with its runtime.
#[derive(Clone)]
pub struct Collector {
    pub url: String,
    steps: Arc<Mutex<Vec<Step>>>,
}

impl Collector {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let steps = Arc::<Mutex<Vec<_>>>::default();
        let collector = Self { url, steps: Arc::clone(&steps) };
        let take = post(async move |body: Bytes| take(&steps, body));
        let router = Router::new().route("/v1/traces", take);
        tokio::spawn(async move { axum::serve(listener, router).await });
        collector
    }

    /// The steps of a trace that have come so far.
    pub fn trace(&self, id: &str) -> Vec<Step> {
        let steps = self.steps.lock().expect("the steps");
        steps.iter().filter(|step| hex(&step.span.trace_id) == id).cloned().collect()
    }
}

fn take(steps: &Mutex<Vec<Step>>, body: Bytes) {
    let sent = ExportTraceServiceRequest::decode(body).expect("what OTLP says");
    for of_service in sent.resource_spans {
        let attributes = of_service.resource.unwrap_or_default().attributes;
        let service = text(&attributes, "service.name").expect("a service").to_owned();
        let spans = of_service.scope_spans.into_iter().flat_map(|scope| scope.spans);
        let of_service = spans.map(|span| Step { service: service.clone(), span });
        steps.lock().expect("the steps").extend(of_service);
    }
}
