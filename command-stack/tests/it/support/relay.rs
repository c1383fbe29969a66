//! A bus beside the log for each test, and a relay between them that keeps a record.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use command_stack::event_log::{Append, EventLog, StreamAppend};
use command_stack::relay::Relay;
use events::bus::in_process::InProcessBus;
use events::bus::rabbitmq::RabbitMq;
use events::bus::{BusError, EventPublisher, EventSubscriber, Message, Queue};
use events::{
    Actor, BoxError, Dependency, Metadata, NewEvent, Partition, Position, UserId, Version,
};
use serde_json::value::RawValue;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::copied_database::with_path;
use super::database::{Database, Kept, eventually, variable};

pub(crate) struct Wiring {
    pub(crate) database: Database,
    pub(crate) subscriber: Arc<dyn EventSubscriber>,
    publisher: Box<dyn Fn() -> Arc<dyn EventPublisher>>,
    broker: Option<Broker>,
}

impl Wiring {
    pub(crate) async fn embedded() -> Self {
        let bus = InProcessBus::default();
        let subscriber = Arc::new(bus.clone());
        let publisher = Box::new(move || Arc::new(bus.clone()) as _);
        Self { database: Database::sqlite().await, subscriber, publisher, broker: None }
    }

    pub(crate) async fn servers() -> Self {
        let broker = Broker::new().await;
        let uri = with_path(&variable("PORTAL_BUS"), &broker.vhost);
        let subscriber = Arc::new(RabbitMq::at(&uri));
        let publisher = Box::new(move || Arc::new(RabbitMq::at(&uri)) as _);
        let database = Database::postgres().await;
        Self { database, subscriber, publisher, broker: Some(broker) }
    }

    pub(crate) fn log(&self) -> &Arc<dyn EventLog> {
        &self.database.log
    }

    /// The log as a second relay has it.
    pub(crate) fn peer(&self) -> &Arc<dyn EventLog> {
        &self.database.peer
    }

    /// As another relay has it: with a connection of its own.
    pub(crate) fn publisher(&self) -> Publisher {
        Publisher { bus: (self.publisher)(), fails: Vec::new(), record: Arc::default() }
    }

    pub(crate) async fn checkpoint(&self) -> Position {
        let query = "SELECT position FROM relay_checkpoint";
        Position::new(match &self.database.kept {
            Kept::Sqlite { pool, .. } => {
                sqlx::query_scalar(query).fetch_one(pool).await.expect("read")
            }
            Kept::Postgres { pool, .. } => {
                sqlx::query_scalar(query).fetch_one(pool).await.expect("read")
            }
        })
    }

    pub(crate) fn broker(&self) -> &Broker {
        self.broker.as_ref().expect("a broker")
    }

    /// Only after success: what a failed test left behind can be looked at.
    pub(crate) async fn remove(self) {
        if let Some(broker) = self.broker {
            broker.remove().await;
        }
        self.database.remove().await;
    }
}

/// A vhost of its own, through RabbitMQ's management API.
pub(crate) struct Broker {
    api: String,
    vhost: String,
    client: reqwest::Client,
}

impl Broker {
    async fn new() -> Self {
        let (api, vhost) =
            (variable("PORTAL_TEST_RABBITMQ_API"), format!("relay-{}", Uuid::now_v7()));
        let client = reqwest::Client::new();
        let made = client.put(format!("{api}/api/vhosts/{vhost}")).send().await;
        assert!(made.expect("the management API").status().is_success());
        Self { api, vhost, client }
    }

    fn address(&self, queue: &Queue) -> String {
        format!("{}/api/queues/{}/{queue}", self.api, self.vhost)
    }

    pub(crate) async fn delete(&self, queue: &Queue) {
        let deleted = self.client.delete(self.address(queue)).send().await;
        assert!(deleted.expect("the management API").status().is_success());
    }

    /// Waits for a queue.
    pub(crate) async fn has(&self, queue: &Queue) {
        eventually(&format!("{queue} is there"), async || {
            let found = self.client.get(self.address(queue)).send().await;
            found.expect("the management API").status().is_success().then_some(())
        })
        .await;
    }

