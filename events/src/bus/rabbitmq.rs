//! The bus of the distributed wiring: RabbitMQ from 3.10.
//!
//! One durable topic exchange, one quorum queue per projection and partition with a single active
//! consumer (so that order survives any number of query-stacks), a delivery limit, and one dead
//! letter queue. A connection is made when it is first needed and again after it broke; the loops
//! that use it own the back-off.

mod connecting;
mod inspecting;
mod reading_queue;
mod topology;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt, TryFutureExt};
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, BasicRejectOptions,
    ConfirmSelectOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, Consumer};
use tokio::sync::Mutex;
use tokio::time::{Duration, timeout};

use self::topology::{EXCHANGE, declare_exchange, declare_queue, delete_queue};
use super::{BusError, EventPublisher, EventSubscriber, Message, Queue, Subscription};
use crate::{BoxError, Dependency, Position, RecordedEvent, ServerUrl};

const PREVIOUS_HEADER: &str = "portal-previous";
/// W3C Trace Context in AMQP: the name that it has in HTTP.
const TRACEPARENT_HEADER: &str = "traceparent";
/// Unacknowledged messages that the broker sends ahead to one consumer, and thus a batch's bound.
/// RabbitMQ counts messages, not bytes: so many of the largest, 1 MiB each, are 64 MiB.
const PREFETCH: u16 = 64;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Opening a channel waits for no queue and no disk.
const CHANNEL_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the broker may be silent: a quorum queue that lost its leader takes calls and never
/// answers them.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// The same for a confirm, which waits for a disk: silence for so long means that none will come.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(10);
/// For sending a page and for all of its confirms: a bound for a broker that is merely slow.
const PAGE_TIMEOUT: Duration = Duration::from_secs(60);
/// Deleting one queue that is broken takes the broker five seconds.
const REPLACE_TIMEOUT: Duration = Duration::from_secs(30);
/// For what came while nobody looked.
const LAST_CONFIRMS: Duration = Duration::from_secs(1);
const PERSISTENT: u8 = 2;

/// A broker. Clones share the connection.
#[derive(Clone)]
pub struct RabbitMq {
    url: ServerUrl,
    connection: Arc<Mutex<Option<Connection>>>,
    publisher: Arc<Mutex<Option<OpenChannel>>>,
    /// Apart from the relay's, which may have it for a minute.
    reading_sender: Arc<Mutex<Option<OpenChannel>>>,
}

/// Closed when dropped, also by who stopped waiting: that gives unacknowledged messages back and
/// lets the next consumer in.
struct OpenChannel(Channel);

impl Drop for OpenChannel {
    fn drop(&mut self) {
        let channel = self.0.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let closing =
                async move { timeout(ANSWER_TIMEOUT, channel.close(200, "done".into())).await };
            runtime.spawn(closing);
        }
    }
}

impl From<lapin::Error> for BusError {
    fn from(error: lapin::Error) -> Self {
        Self::Unavailable(error.into())
    }
}

async fn answered<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, BusError>>,
) -> Result<T, BusError> {
    timeout(limit, call).await.map_err(|silence| BusError::Unavailable(silence.into()))?
}

impl RabbitMq {
    /// A broker at `amqp://user:password@host:port/vhost`; with `amqps:` by TLS, verified with
    /// the authorities that browsers trust and those of `?cacertfile=FILE`. Nothing is connected
    /// yet.
    #[must_use]
    pub fn at(url: &str) -> Self {
        Self {
            url: url.into(),
            connection: Arc::default(),
            publisher: Arc::default(),
            reading_sender: Arc::default(),
        }
    }

    async fn channel(&self) -> Result<OpenChannel, BusError> {
        let mut connection = self.connection.lock().await;
        if let Some(open) = connection.as_ref().filter(|open| open.status().connected()) {
            if open.status().blocked() {
                // Another connection would be blocked as well.
                let alarm = "the broker is short of memory or disk, and takes nothing";
                return Err(BusError::Unavailable(alarm.into()));
            }
            // Silent, it may be one that the network has forgotten: another may do.
            if let Ok(channel) = timeout(CHANNEL_TIMEOUT, open.create_channel()).await {
                return Ok(OpenChannel(channel?));
            }
            *connection = None;
        }
        let opening = connecting::connect(&self.url).map_err(BusError::Unavailable);
        let opened = answered(CONNECT_TIMEOUT, opening).await?;
        Ok(OpenChannel(connection.insert(opened).create_channel().await?))
    }

