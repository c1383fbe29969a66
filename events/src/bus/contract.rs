//! What every bus promises, run against each adapter. `PORTAL_BUS` and `PORTAL_TEST_RABBITMQ_API`
//! (both printed by `scripts/services env`) say where the broker is; without them the tests of
//! RabbitMQ fail.

mod readings;

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::time::timeout;
use uuid::Uuid;

use self::readings::readings_wait_for_who_takes_them_and_come_back_if_he_does_not;
use super::in_process::InProcessBus;
use super::rabbitmq::RabbitMq;
use super::{
    BusError, EventPublisher, EventSubscriber, Message, Queue, ReadingSender, ReadingSubscriber,
    Subscription,
};
use crate::{Actor, Metadata, Partition, Position, RecordedEvent, Timestamp, UserId, Version};

struct Bus {
    publisher: Arc<dyn EventPublisher>,
    subscriber: Arc<dyn EventSubscriber>,
    sender: Arc<dyn ReadingSender>,
    readings: Arc<dyn ReadingSubscriber>,
}

impl<T> From<T> for Bus
where
    T: EventPublisher + EventSubscriber + ReadingSender + ReadingSubscriber + Clone + 'static,
{
    fn from(bus: T) -> Self {
        Self {
            publisher: Arc::new(bus.clone()),
            subscriber: Arc::new(bus.clone()),
            sender: Arc::new(bus.clone()),
            readings: Arc::new(bus),
        }
    }
}

fn queue(partition: &str) -> Queue {
    Queue::of(&partition.parse().expect("a partition")).swap_remove(0)
}

