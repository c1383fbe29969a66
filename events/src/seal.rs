//! Seals: tamper evidence for the log, even against the owner of the database.
//!
//! Triggers and privileges stop everyone else from changing an event. A seal is a hash over the
//! whole log up to a position, with each batch chained to the previous one. One line, stored
//! outside the database, reveals a changed, removed or inserted event. Personal data is hashed as
//! ciphertext, so erasing a user breaks no seal.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Position, RecordedEvent};

/// Events between two links of the chain. Verification from a seal rereads at most this many.
pub const BATCH: i64 = 1_000;

/// A 256-bit hash of the log up to a position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// The last event that the hash covers.
    pub position: Position,
    /// SHA-256 in lowercase hexadecimal.
    pub hash: String,
}

impl Seal {
    /// Whether the chain can continue from this seal without earlier events.
    #[must_use]
    pub fn is_link(&self) -> bool {
        is_link(self.position)
    }
}

fn is_link(position: Position) -> bool {
    position.get() % BATCH == 0
}

/// Computes a seal over events added in order, from the first event or after a link.
#[derive(Clone)]
pub struct Sealing {
    position: Position,
    link: String,
    digest: Sha256,
}

impl Default for Sealing {
    /// Starts before the first event.
    fn default() -> Self {
        Self::chained(Position::START, String::new())
    }
}

impl Sealing {
    /// Continues after a link; `None` if the seal is not a link.
    #[must_use]
    pub fn after(seal: &Seal) -> Option<Self> {
        seal.is_link().then(|| Self::chained(seal.position, seal.hash.clone()))
    }

    fn chained(position: Position, link: String) -> Self {
        let digest = Sha256::new_with_prefix(&link);
        Self { position, link, digest }
    }

    /// Adds the next event as a CloudEvent with sorted keys.
    /// The hash therefore does not depend on how a database stores JSON.
    ///
    /// # Errors
    /// Only if serde cannot serialize the event.
    pub fn add(&mut self, event: &RecordedEvent) -> Result<(), serde_json::Error> {
        let canonical = serde_json::to_value(event)?.to_string();
        self.digest.update((canonical.len() as u64).to_be_bytes());
        self.digest.update(canonical);
        self.position = event.position;
        if self.is_at_link() {
            *self = Self::chained(self.position, self.hash());
        }
        Ok(())
    }

    /// The position of the last event added.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// Whether the current seal is a link.
    #[must_use]
    pub fn is_at_link(&self) -> bool {
        is_link(self.position)
    }

    /// The seal of all events added so far.
    #[must_use]
    pub fn seal(&self) -> Seal {
        let hash = if self.is_at_link() { self.link.clone() } else { self.hash() };
        Seal { position: self.position, hash }
    }

    fn hash(&self) -> String {
        self.digest.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;
    use uuid::Uuid;

    use super::*;
    use crate::{Actor, Metadata, Partition, StreamId, Timestamp, UserId, Version};

    fn event(position: i64, data: &str) -> RecordedEvent {
        RecordedEvent {
            position: Position::new(position),
            stream_id: StreamId::from(UserId(Uuid::nil())),
            version: Version::new(position),
            event_id: Uuid::nil(),
            partition: Partition::Users,
            event_type: "user.renamed".to_owned(),
            schema_version: 2,
            data: RawValue::from_string(data.to_owned()).expect("JSON"),
            metadata: Metadata {
                actor: Actor::Anonymous,
                correlation_id: String::new(),
                causation_id: Uuid::nil(),
                traceparent: None,
            },
            recorded_at: Timestamp::from_millis(position),
        }
    }

    fn sealed(events: impl IntoIterator<Item = RecordedEvent>) -> Seal {
        let mut sealing = Sealing::default();
        events.into_iter().for_each(|event| sealing.add(&event).expect("an event"));
        sealing.seal()
    }

    fn log(length: i64) -> impl Iterator<Item = RecordedEvent> {
        (1..=length).map(|position| event(position, r#"{"a":1,"b":2}"#))
    }

    #[test]
    fn it_does_not_matter_how_the_database_keeps_json_or_from_which_link_the_chain_goes_on() {
        let spaced = (1..=3).map(|position| event(position, r#"{ "b": 2, "a": 1 }"#));
        assert_eq!(sealed(log(3)), sealed(spaced));
        let length = 2 * BATCH + 7;
        let link = sealed(log(BATCH));
        let mut sealing = Sealing::after(&link).expect("a link");
        log(length).skip(1_000).for_each(|event| sealing.add(&event).expect("an event"));
        assert_eq!(sealing.seal(), sealed(log(length)));
        assert!(Sealing::after(&sealed(log(3))).is_none());
    }

    #[test]
    fn what_was_changed_removed_moved_or_added_gives_another_seal() {
        let whole = sealed(log(2_500));
        let changed = log(2_500).map(|mut event| {
            if event.position == Position::new(700) {
                event.metadata.actor = Actor::System("somebody else".to_owned());
            }
            event
        });
        assert_ne!(sealed(changed), whole);
        let removed = log(2_500).filter(|event| event.position != Position::new(1));
        assert_ne!(sealed(removed), whole);
        let mut moved: Vec<_> = log(2_500).collect();
        moved.swap(3, 4);
        assert_ne!(sealed(moved), whole);
        assert_ne!(sealed(log(2_500).chain([event(2_500, "{}")])), whole);
    }
}
