//! The envelope of an event: who, when, why and where in the log. On the bus and on the command
//! line it travels as a CloudEvents 1.0 JSON object (structured mode); what CloudEvents does not
//! name is in extension attributes, lower-case and without separators as its section 3.1 asks.

pub(crate) mod upcast;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::front::FrontEvent;
use crate::news::NewsEvent;
use crate::user::UserEvent;
use crate::{
    EventKind, InvalidId, Partition, Position, Stamp, StreamId, Timestamp, UserId, Version,
};

/// Who caused an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Actor {
    /// Nobody signed in.
    Anonymous,
    /// A signed-in user.
    User(UserId),
    /// A part of the portal itself, by its name, such as `import`.
    System(String),
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::User(id) => write!(f, "user:{id}"),
            Self::System(name) => write!(f, "system:{name}"),
        }
    }
}

impl FromStr for Actor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "anonymous" => Ok(Self::Anonymous),
            Some(("user", id)) => match Uuid::parse_str(id) {
                Ok(id) => Ok(Self::User(UserId(id))),
                Err(error) => Err(format!("{text:?} is not an actor: {error}")),
            },
            Some(("system", name)) => Ok(Self::System(name.to_owned())),
            _ => Err(format!("{text:?} is not an actor")),
        }
    }
}

impl TryFrom<String> for Actor {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Actor> for String {
    fn from(actor: Actor) -> Self {
        actor.to_string()
    }
}

/// What every event says of its origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// Who gave the command.
    pub actor: Actor,
    /// One id for everything that follows from one request: its `X-Request-Id`.
    pub correlation_id: String,
    /// The command that this event follows from.
    pub causation_id: Uuid,
    /// W3C Trace Context of the request, version 00.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// An event on its way into the log.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// A fresh UUID of version 7.
    pub event_id: Uuid,
    /// Which part of the log delivers it.
    pub partition: Partition,
    /// The name on the wire, such as `news.article_published`.
    pub event_type: &'static str,
    /// The version of `data`'s shape.
    pub schema_version: u16,
    /// The event itself, as a JSON object.
    pub data: Box<RawValue>,
}

/// An event as the log holds it. It never changes again.
#[derive(Debug, Clone)]
pub struct RecordedEvent {
    /// Its place in the log: equal to commit order.
    pub position: Position,
    /// Whose event.
    pub stream_id: StreamId,
    /// Its place in the stream.
    pub version: Version,
    /// Unique in the log.
    pub event_id: Uuid,
    /// Which part of the log delivers it.
    pub partition: Partition,
    /// The name on the wire.
    pub event_type: String,
    /// The version of `data`'s shape; [`RecordedEvent::decode`] lifts older ones.
    pub schema_version: u16,
    /// The event as it was recorded, in the shape of `schema_version`.
    pub data: Box<RawValue>,
    /// Who and why.
    pub metadata: Metadata,
    /// When the log took it; never earlier than that of the position before.
    pub recorded_at: Timestamp,
}

/// An event that this program cannot read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// A type that a newer program wrote.
    #[error("unknown event type {0:?}")]
    UnknownType(String),
    /// A schema version above the newest that this program knows.
    #[error("{event_type} has schema version {found}, newest known is {known}")]
    NewerSchema {
        /// The name on the wire.
        event_type: String,
        /// What was recorded.
        found: u16,
        /// What this program writes.
        known: u16,
    },
    /// The data does not have the shape that its type and schema version promise.
    #[error("{event_type}: {source}")]
    Malformed {
        /// The name on the wire.
        event_type: String,
        /// What was wrong.
        source: serde_json::Error,
    },
}

/// Any event of this portal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DomainEvent {
    /// Of an article.
    News(NewsEvent),
    /// Of a user.
    User(UserEvent),
    /// Of the front page.
    Front(FrontEvent),
}

impl From<NewsEvent> for DomainEvent {
    fn from(event: NewsEvent) -> Self {
        Self::News(event)
    }
}

impl From<UserEvent> for DomainEvent {
    fn from(event: UserEvent) -> Self {
        Self::User(event)
    }
}

