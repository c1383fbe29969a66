//! Steps of traces, for whoever collects them: the spans of OpenTelemetry. While nobody does, and
//! nobody does unless a setting says where to (`portal/src/telemetry.rs`), a step is nothing and costs
//! one look at a static.
//!
//! A trace goes on by its `traceparent` alone, which is in the headers of requests, in the metadata of
//! events and in the headers of messages. So no step needs to know of another, and none needs to be
//! in the same process. What is done for many at once is told in the trace of each
//! (docs/adr/0024-telemetry.md).

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

/// What was recorded longer ago is history: who reads it now does so for another reason, and no
/// trace waits for it.
const RECENT: Duration = Duration::from_secs(60);

/// Lets traces be collected from now on. Once for a process, before anything begins.
pub fn collect<P>(provider: P)
where
    P: TracerProvider + Send + Sync + 'static,
    P::Tracer: Send + Sync + 'static,
    <P::Tracer as Tracer>::Span: Send + Sync + 'static,
{
    global::set_tracer_provider(provider);
    let _ = TRACER.set(global::tracer("portal"));
}

/// A step of a trace. It ends when it is dropped.
#[derive(Debug)]
pub struct Step(Option<Box<BoxedSpan>>);

impl Step {
    /// Whether anybody collects traces.
    #[must_use]
    pub fn is_wanted() -> bool {
        TRACER.get().is_some()
    }

    /// A step that is not recorded.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// A step of the trace that a `traceparent` names, or the first of a new one.
    #[must_use]
    pub fn begin(kind: SpanKind, name: String, traceparent: Option<&str>) -> Self {
        let Some(tracer) = TRACER.get() else { return Self::none() };
        let parent = traceparent.and_then(parse);
        let parent =
            parent.map_or_else(Context::new, |of| Context::new().with_remote_span_context(of));
        let builder = tracer.span_builder(name).with_kind(kind);
        Self(Some(Box::new(tracer.build_with_context(builder, &parent))))
    }

    /// A step of the trace that a `traceparent` names, if anybody wants that one.
    #[must_use]
    pub fn within(
        kind: SpanKind,
        traceparent: Option<&str>,
        name: impl FnOnce() -> String,
    ) -> Self {
        Self::since(SystemTime::now(), kind, traceparent, name)
    }

    /// The same, of something that has begun already.
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

    /// What the next step, wherever it is, has to know to be a part of this one.
    #[must_use]
    pub fn traceparent(&self) -> Option<String> {
        let context = self.0.as_ref()?.span_context();
        let (trace, span) = (context.trace_id(), context.span_id());
        let flags = context.trace_flags().to_u8() & TraceFlags::SAMPLED.to_u8();
        context.is_valid().then(|| format!("00-{trace}-{span}-{flags:02x}"))
    }

    /// For log records, so that who has one finds the other.
    #[must_use]
    pub fn trace_id(&self) -> Option<String> {
        Some(self.0.as_ref()?.span_context().trace_id().to_string())
    }

    /// Whether anybody wants it, for who would have to look for what to note.
    #[must_use]
    pub const fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// Which event it is about.
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

    /// Adds an attribute, by its name in the semantic conventions if it has one there.
    pub fn note(&mut self, name: &'static str, value: impl Into<Value>) {
        if let Some(span) = &mut self.0 {
            span.set_attribute(KeyValue::new(name, value));
        }
    }

    /// Marks a step that was in vain.
    pub fn fail_if(&mut self, failed: bool) {
        if let Some(span) = self.0.as_mut().filter(|_| failed) {
            span.set_status(Status::error(""));
        }
    }
}

/// The trace of an event, for steps that are done because it has just happened: `traceparent` is of
/// the step before, where that is known.
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

/// Of version 00 (W3C Trace Context, 3.2).
fn parse(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.split('-').skip(1);
    let trace = TraceId::from_hex(parts.next()?).ok()?;
    let span = SpanId::from_hex(parts.next()?).ok()?;
    let flags = TraceFlags::new(u8::from_str_radix(parts.next()?, 16).ok()?);
    let context = SpanContext::new(trace, span, flags, true, TraceState::default());
    context.is_valid().then_some(context)
}
