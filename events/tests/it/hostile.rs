//! Whatever lies in the log or arrives from the bus, reading it ends with an event or with an
//! error. The golden files are the corpus; what once failed is kept beside this file. Longer runs:
//! `scripts/fuzz`.

use std::fs;
use std::path::Path;

use events::{DomainEvent, RecordedEvent};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use serde_json::{Value, json};

use crate::mutation::mutated;

/// The golden files in their envelopes.
fn corpus() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name");
        let (event_type, version) = name.rsplit_once(".v").expect("<type>.v<version>.json");
        let data = fs::read_to_string(&path).expect("a text");
        json!({
            "specversion": "1.0",
            "id": "01940000-0000-7000-8000-000000000001",
            "source": "news.politics",
            "type": event_type,
            "subject": "article-01940000-0000-7000-8000-000000000002",
            "time": "2025-11-24T16:00:00.123Z",
            "position": 7,
            "version": 3,
            "schemaversion": version.parse::<u16>().expect("a schema version"),
            "actor": "user:01940000-0000-7000-8000-000000000003",
            "correlationid": "request-1",
            "causationid": "01940000-0000-7000-8000-000000000004",
            "data": serde_json::from_str::<Value>(&data).expect("JSON"),
        })
    };
    fs::read_dir(folder).expect("the folder").map(read).collect()
}

fn config() -> ProptestConfig {
    let kept = FileFailurePersistence::WithSource("regressions");
    ProptestConfig { failure_persistence: Some(Box::new(kept)), ..ProptestConfig::default() }
}

/// What was understood can be written and understood again, whatever version it came in.
fn reads_back(event: &DomainEvent, recorded: &RecordedEvent) -> Result<(), TestCaseError> {
    let written = event.encode().expect("events can be written");
    let again = RecordedEvent {
        event_type: written.event_type.to_owned(),
        schema_version: written.schema_version,
        data: written.data,
        ..recorded.clone()
    };
    prop_assert_eq!(event, &again.decode().expect("what was just written"));
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn hostile_events_end_as_an_event_or_as_an_error(message in mutated(corpus())) {
        if let Ok(recorded) = serde_json::from_slice::<RecordedEvent>(&message) {
            let _ = recorded.stamp();
            let _ = recorded.routing_key();
            let wire = serde_json::to_string(&recorded).expect("JSON");
            let again: RecordedEvent = serde_json::from_str(&wire).expect("what was just written");
            prop_assert_eq!(wire, serde_json::to_string(&again).expect("JSON"));
            if let Ok(event) = recorded.decode() {
                reads_back(&event, &recorded)?;
            }
        }
    }

    /// Only the data is hostile, and each old shape is lifted: so that all get to the upcasters.
    #[test]
    fn hostile_data_of_any_schema_version_is_lifted_or_refused(
        envelope in prop::sample::select(corpus()),
        data in mutated(corpus().into_iter().map(|mut event| event["data"].take()).collect()),
        schema_version in 0..5_u16,
    ) {
        let mut recorded: RecordedEvent = serde_json::from_value(envelope).expect("an event");
        let text = String::from_utf8(data).ok();
        let Some(data) = text.and_then(|text| serde_json::value::RawValue::from_string(text).ok())
        else {
            return Ok(());
        };
        recorded.data = data;
        recorded.schema_version = schema_version;
        if let Ok(event) = recorded.decode() {
            reads_back(&event, &recorded)?;
        }
    }
}
