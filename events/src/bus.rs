//! The bus between the relay and the projectors, and between the orchestrator and the recorder of
//! readings: the ports and their adapters.
//!
//! The bus is a courier, not a store. It may repeat a message and, after a disaster, lose one: each
//! message says which position came before it in its partition, so that a projector can tell, and
//! fetch what is missing from the log. What the bus promises is in `contract`, which runs against
//! every adapter.

pub mod in_process;
pub mod rabbitmq;

#[cfg(test)]
mod contract;

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;

use crate::readings::Reading;
use crate::{BoxError, Dependency, Partition, Position, RecordedEvent, ServerUrl};

/// An event on its way to the projectors.
#[derive(Debug, Clone)]
pub struct Message {
    /// The event.
    pub event: RecordedEvent,
    /// The position before it in the same partition; [`Position::START`] for the first.
    pub previous: Position,
    /// W3C Trace Context of who sent it, where that is known: a step later than the one in the event.
    pub traceparent: Option<String>,
}

/// Where one projection receives one partition. Durable: it collects messages while nobody
/// receives.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Queue {
    /// The view that is kept from it, such as `articles`.
    pub projection: &'static str,
    /// What it receives.
    pub partition: Partition,
}

impl Queue {
    /// The queues that a partition feeds: one for each view that is kept of it, with its name.
    #[must_use]
    pub fn of(partition: &Partition) -> Vec<Self> {
        let projections: &[_] = match partition {
            Partition::News(_) => &["articles", "desk", "search"],
            Partition::Users => &["users"],
            Partition::Front => &["front"],
        };
        let queue = |projection: &&'static str| Self { projection, partition: partition.clone() };
        projections.iter().map(queue).collect()
    }
}

/// `portal.articles.news.sports`, the name at the broker.
impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "portal.{}.{}", self.projection, self.partition)
    }
}

/// Why the bus did not do it.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The broker does not answer or refused; trying again may help.
    #[error("the bus is unavailable")]
    Unavailable(#[source] BoxError),
    /// No queue takes the routing key: declare the queues again, then publish again.
    #[error("no queue takes {0}")]
    Unroutable(String),
    /// The broker works, but not what it has for these partitions: replace their queues.
    #[error("the broker does not take what is sent to {}", names(.0))]
    Stuck(Vec<Partition>),
}

fn names(partitions: &[Partition]) -> String {
    partitions.iter().map(Partition::to_string).collect::<Vec<_>>().join(", ")
}

/// The sending side: the relay's.
#[async_trait]
pub trait EventPublisher: Dependency {
    /// Makes sure that the queues are there. Nothing happens to one that exists.
    async fn declare(&self, queues: &[Queue]) -> Result<(), BusError>;

    /// Throws queues away with all that is in them, and declares them anew: the last resort for one
    /// that a broker has broken. Whoever receives from it reads from the log what is lost with it.
    async fn replace(&self, queues: &[Queue]) -> Result<(), BusError>;

    /// Sends all messages, in order, and returns when the broker has taken responsibility for
    /// every one of them. After an error any number of them may have been sent.
    async fn publish(&self, messages: &[Message]) -> Result<(), BusError>;
}

/// The receiving side: the projectors'.
#[async_trait]
pub trait EventSubscriber: Dependency {
    /// Starts to receive from a queue, which is declared if need be. Of several subscriptions to
    /// one queue only the first receives; another takes over when it is dropped.
    async fn subscribe(&self, queue: &Queue) -> Result<Box<dyn Subscription>, BusError>;
}

/// An open subscription. Dropping it gives back what was received and not acknowledged.
#[async_trait]
pub trait Subscription<T = Message>: Send {
    /// Waits for at least one message and returns what has arrived, in order. Boundedly many are
    /// given out ahead of [`Subscription::acknowledge`].
    async fn receive(&mut self) -> Result<Vec<T>, BusError>;

    /// Everything received so far is done with and never delivered again.
    async fn acknowledge(&mut self) -> Result<(), BusError>;
}

/// The sending side of readings: the orchestrator's.
#[async_trait]
pub trait ReadingSender: Dependency {
    /// Returns when the broker has taken responsibility for all of them. After an error any number
    /// of them may have been sent. Before anybody has ever received, there may be nowhere to send to.
    async fn send(&self, readings: &[Reading]) -> Result<(), BusError>;
}

/// The receiving side of readings: the query-stacks'.
#[async_trait]
pub trait ReadingSubscriber: Dependency {
    /// Starts to receive. From then on readings wait while nobody does; past a bound the oldest are dropped.
    async fn subscribe_to_readings(&self) -> Result<Box<dyn Subscription<Reading>>, BusError>;
}

/// The address of a bus: `in-process:`, `amqp://…` or, with TLS, `amqps://…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusUrl {
    /// Queues in this process's memory.
    InProcess,
    /// A broker, RabbitMQ from 3.10.
    Amqp(ServerUrl),
}

/// Without a password.
impl fmt::Display for BusUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InProcess => f.write_str("in-process:"),
            Self::Amqp(url) => url.fmt(f),
        }
    }
}

impl FromStr for BusUrl {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        match url.split_once(':') {
            Some(("in-process", "")) => Ok(Self::InProcess),
            Some(("amqp" | "amqps", rest)) if rest.starts_with("//") => Ok(Self::Amqp(url.into())),
            _ => Err("a bus is in-process: or amqp://USER:PASSWORD@HOST/VHOST".to_owned()),
        }
    }
}
