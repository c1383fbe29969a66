//! Steps of traces: OpenTelemetry spans.
//! Unless tracing is configured (`portal/src/telemetry.rs`), a step is empty and costs one read of
//! a static.
//!
//! Only `traceparent` continues a trace: in the headers of requests and messages, and in the
//! metadata of events. Steps therefore hold no references to each other and may be in different
//! processes. A batch gets one step in each of its traces (docs/adr/0024-telemetry.md).

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use events::RecordedEvent;
use opentelemetry::global::{self, BoxedSpan, BoxedTracer};
pub use opentelemetry::trace::SpanKind;
use opentelemetry::trace::{
    Span, SpanContext, SpanId, Status, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer,
    TracerProvider,
};
use opentelemetry::{Context, KeyValue, Value};

static TRACER: OnceLock<BoxedTracer> = OnceLock::new();

/// Events older than this get no steps: a replay or catch-up reads them, outside their trace.
const RECENT: Duration = Duration::from_secs(60);

/// Enables traces. Call once per process, before any step begins.
pub fn collect<P>(provider: P)
where
    P: TracerProvider + Send + Sync + 'static,
    P::Tracer: Send + Sync + 'static,
    <P::Tracer as Tracer>::Span: Send + Sync + 'static,
{
    global::set_tracer_provider(provider);
    let _ = TRACER.set(global::tracer("portal"));
}

/// A step of a trace; it ends when dropped.
#[derive(Debug)]
pub struct Step(Option<Box<BoxedSpan>>);

impl Step {
    /// Whether traces are enabled.
    #[must_use]
    pub fn is_wanted() -> bool {
        TRACER.get().is_some()
    }

    /// An empty step.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// Begins a step of the trace in `traceparent`, or of a new trace.
    #[must_use]
    pub fn begin(kind: SpanKind, name: String, traceparent: Option<&str>) -> Self {
        let Some(tracer) = TRACER.get() else { return Self::none() };
        let parent = traceparent.and_then(parse);
        let parent =
            parent.map_or_else(Context::new, |of| Context::new().with_remote_span_context(of));
        let builder = tracer.span_builder(name).with_kind(kind);
        Self(Some(Box::new(tracer.build_with_context(builder, &parent))))
    }

    /// Begins a step if `traceparent` names a sampled trace.
    #[must_use]
    pub fn within(
        kind: SpanKind,
        traceparent: Option<&str>,
        name: impl FnOnce() -> String,
    ) -> Self {
        Self::since(SystemTime::now(), kind, traceparent, name)
    }

    /// Like [`Self::within`], with an earlier start time.
    #[must_use]
    pub fn since(
        began: SystemTime,
        kind: SpanKind,
        traceparent: Option<&str>,
        name: impl FnOnce() -> String,
    ) -> Self {
        let (Some(tracer), Some(parent)) = (TRACER.get(), traceparent) else { return Self::none() };
        let Some(parent) = parse(parent).filter(SpanContext::is_sampled) else {
            return Self::none();
        };
        let builder = tracer.span_builder(name()).with_kind(kind).with_start_time(began);
        let parent = Context::new().with_remote_span_context(parent);
        Self(Some(Box::new(tracer.build_with_context(builder, &parent))))
    }

    /// The `traceparent` for the next step, which becomes a child of this one.
    #[must_use]
    pub fn traceparent(&self) -> Option<String> {
        let context = self.0.as_ref()?.span_context();
        let (trace, span) = (context.trace_id(), context.span_id());
        let flags = context.trace_flags().to_u8() & TraceFlags::SAMPLED.to_u8();
        context.is_valid().then(|| format!("00-{trace}-{span}-{flags:02x}"))
    }

    /// The trace id, for log records.
    #[must_use]
    pub fn trace_id(&self) -> Option<String> {
        Some(self.0.as_ref()?.span_context().trace_id().to_string())
    }

    /// Whether the step is recorded. Callers check this before they compute attributes.
    #[must_use]
    pub const fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// Adds the attributes of an event.
    pub fn note_event(&mut self, event: &RecordedEvent) {
        if self.is_some() {
            let id = event.event_id.to_string();
            self.note("messaging.message.id", id.clone());
            self.note("messaging.message.conversation_id", event.metadata.correlation_id.clone());
            self.note("cloudevents.event_id", id);
            self.note("cloudevents.event_type", event.event_type.clone());
            self.note("cloudevents.event_subject", event.stream_id.as_str().to_owned());
            self.note("portal.position", event.position.get());
        }
    }

    /// Adds an attribute, named by the semantic conventions where they have a name.
    pub fn note(&mut self, name: &'static str, value: impl Into<Value>) {
        if let Some(span) = &mut self.0 {
            span.set_attribute(KeyValue::new(name, value));
        }
    }

    /// Marks the step as failed if `failed` is set.
    pub fn fail_if(&mut self, failed: bool) {
        if let Some(span) = self.0.as_mut().filter(|_| failed) {
            span.set_status(Status::error(""));
        }
    }
}

/// The `traceparent` for steps caused by a recent event: the given one, or else the event's own.
/// `None` for an older event, or without tracing.
#[must_use]
pub fn trace_of<'a>(event: &'a RecordedEvent, traceparent: Option<&'a str>) -> Option<&'a str> {
    if !Step::is_wanted() {
        return None;
    }
    let recorded = Duration::from_millis(u64::try_from(event.recorded_at.millis()).ok()?);
    let age = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH + recorded);
    let is_recent = age.unwrap_or_default() < RECENT;
    traceparent.or(event.metadata.traceparent.as_deref()).filter(|_| is_recent)
}

/// Parses a `traceparent` of version 00 (W3C Trace Context, 3.2).
fn parse(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.split('-').skip(1);
    let trace = TraceId::from_hex(parts.next()?).ok()?;
    let span = SpanId::from_hex(parts.next()?).ok()?;
    let flags = TraceFlags::new(u8::from_str_radix(parts.next()?, 16).ok()?);
    let context = SpanContext::new(trace, span, flags, true, TraceState::default());
    context.is_valid().then_some(context)
}
