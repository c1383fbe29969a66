//! Webhooks: partners who are called when something happens that the public may know of.
//!
//! A subscription is a follower of the log with a checkpoint, like a projector. Everything that it
//! needs to go on is in its row, so that a process may be killed at any moment: what was not noted as
//! delivered is delivered again. Partners get every event that they want at least once, in order, and
//! know a repetition by its id.
//!
//! This file is what a subscription is and what becomes of it, without I/O. `store` keeps it,
//! `delivery` carries events to it, `sender` is the way out of the house.

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

/// How long the secret before the current one goes on to sign beside it.
pub const FORMER_SECRET: Duration = Duration::from_hours(24);
/// Each pause is so many times the one before.
const STEEPER: u32 = 4;
/// And none is longer.
const LONGEST_PAUSE: Duration = Duration::from_hours(4);

/// How webhooks are delivered.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Whether they may go to addresses that are not public, and unencrypted.
    pub allow_private: bool,
    /// The pause after the first failure.
    pub retry: Duration,
    /// How long a partner may fail before nothing is tried any more.
    pub give_up: Duration,
}

/// A subscription, and how far it is.
#[derive(Clone, Serialize, Deserialize)]
pub struct Webhook {
    pub id: Uuid,
    /// Where events are sent.
    pub url: String,
    /// Only what happens in these; everything, if none is named.
    pub categories: Vec<Category>,
    /// Only events of these types; all, if none is named.
    pub types: Vec<String>,
    /// Signs what is sent.
    pub secret: Secret,
    /// Signs as well, until then: so that the receiver has time to learn the new one.
    pub former_secret: Option<(Secret, Timestamp)>,
    /// Which request made the secret, if it can come again.
    #[serde(default)]
    pub rotated_by: Option<Uuid>,
    /// Since when there is a subscription.
    pub created_at: Timestamp,
    /// Of the request that asked for it, if that can come again.
    pub fingerprint: Option<[u8; 32]>,
    /// Everything up to here was delivered, or is not wanted.
    pub position: Position,
    /// What is sent once more, before anything else.
    pub redelivery: Option<Range>,
    /// Why nothing is sent at this moment.
    pub failing: Option<Failing>,
    /// Why nothing is sent at all, until somebody enables it again.
    pub disabled: Option<Disabled>,
    /// How many deliveries were tried.
    pub deliveries: i64,
    /// Which state of it was read.
    #[serde(skip)]
    pub(crate) revision: i64,
}

/// Events after a position, up to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Range {
    /// Not this one itself.
    pub after: Position,
    /// This one too.
    pub until: Position,
}

/// A receiver that does not take what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failing {
    /// Of the first attempt that failed.
    pub since: Timestamp,
    /// How many.
    pub attempts: u32,
    /// When it is tried again.
    pub next_attempt_at: Timestamp,
}

/// A subscription to which nothing is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Disabled {
    /// Since when.
    pub at: Timestamp,
    /// In words.
    pub reason: String,
}

/// What became of one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Delivery {
    /// Its place in the list of all of this subscription, from 1.
    pub number: i64,
    /// Which event.
    pub event_id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Its position in the log.
    pub position: Position,
    /// Whether it was asked for once more.
    pub redelivery: bool,
    /// When.
    pub at: Timestamp,
    /// How long it took.
    pub took_ms: u64,
    /// What the receiver answered, if it did.
    pub status: Option<u16>,
    /// Why it did not.
    pub error: Option<String>,
}

impl Delivery {
    /// Whether the receiver has it now.
    #[must_use]
    pub fn has_arrived(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }

    fn says_gone(&self) -> bool {
        self.status == Some(410)
    }
}

impl Webhook {
    /// Whether this is for it. What has no category concerns all.
    #[must_use]
    pub fn wants(&self, event: &PublicEvent) -> bool {
        let is_one = |name: &String| self.categories.iter().any(|one| one.as_str() == name);
        let of_category = self.categories.is_empty()
            || event.category.is_none()
            || event.category.iter().chain(&event.from).any(is_one);
        of_category && (self.types.is_empty() || self.types.contains(&event.event_type()))
    }

    /// What is to be looked for next.
    #[must_use]
    pub fn next(&self) -> Range {
        let ahead = Range { after: self.position, until: Position::END };
        self.redelivery.unwrap_or(ahead)
    }

    /// How long nothing may be sent.
    #[must_use]
    pub fn pause(&self, now: Timestamp) -> Option<Duration> {
        let until = self.failing?.next_attempt_at.millis();
        let pause = u64::try_from(until.saturating_sub(now.millis())).ok()?;
        (pause > 0).then(|| Duration::from_millis(pause))
    }

    /// The state when everything up to here is done.
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

    /// Sent to again, from where it was, and at once.
    #[must_use]
    pub fn enabled(self) -> Self {
        Self { failing: None, disabled: None, ..self }
    }

    /// With another secret from now on.
    #[must_use]
    pub fn with_secret(self, secret: Secret, rotated_by: Option<Uuid>, now: Timestamp) -> Self {
        let former_secret = Some((self.secret, later(now, FORMER_SECRET)));
        Self { secret, former_secret, rotated_by, ..self }
    }
}

/// 5 seconds, 20 seconds, 80 seconds … 4 hours.
fn pause_after(attempts: u32, first: Duration) -> Duration {
    let steps = STEEPER.saturating_pow(attempts.saturating_sub(1));
    first.saturating_mul(steps).min(LONGEST_PAUSE)
}

fn later(time: Timestamp, by: Duration) -> Timestamp {
    let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(time.millis().saturating_add(by).min(Timestamp::END.millis()))
}
