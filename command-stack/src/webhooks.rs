//! Webhooks: partners subscribe to public events, which are posted to their URL.
//!
//! A subscription follows the log with a checkpoint, like a projector. Its whole state is in its
//! row: after a crash, events not recorded as delivered are sent again. Partners get every matching
//! event at least once and in order, and recognise repetitions by the event id.
//!
//! This file holds the state and its transitions, without I/O. `store` persists it, `delivery`
//! reads the events, `sender` posts them.

pub mod address;
mod delivery;
mod secret;
mod sender;
pub mod store;

#[cfg(test)]
mod contract;
#[cfg(test)]
mod tests;

use std::time::Duration;

use events::{Category, Position, Timestamp};
use proto::v1::PublicEvent;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::delivery::Deliveries;
pub use self::secret::Secret;
pub use self::store::{PostgresWebhooks, SqliteWebhooks, WebhookStore};

/// How long the former secret signs beside the new one.
pub const FORMER_SECRET: Duration = Duration::from_hours(24);
/// Each pause is this many times the previous one.
const STEEPER: u32 = 4;
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_hours(4);

/// The settings of webhook delivery.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Whether webhooks may use private addresses and plain HTTP.
    pub allow_private: bool,
    /// The pause after the first failure.
    pub retry: Duration,
    /// A subscription that has failed for this long is disabled.
    pub give_up: Duration,
}

/// A subscription and its progress.
#[derive(Clone, Serialize, Deserialize)]
pub struct Webhook {
    /// The id of the subscription.
    pub id: Uuid,
    /// The URL to which events are posted.
    pub url: String,
    /// Only events of these categories; events of all categories if empty.
    pub categories: Vec<Category>,
    /// Only events of these types; events of all types if empty.
    pub types: Vec<String>,
    /// The secret that signs deliveries.
    pub secret: Secret,
    /// The former secret, which also signs until this time.
    pub former_secret: Option<(Secret, Timestamp)>,
    /// The request that rotated the secret, if it had an idempotency key.
    #[serde(default)]
    pub rotated_by: Option<Uuid>,
    /// When the subscription was created.
    pub created_at: Timestamp,
    /// The fingerprint of the request that created it, if that had an idempotency key.
    pub fingerprint: Option<[u8; 32]>,
    /// Every event up to this position was delivered, or does not match.
    pub position: Position,
    /// The positions that are redelivered before newer events are sent.
    pub redelivery: Option<Range>,
    /// Set after a failed attempt; pauses delivery until the next attempt.
    pub failing: Option<Failing>,
    /// Set when delivery has ended; an admin can enable it again.
    pub disabled: Option<Disabled>,
    /// The number of delivery attempts.
    pub deliveries: i64,
    /// The row revision, for the compare-and-set of `save`.
    #[serde(skip)]
    pub(crate) revision: i64,
}

/// The events after one position, up to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Range {
    /// The exclusive start of the range.
    pub after: Position,
    /// The inclusive end of the range.
    pub until: Position,
}

/// A series of failed attempts; a success ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failing {
    /// When the first attempt failed.
    pub since: Timestamp,
    /// The number of failed attempts.
    pub attempts: u32,
    /// When the next attempt is due.
    pub next_attempt_at: Timestamp,
}

/// When and why a subscription was disabled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Disabled {
    /// When it was disabled.
    pub at: Timestamp,
    /// The reason, as text.
    pub reason: String,
}

/// One delivery attempt and its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Delivery {
    /// The number of the attempt in its subscription, from 1.
    pub number: i64,
    /// The id of the event.
    pub event_id: String,
    /// The type of the event.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The log position of the event.
    pub position: Position,
    /// Whether the attempt belongs to a redelivery.
    pub redelivery: bool,
    /// When the attempt was made.
    pub at: Timestamp,
    /// The duration in milliseconds.
    pub took_ms: u64,
    /// The HTTP status of the response; null without a response.
    pub status: Option<u16>,
    /// Why there was no response; null with one.
    pub error: Option<String>,
}

impl Delivery {
    /// Whether the receiver answered with a 2xx status.
    #[must_use]
    pub fn has_arrived(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }

    fn says_gone(&self) -> bool {
        self.status == Some(410)
    }
}

impl Webhook {
    /// Whether the event matches the filters; one without a category matches all categories.
    #[must_use]
    pub fn wants(&self, event: &PublicEvent) -> bool {
        let is_one = |name: &String| self.categories.iter().any(|one| one.as_str() == name);
        let of_category = self.categories.is_empty()
            || event.category.is_none()
            || event.category.iter().chain(&event.from).any(is_one);
        of_category && (self.types.is_empty() || self.types.contains(&event.event_type()))
    }

    /// The events to send next: the redelivery, if any, before those after `position`.
    #[must_use]
    pub fn next(&self) -> Range {
        let ahead = Range { after: self.position, until: Position::END };
        self.redelivery.unwrap_or(ahead)
    }

    /// The remaining pause; `None` if an attempt is due.
    #[must_use]
    pub fn pause(&self, now: Timestamp) -> Option<Duration> {
        let until = self.failing?.next_attempt_at.millis();
        let pause = u64::try_from(until.saturating_sub(now.millis())).ok()?;
        (pause > 0).then(|| Duration::from_millis(pause))
    }

    /// The state after all events up to `position` were sent or skipped.
    #[must_use]
    pub fn past(mut self, position: Position) -> Self {
        match &mut self.redelivery {
            Some(range) if position < range.until => range.after = position,
            Some(_) => self.redelivery = None,
            None => self.position = position,
        }
        self
    }

    /// The state after an attempt.
    /// Status 410, or failure for `give_up`, disables the subscription.
    #[must_use]
    pub fn tried(mut self, delivery: &Delivery, terms: &Terms) -> Self {
        self.deliveries = delivery.number;
        if delivery.has_arrived() {
            self.failing = None;
            return self.past(delivery.position);
        }
        let now = delivery.at;
        let (since, attempts) = match self.failing {
            Some(failing) => (failing.since, failing.attempts.saturating_add(1)),
            None => (now, 1),
        };
        let next_attempt_at = later(now, pause_after(attempts, terms.retry));
        self.failing = Some(Failing { since, attempts, next_attempt_at });
        let reason = if delivery.says_gone() {
            Some("the receiver answered 410 Gone".to_owned())
        } else if now >= later(since, terms.give_up) {
            Some(format!("nothing has arrived since {since}"))
        } else {
            None
        };
        self.disabled = reason.map(|reason| Disabled { at: now, reason });
        self
    }

    /// Enables delivery again, from the current position and without a pause.
    #[must_use]
    pub fn enabled(self) -> Self {
        Self { failing: None, disabled: None, ..self }
    }

    /// Replaces the secret; the former one signs for [`FORMER_SECRET`] more.
    #[must_use]
    pub fn with_secret(self, secret: Secret, rotated_by: Option<Uuid>, now: Timestamp) -> Self {
        let former_secret = Some((self.secret, later(now, FORMER_SECRET)));
        Self { secret, former_secret, rotated_by, ..self }
    }
}

/// With the default `retry`: 5 s, 20 s, 80 s … 4 h.
fn pause_after(attempts: u32, first: Duration) -> Duration {
    let steps = STEEPER.saturating_pow(attempts.saturating_sub(1));
    first.saturating_mul(steps).min(LONGEST_PAUSE)
}

fn later(time: Timestamp, by: Duration) -> Timestamp {
    let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(time.millis().saturating_add(by).min(Timestamp::END.millis()))
}