impl From<FrontEvent> for DomainEvent {
    fn from(event: FrontEvent) -> Self {
        Self::Front(event)
    }
}

impl DomainEvent {
    /// Which kind of event this is.
    #[must_use]
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::News(event) => event.kind(),
            Self::User(event) => event.kind(),
            Self::Front(event) => event.kind(),
        }
    }

    /// Ready to be appended, in the newest schema version.
    ///
    /// # Errors
    /// Only if serde cannot write the event, which no value of these types causes.
    pub fn encode(&self) -> Result<NewEvent, serde_json::Error> {
        let (partition, json) = match self {
            Self::News(event) => {
                (Partition::News(event.category().clone()), serde_json::to_string(event)?)
            }
            Self::User(event) => (Partition::Users, serde_json::to_string(event)?),
            Self::Front(event) => (Partition::Front, serde_json::to_string(event)?),
        };
        let kind = self.kind();
        Ok(NewEvent {
            event_id: Uuid::now_v7(),
            partition,
            event_type: kind.name(),
            schema_version: kind.newest_schema(),
            data: RawValue::from_string(json)?,
        })
    }
}

impl RecordedEvent {
    /// Which kind of event this is; `None`: only a newer program knows its type.
    #[must_use]
    pub fn kind(&self) -> Option<EventKind> {
        EventKind::named(&self.event_type)
    }

    /// The event, lifted to the newest schema version of its type.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn decode(&self) -> Result<DomainEvent, DecodeError> {
        upcast::decode(&self.event_type, self.schema_version, &self.data)
    }

    /// The part of the envelope that a fold needs.
    ///
    /// # Errors
    /// When the stream is not one of an aggregate.
    pub fn stamp(&self) -> Result<Stamp, InvalidId> {
        Ok(Stamp {
            id: self.stream_id.aggregate_id()?,
            version: self.version,
            at: self.recorded_at,
        })
    }

    /// The routing key on the bus: `<partition>.<event>`, such as `news.sports.article_published`.
    #[must_use]
    pub fn routing_key(&self) -> String {
        let name = self.event_type.rsplit('.').next().unwrap_or_default();
        format!("{}.{name}", self.partition)
    }
}

#[derive(Serialize, Deserialize)]
struct CloudEvent<'a> {
    specversion: Cow<'a, str>,
    id: Uuid,
    source: Partition,
    #[serde(rename = "type")]
    event_type: Cow<'a, str>,
    subject: Cow<'a, StreamId>,
    time: Timestamp,
    position: Position,
    version: Version,
    schemaversion: u16,
    actor: Cow<'a, Actor>,
    correlationid: Cow<'a, str>,
    causationid: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    traceparent: Option<Cow<'a, str>>,
    data: Cow<'a, RawValue>,
}

impl Serialize for RecordedEvent {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let metadata = &self.metadata;
        let wire = CloudEvent {
            specversion: "1.0".into(),
            id: self.event_id,
            source: self.partition.clone(),
            event_type: self.event_type.as_str().into(),
            subject: Cow::Borrowed(&self.stream_id),
            time: self.recorded_at,
            position: self.position,
            version: self.version,
            schemaversion: self.schema_version,
            actor: Cow::Borrowed(&metadata.actor),
            correlationid: metadata.correlation_id.as_str().into(),
            causationid: metadata.causation_id,
            traceparent: metadata.traceparent.as_deref().map(Into::into),
            data: Cow::Borrowed(&self.data),
        };
        wire.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RecordedEvent {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = CloudEvent::deserialize(deserializer)?;
        Ok(Self {
            position: wire.position,
            stream_id: wire.subject.into_owned(),
            version: wire.version,
            event_id: wire.id,
            partition: wire.source,
            event_type: wire.event_type.into_owned(),
            schema_version: wire.schemaversion,
            data: wire.data.into_owned(),
            metadata: Metadata {
                actor: wire.actor.into_owned(),
                correlation_id: wire.correlationid.into_owned(),
                causation_id: wire.causationid,
                traceparent: wire.traceparent.map(Cow::into_owned),
            },
            recorded_at: wire.time,
        })
    }
}
