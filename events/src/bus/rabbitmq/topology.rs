//! Declares the exchanges and queues at the broker.
//! Each projection has a queue per partition; readings and dead letters have one queue each.

use lapin::options::{
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ExchangeKind};

use crate::bus::Queue;

pub(super) const EXCHANGE: &str = "portal.events";
/// The exchange of readings and its only queue.
pub(super) const READINGS: &str = "portal.readings";
const DEAD_LETTERS: &str = "portal.dead-letters";
/// After this many deliveries an event becomes a dead letter.
/// By then, its projector has long read it from the log.
const DELIVERY_LIMIT: i32 = 20;
/// Maximum number of dead letters. They serve diagnosis only, so the oldest are dropped.
const DEAD_LETTERS_KEPT: i32 = 10_000;
/// Maximum number of readings. The oldest matter least and are dropped.
const READINGS_KEPT: i32 = 100_000;

pub(super) async fn declare_queue(channel: &Channel, queue: &Queue) -> Result<(), lapin::Error> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(DELIVERY_LIMIT));
    arguments.insert("x-dead-letter-exchange".into(), text(""));
    arguments.insert("x-dead-letter-routing-key".into(), text(DEAD_LETTERS));
    let name = queue.to_string();
    let durable = QueueDeclareOptions::durable();
    channel.queue_declare(name.as_str().into(), durable, arguments).await?;
    let pattern = format!("{}.*", queue.partition);
    let bind = QueueBindOptions::default();
    let (name, pattern) = (name.as_str().into(), pattern.as_str().into());
    channel.queue_bind(name, EXCHANGE.into(), pattern, bind, FieldTable::default()).await
}

/// Declares the queue of readings, without a dead letter queue.
/// Readings are personal data, and nothing could erase them there. Consumers compete: order does
/// not matter.
pub(super) async fn declare_readings(channel: &Channel) -> Result<(), lapin::Error> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(DELIVERY_LIMIT));
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(READINGS_KEPT));
    arguments.insert("x-overflow".into(), text("drop-head"));
    let durable = QueueDeclareOptions::durable();
    channel.queue_declare(READINGS.into(), durable, arguments).await?;
    let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
    let none = FieldTable::default();
    channel.exchange_declare(READINGS.into(), ExchangeKind::Fanout, durable, none.clone()).await?;
    let bind = QueueBindOptions::default();
    channel.queue_bind(READINGS.into(), READINGS.into(), "".into(), bind, none).await
}

pub(super) async fn delete_queue(channel: &Channel, queue: &Queue) -> Result<(), lapin::Error> {
    let name = queue.to_string();
    channel.queue_delete(name.as_str().into(), QueueDeleteOptions::default()).await.map(drop)
}

pub(super) async fn declare_exchange(channel: &Channel) -> Result<(), lapin::Error> {
    let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
    let none = FieldTable::default();
    channel.exchange_declare(EXCHANGE.into(), ExchangeKind::Topic, durable, none).await?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(DEAD_LETTERS_KEPT));
    let durable = QueueDeclareOptions::durable();
    channel.queue_declare(DEAD_LETTERS.into(), durable, arguments).await?;
    Ok(())
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}