    async fn publish_and_confirm(
        &self,
        publisher: &mut Option<OpenChannel>,
        messages: &[Message],
    ) -> Result<(), BusError> {
        // Taken out, so that after an error the next call starts with a fresh channel.
        let channel = match publisher.take().filter(|channel| channel.0.status().connected()) {
            Some(open) => open,
            None => {
                let channel = self.channel().await?;
                channel.0.confirm_select(ConfirmSelectOptions::default()).await?;
                channel
            }
        };
        let mut in_flight = FuturesUnordered::new();
        for message in messages {
            let confirm = send(&channel.0, message).await?;
            in_flight.push(async move { (message, confirm.await) });
        }
        let mut missing: BTreeMap<_, _> = messages
            .iter()
            .map(|Message { event, .. }| (event.position, &event.partition))
            .collect();
        // The confirms of other queues say that the broker works.
        let mut asked = false;
        while !missing.is_empty() {
            let Ok(Some((message, confirmation))) =
                timeout(if asked { LAST_CONFIRMS } else { CONFIRM_TIMEOUT }, in_flight.next())
                    .await
            else {
                if asked {
                    break;
                }
                // A broker that is paused or cut off says nothing of its queues. And if it was we who
                // were paused, the confirms are here by now.
                answered(ANSWER_TIMEOUT, async { Ok(declare_exchange(&channel.0).await?) }).await?;
                asked = true;
                continue;
            };
            let confirmation = confirmation?;
            let taken = confirmation.is_ack();
            if confirmation.take_message().is_some() {
                return Err(BusError::Unroutable(message.event.routing_key()));
            }
            if taken {
                missing.remove(&message.event.position);
            }
        }
        if !missing.is_empty() {
            let partitions: BTreeSet<_> = missing.into_values().cloned().collect();
            return Err(BusError::Stuck(partitions.into_iter().collect()));
        }
        *publisher = Some(channel);
        Ok(())
    }

    async fn begin(&self, queue: &Queue) -> Result<RabbitSubscription<Message>, BusError> {
        let channel = self.channel().await?;
        declare_exchange(&channel.0).await?;
        declare_queue(&channel.0, queue).await?;
        consume(channel, &queue.to_string(), read).await
    }
}

async fn consume<T>(
    channel: OpenChannel,
    queue: &str,
    read: Read<T>,
) -> Result<RabbitSubscription<T>, BusError> {
    channel.0.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let (options, tag) = (BasicConsumeOptions::default(), "".into());
    let none = FieldTable::default();
    let consumer = channel.0.basic_consume(queue.into(), tag, options, none).await?;
    Ok(RabbitSubscription { channel, consumer, read, last_tag: None })
}

#[async_trait]
impl Dependency for RabbitMq {
    fn system(&self) -> &'static str {
        "rabbitmq"
    }

    async fn ping(&self) -> Result<(), BoxError> {
        self.channel().await?;
        Ok(())
    }
}

#[async_trait]
impl EventPublisher for RabbitMq {
    async fn declare(&self, queues: &[Queue]) -> Result<(), BusError> {
        let declaring = async {
            let channel = self.channel().await?;
            declare_exchange(&channel.0).await?;
            for queue in queues {
                declare_queue(&channel.0, queue).await?;
            }
            Ok(())
        };
        answered(ANSWER_TIMEOUT, declaring).await
    }

    async fn replace(&self, queues: &[Queue]) -> Result<(), BusError> {
        let replacing = async {
            let channel = self.channel().await?;
            for queue in queues {
                delete_queue(&channel.0, queue).await?;
                declare_queue(&channel.0, queue).await?;
            }
            Ok(())
        };
        answered(REPLACE_TIMEOUT, replacing).await
    }

    async fn publish(&self, messages: &[Message]) -> Result<(), BusError> {
        let mut publisher = self.publisher.lock().await;
        let confirming = self.publish_and_confirm(&mut publisher, messages);
        answered(PAGE_TIMEOUT, confirming).await
    }
}

