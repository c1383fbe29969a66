//! Trace spans of a projector's batch: one pair per event, with the same start and end.

use std::time::SystemTime;

use events::RecordedEvent;
use proto::trace::{SpanKind, Step, trace_of};

use crate::view_store::View;

/// A batch of events that is being applied.
pub(super) struct Steps<'a> {
    pub(super) view: &'a View,
    /// The names of bus and store systems.
    pub(super) systems: (&'static str, &'static str),
    pub(super) began: SystemTime,
    pub(super) writing: SystemTime,
    /// The trace parent of each message; shorter for events read from the log.
    pub(super) traceparents: Vec<Option<&'a str>>,
}

impl<'a> Steps<'a> {
    pub(super) fn sent_by(&mut self, traceparent: Option<&'a str>) {
        self.traceparents.push(traceparent);
    }

    pub(super) fn writes(&mut self) {
        self.writing = SystemTime::now();
    }

    /// Records that the view has applied the events.
    pub(super) fn done(self, events: &[RecordedEvent]) {
        let view = self.view.to_string();
        for event in events {
            let (position, id) = (event.position.get(), &event.metadata.correlation_id);
            tracing::debug!(position, view, correlation_id = id, "in the view");
        }
        if Step::is_wanted() {
            let traceparents = self.traceparents.iter().copied().chain(std::iter::repeat(None));
            for (event, traceparent) in events.iter().zip(traceparents) {
                self.tell(event, trace_of(event, traceparent), &view, events.len());
            }
        }
    }

    fn tell(&self, event: &RecordedEvent, trace: Option<&str>, view: &str, of: usize) {
        let (bus, store) = self.systems;
        let queue = self.view.queue().to_string();
        let mut process =
            Step::since(self.began, SpanKind::Consumer, trace, || format!("process {queue}"));
        let parent = process.traceparent();
        let mut write = Step::since(self.writing, SpanKind::Client, parent.as_deref(), || {
            format!("apply {view}")
        });
        let of = i64::try_from(of).unwrap_or(i64::MAX);
        process.note("messaging.system", bus);
        process.note("messaging.operation.type", "process");
        process.note("messaging.operation.name", "process");
        process.note("messaging.destination.name", queue);
        process.note("messaging.batch.message_count", of);
        process.note_event(event);
        write.note("db.system.name", store);
        write.note("db.operation.name", "apply");
        write.note("db.collection.name", view.to_owned());
        write.note("db.operation.batch.size", of);
    }
}