pub(super) fn message(partition: &str, position: i64) -> Message {
    let partition: Partition = partition.parse().expect("a partition");
    let event = RecordedEvent {
        position: Position::new(position),
        stream_id: UserId(Uuid::now_v7()).into(),
        version: Version::new(1),
        event_id: Uuid::now_v7(),
        partition,
        event_type: "test.happened".to_owned(),
        schema_version: 1,
        data: RawValue::from_string(r#"{"text":"ä\u2028"}"#.to_owned()).expect("JSON"),
        metadata: Metadata {
            actor: Actor::System("test".to_owned()),
            correlation_id: "c".to_owned(),
            causation_id: Uuid::now_v7(),
            traceparent: None,
        },
        recorded_at: Timestamp::from_millis(1),
    };
    Message {
        event,
        previous: Position::new(position - 1),
        traceparent: Some(format!("of {position}")),
    }
}

async fn receive(subscription: &mut Box<dyn Subscription>, count: usize) -> Vec<Message> {
    let mut all = Vec::new();
    while all.len() < count {
        let next = timeout(Duration::from_secs(60), subscription.receive()).await;
        all.extend(next.expect("a message in time").expect("the bus"));
    }
    all
}

fn positions(messages: &[Message]) -> Vec<i64> {
    messages.iter().map(|message| message.event.position.get()).collect()
}

async fn delivers_in_order_to_the_right_queue(bus: Bus) {
    let (sports, users) = (queue("news.sports"), queue("user"));
    bus.publisher.declare(&[sports.clone(), users.clone()]).await.expect("declare");
    let sent: Vec<_> =
        (1..=700).map(|n| message(if n % 7 == 0 { "user" } else { "news.sports" }, n)).collect();
    bus.publisher.publish(&sent).await.expect("publish");
    let mut subscription = bus.subscriber.subscribe(&sports).await.expect("subscribe");
    let mut got = Vec::new();
    while got.len() < 600 {
        got.extend(receive(&mut subscription, 1).await);
        subscription.acknowledge().await.expect("acknowledge");
    }
    assert_eq!(positions(&got), (1..=700).filter(|n| n % 7 != 0).collect::<Vec<_>>());
    assert_eq!(got[1].event.data.get(), sent[1].event.data.get());
    assert_eq!(got[1].event.metadata, sent[1].event.metadata);
    assert_eq!(got[1].previous, sent[1].previous);
    assert_eq!(got[1].traceparent, sent[1].traceparent);
    let mut subscription = bus.subscriber.subscribe(&users).await.expect("subscribe");
    assert_eq!(positions(&receive(&mut subscription, 1).await)[0], 7);
}

async fn keeps_messages_while_nobody_receives_and_gives_back_what_was_not_acknowledged(bus: Bus) {
    let queue = queue("news.politics");
    bus.publisher.declare(std::slice::from_ref(&queue)).await.expect("declare");
    let sent: Vec<_> = (1..=3).map(|n| message("news.politics", n)).collect();
    bus.publisher.publish(&sent[..1]).await.expect("publish");
    let mut first = bus.subscriber.subscribe(&queue).await.expect("subscribe");
    assert_eq!(positions(&receive(&mut first, 1).await), [1]);
    first.acknowledge().await.expect("acknowledge");
    bus.publisher.publish(&sent[1..]).await.expect("publish");
    assert_eq!(positions(&receive(&mut first, 2).await), [2, 3]);
    drop(first);
    let mut second = bus.subscriber.subscribe(&queue).await.expect("subscribe");
    assert_eq!(positions(&receive(&mut second, 2).await), [2, 3]);
}

async fn lets_one_subscription_receive_and_another_take_over(bus: Bus) {
    let queue = queue("news.famous");
    let mut first = bus.subscriber.subscribe(&queue).await.expect("subscribe");
    bus.publisher.publish(&[message("news.famous", 1)]).await.expect("publish");
    assert_eq!(positions(&receive(&mut first, 1).await), [1]);
    first.acknowledge().await.expect("acknowledge");
    let mut second = bus.subscriber.subscribe(&queue).await.expect("subscribe");
    bus.publisher.publish(&[message("news.famous", 2)]).await.expect("publish");
    assert_eq!(positions(&receive(&mut first, 1).await), [2]);
    first.acknowledge().await.expect("acknowledge");
    assert!(timeout(Duration::from_millis(50), second.receive()).await.is_err());
    drop(first);
    bus.publisher.publish(&[message("news.famous", 3)]).await.expect("publish");
    assert_eq!(positions(&receive(&mut second, 1).await), [3]);
}

async fn says_when_no_queue_takes_a_message_and_works_on_after_it(bus: Bus) {
    bus.publisher.declare(&[queue("user")]).await.expect("declare");
    let error = bus.publisher.publish(&[message("news.lost", 1)]).await;
    assert!(matches!(error, Err(BusError::Unroutable(_))), "{error:?}");
    bus.publisher.publish(&[message("user", 2)]).await.expect("publish");
}

fn in_process() -> Bus {
    InProcessBus::default().into()
}

struct Vhost {
    api: String,
    url: String,
}

async fn rabbitmq() -> Bus {
    RabbitMq::at(&vhost().await.url).into()
}

/// A vhost of its own for each test: no queue of another can be in the way.
async fn vhost() -> Vhost {
    let uri = std::env::var("PORTAL_BUS").expect("PORTAL_BUS: see `scripts/services env`");
    let api = std::env::var("PORTAL_TEST_RABBITMQ_API").expect("PORTAL_TEST_RABBITMQ_API");
    let vhost = format!("bus-{}", Uuid::now_v7());
    let made = reqwest::Client::new().put(format!("{api}/api/vhosts/{vhost}")).send().await;
    assert!(made.expect("the management API").status().is_success());
    let (server, _) = uri.rsplit_once('/').expect("amqp://host/vhost");
    let url = format!("{server}/{vhost}");
    Vhost { api, url }
}

macro_rules! contract {
    ($($promise:ident)*) => {
        mod in_process_bus {
            $(#[tokio::test] async fn $promise() { super::$promise(super::in_process()).await })*
        }
        mod rabbitmq_bus {
            $(#[tokio::test] async fn $promise() { super::$promise(super::rabbitmq().await).await })*
        }
    };
}

contract! {
    delivers_in_order_to_the_right_queue
    keeps_messages_while_nobody_receives_and_gives_back_what_was_not_acknowledged
    lets_one_subscription_receive_and_another_take_over
    says_when_no_queue_takes_a_message_and_works_on_after_it
    readings_wait_for_who_takes_them_and_come_back_if_he_does_not
}

#[tokio::test]
async fn a_full_queue_in_memory_drops_its_oldest_message() {
    let bus = in_process();
    let queue = queue("news.sports");
    bus.publisher.declare(std::slice::from_ref(&queue)).await.expect("declare");
    let sent: Vec<_> = (1..=3_000).map(|n| message("news.sports", n)).collect();
    bus.publisher.publish(&sent).await.expect("publish");
    let mut subscription = bus.subscriber.subscribe(&queue).await.expect("subscribe");
    let got = positions(&receive(&mut subscription, 2_048).await);
    assert_eq!((got.first(), got.last()), (Some(&953), Some(&3_000)));
}