async fn send(channel: &Channel, message: &Message) -> Result<lapin::PublisherConfirm, BusError> {
    let event = &message.event;
    let body = serde_json::to_vec(event).map_err(|error| BusError::Unavailable(error.into()))?;
    let mut headers = FieldTable::default();
    headers.insert(PREVIOUS_HEADER.into(), AMQPValue::LongLongInt(message.previous.get()));
    let traceparent = message.traceparent.as_ref().or(event.metadata.traceparent.as_ref());
    if let Some(traceparent) = traceparent {
        let value = AMQPValue::LongString(traceparent.as_str().into());
        headers.insert(TRACEPARENT_HEADER.into(), value);
    }
    let properties = BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type("application/cloudevents+json".into())
        .with_message_id(event.event_id.to_string().as_str().into())
        .with_headers(headers);
    let mandatory = BasicPublishOptions { mandatory: true, ..Default::default() };
    let key = event.routing_key();
    let (exchange, key) = (EXCHANGE.into(), key.as_str().into());
    Ok(channel.basic_publish(exchange, key, mandatory, &body, properties).await?)
}

#[async_trait]
impl EventSubscriber for RabbitMq {
    async fn subscribe(&self, queue: &Queue) -> Result<Box<dyn Subscription>, BusError> {
        Ok(Box::new(answered(ANSWER_TIMEOUT, self.begin(queue)).await?))
    }
}

/// What a delivery says: one thing, or several that were sent together.
type Read<T> = fn(&Delivery) -> Result<Vec<T>, serde_json::Error>;

struct RabbitSubscription<T> {
    channel: OpenChannel,
    consumer: Consumer,
    read: Read<T>,
    last_tag: Option<u64>,
}

impl<T> RabbitSubscription<T> {
    /// A message that is not ours is rejected to the dead letter queue: no retry makes it ours.
    async fn take(&mut self, delivery: Delivery) -> Result<Vec<T>, BusError> {
        match (self.read)(&delivery) {
            Ok(said) => {
                self.last_tag = Some(delivery.delivery_tag);
                Ok(said)
            }
            Err(error) => {
                tracing::error!(error = %error, key = %delivery.routing_key, "a message that is no event was put aside");
                delivery.acker.reject(BasicRejectOptions { requeue: false }).await?;
                Ok(Vec::new())
            }
        }
    }
}

fn read(delivery: &Delivery) -> Result<Vec<Message>, serde_json::Error> {
    let event: RecordedEvent = serde_json::from_slice(&delivery.data)?;
    let headers = delivery.properties.headers().as_ref();
    let previous = headers.and_then(|headers| headers.inner().get(PREVIOUS_HEADER));
    let previous = match previous {
        Some(AMQPValue::LongLongInt(position)) => Position::new(*position),
        // Without the header nothing is known of what came before: let the projector look.
        _ => Position::END,
    };
    let traceparent = headers.and_then(|headers| headers.inner().get(TRACEPARENT_HEADER));
    let traceparent = match traceparent {
        Some(AMQPValue::LongString(value)) => std::str::from_utf8(value.as_bytes()).ok(),
        _ => None,
    };
    Ok(vec![Message { event, previous, traceparent: traceparent.map(str::to_owned) }])
}

#[async_trait]
impl<T: Send + 'static> Subscription<T> for RabbitSubscription<T> {
    async fn receive(&mut self) -> Result<Vec<T>, BusError> {
        let mut batch = Vec::new();
        while batch.len() < usize::from(PREFETCH) {
            let next = if batch.is_empty() {
                self.consumer.next().await
            } else {
                match self.consumer.next().now_or_never() {
                    Some(next) => next,
                    None => break,
                }
            };
            let Some(delivery) = next else {
                return Err(BusError::Unavailable("the broker ended the subscription".into()));
            };
            batch.extend(self.take(delivery?).await?);
        }
        Ok(batch)
    }

    async fn acknowledge(&mut self) -> Result<(), BusError> {
        if let Some(tag) = self.last_tag.take() {
            self.channel.0.basic_ack(tag, BasicAckOptions { multiple: true }).await?;
        }
        Ok(())
    }
}