    async fn remove(self) {
        let removed = self.client.delete(format!("{}/api/vhosts/{}", self.api, self.vhost));
        assert!(removed.send().await.expect("the management API").status().is_success());
    }
}

/// A publisher that writes down what goes through it, and fails when it is told to.
pub(crate) struct Publisher {
    bus: Arc<dyn EventPublisher>,
    fails: Vec<(usize, bool)>,
    record: Arc<Mutex<Record>>,
}

#[derive(Default)]
struct Record {
    calls: usize,
    positions: Vec<i64>,
}

impl Publisher {
    /// Fails at the given calls (from 1): true after the messages were sent, false before.
    pub(crate) fn failing_at(mut self, fails: &[(usize, bool)]) -> Self {
        self.fails = fails.to_vec();
        self
    }
}

#[async_trait]
impl Dependency for Publisher {
    async fn ping(&self) -> Result<(), BoxError> {
        self.bus.ping().await
    }
}

#[async_trait]
impl EventPublisher for Publisher {
    async fn declare(&self, queues: &[Queue]) -> Result<(), BusError> {
        self.bus.declare(queues).await
    }

    async fn replace(&self, queues: &[Queue]) -> Result<(), BusError> {
        self.bus.replace(queues).await
    }

    async fn publish(&self, messages: &[Message]) -> Result<(), BusError> {
        let fails = {
            let mut record = self.record.lock().expect("the record");
            record.calls += 1;
            let calls = record.calls;
            let fails = self.fails.iter().find(|(call, _)| *call == calls).map(|(_, sent)| *sent);
            // Before they are sent: they arrive before the broker's confirmation does.
            if fails != Some(false) {
                let sent = messages.iter().map(|message| message.event.position.get());
                record.positions.extend(sent);
            }
            fails
        };
        if fails != Some(false) {
            self.bus.publish(messages).await?;
        }
        match fails {
            Some(_) => Err(BusError::Unavailable("as the test wants it".into())),
            None => Ok(()),
        }
    }
}

/// A relay at work.
pub(crate) struct Running {
    shutdown: CancellationToken,
    task: JoinHandle<()>,
    record: Arc<Mutex<Record>>,
}

impl Running {
    pub(crate) fn start(
        log: &Arc<dyn EventLog>,
        publisher: Publisher,
        partitions: &[&str],
    ) -> Self {
        let record = Arc::clone(&publisher.record);
        let partitions = partitions.iter().map(|name| partition(name)).collect();
        let relay = Relay::new(Arc::clone(log), Arc::new(publisher), partitions);
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(relay.run(shutdown.clone()));
        Self { shutdown, task, record }
    }

    /// The positions that it has published so far.
    pub(crate) fn published(&self) -> Vec<i64> {
        self.record.lock().expect("the record").positions.clone()
    }

    /// Stops it, and tells what it has published.
    pub(crate) async fn stop(self) -> Vec<i64> {
        self.shutdown.cancel();
        self.task.await.expect("the relay ends");
        self.record.lock().expect("the record").positions.clone()
    }
}

pub(crate) fn partition(name: &str) -> Partition {
    name.parse().expect("a partition")
}

/// Of the view that readers see.
pub(crate) fn queue(name: &str) -> Queue {
    Queue::of(&partition(name)).swap_remove(0)
}

/// One event for each of these partitions, in streams of their own; the last one's position.
pub(crate) async fn append(log: &dyn EventLog, partitions: &[&str]) -> Position {
    let streams = partitions.iter().map(|name| StreamAppend {
        stream_id: UserId(Uuid::now_v7()).into(),
        expected: Version::NONE,
        events: vec![NewEvent {
            event_id: Uuid::now_v7(),
            partition: partition(name),
            event_type: "test.happened",
            schema_version: 1,
            data: RawValue::from_string("{}".to_owned()).expect("JSON"),
        }],
    });
    let metadata = Metadata {
        actor: Actor::System("test".to_owned()),
        correlation_id: "request-1".to_owned(),
        causation_id: Uuid::now_v7(),
        traceparent: None,
    };
    let append = Append { key: None, metadata, streams: streams.collect() };
    log.append(append).await.expect("append").position
}
