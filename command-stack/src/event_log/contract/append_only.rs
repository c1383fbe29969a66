//! The database itself rejects each change of recorded events.

use super::fixture::{Database, Fixture, append, part, some_stream};

pub(super) async fn recorded_events_cannot_be_changed_removed_or_replaced(on: &Fixture) {
    on.log.append(append(vec![part(&some_stream(), 0, 3)])).await.expect("append");
    let before = on.all().await;
    let mut attempts = vec![
        "UPDATE events SET data = '{\"forged\":true}' WHERE position = 2",
        "UPDATE events SET position = position + 10",
        "DELETE FROM events WHERE position = 3",
        "DELETE FROM events",
    ];
    attempts.extend_from_slice(match &on.database {
        Database::Postgres { .. } => &[
            "TRUNCATE events",
            "TRUNCATE events CASCADE",
            "INSERT INTO events SELECT * FROM events WHERE position = 2 \
             ON CONFLICT (position) DO UPDATE SET data = '{\"forged\":true}'",
        ],
        Database::Sqlite { .. } => &[
            "UPDATE OR REPLACE events SET position = 3 WHERE position = 2",
            "INSERT OR REPLACE INTO events SELECT position, stream_id, version, event_id, \
             partition, event_type, schema_version, '{\"forged\":true}', metadata, recorded_at \
             FROM events WHERE position = 2",
            "REPLACE INTO events SELECT 9, stream_id, version, randomblob(16), partition, \
             event_type, schema_version, data, metadata, recorded_at FROM events WHERE position = 2",
            "REPLACE INTO events SELECT 9, 'another', version, event_id, partition, \
             event_type, schema_version, data, metadata, recorded_at FROM events WHERE position = 2",
            "INSERT INTO events SELECT * FROM events WHERE position = 2 \
             ON CONFLICT (position) DO UPDATE SET data = '{\"forged\":true}'",
        ],
    });
    for attempt in attempts {
        let result = on.execute(attempt).await;
        assert!(result.is_err(), "was let through: {attempt}");
        assert_eq!(format!("{:?}", on.all().await), format!("{before:?}"), "after {attempt}");
    }
}
