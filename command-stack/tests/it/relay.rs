//! The relay on both wirings: whatever is stopped, lost or started twice, the bus gets the whole
//! log in order. `scripts/services env` says where PostgreSQL and RabbitMQ are; without them the
//! tests of the real servers fail.

use std::collections::BTreeMap;

use command_stack::event_log::EventLog;
use events::bus::{Message, Subscription};
use events::{Partition, Position};
use tokio::time::timeout;

use crate::support::database::{SOON, eventually};
use crate::support::relay::{Running, Wiring, append, partition, queue};

const CONFIGURED: [&str; 3] = ["news.sports", "news.politics", "user"];

/// Where the events of each partition stand in the log.
#[derive(Default)]
struct Places(BTreeMap<String, Vec<i64>>);

impl Places {
    /// Appends one event to each of these partitions, `times` over.
    async fn append(&mut self, log: &dyn EventLog, partitions: &[&str], times: usize) {
        for _ in 0..times {
            let last = append(log, partitions).await.get();
            let first = last + 1 - i64::try_from(partitions.len()).expect("a length");
            for (partition, position) in partitions.iter().zip(first..) {
                self.0.entry((*partition).to_owned()).or_default().push(position);
            }
        }
    }

    fn of(&self, partition: &str) -> &[i64] {
        self.0.get(partition).map_or(&[], Vec::as_slice)
    }

    fn configured(&self) -> Vec<i64> {
        let mut all: Vec<_> = CONFIGURED.iter().flat_map(|name| self.of(name)).copied().collect();
        all.sort_unstable();
        all
    }

    fn last(&self, partition: &str) -> i64 {
        self.of(partition).last().copied().unwrap_or(0)
    }

    /// Each message names the position before it in its partition, whether or not it is a repeat.
    fn assert_chain(&self, messages: &[Message]) {
        for Message { event, previous, .. } in messages {
            let places = self.of(&event.partition.to_string());
            let before = places.iter().rev().find(|place| **place < event.position.get());
            assert_eq!(previous.get(), *before.unwrap_or(&0), "before {}", event.position);
        }
    }
}

fn positions(messages: &[Message]) -> Vec<i64> {
    messages.iter().map(|message| message.event.position.get()).collect()
}

/// What is left when what was seen before is taken out.
fn without_repeats(positions: Vec<i64>) -> Vec<i64> {
    let mut seen = Vec::<i64>::new();
    for position in positions {
        if !seen.contains(&position) {
            seen.push(position);
        }
    }
    seen
}

/// Everything up to and including this position.
async fn receive(subscription: &mut Box<dyn Subscription>, until: i64) -> Vec<Message> {
    let mut all: Vec<Message> = Vec::new();
    while all.last().is_none_or(|message| message.event.position.get() < until) {
        let next = timeout(SOON, subscription.receive()).await;
        all.extend(next.expect("a message in time").expect("the bus"));
        subscription.acknowledge().await.expect("acknowledge");
    }
    all
}

async fn reaches(on: &Wiring, checkpoint: i64) {
    let moved = async || (on.checkpoint().await == Position::new(checkpoint)).then_some(());
    eventually("the checkpoint is moved", moved).await;
}

async fn the_log_arrives_once_and_in_order_without_what_is_not_configured(on: Wiring) {
    let everything = ["news.sports", "news.weather", "user", "news.politics"];
    let mut places = Places::default();
    places.append(&**on.log(), &everything, 300).await;
    let relay = Running::start(on.log(), on.publisher(), &CONFIGURED);
    places.append(&**on.log(), &everything, 50).await;
    places.append(&**on.log(), &["news.weather", "user"], 50).await;
    for name in CONFIGURED {
        let mut subscription = on.subscriber.subscribe(&queue(name)).await.expect("subscribe");
        let messages = receive(&mut subscription, places.last(name)).await;
        assert_eq!(positions(&messages), places.of(name), "{name}");
        places.assert_chain(&messages);
        let right = |message: &Message| message.event.partition == partition(name);
        assert!(messages.iter().all(right), "{name}");
    }
    assert_eq!(relay.stop().await, places.configured());
    on.remove().await;
}

async fn a_new_relay_goes_on_where_the_checkpoint_is(on: Wiring) {
    let mut places = Places::default();
    let mut subscription = on.subscriber.subscribe(&queue("user")).await.expect("subscribe");
    let first = Running::start(on.log(), on.publisher(), &CONFIGURED);
    places.append(&**on.log(), &["user", "news.weather"], 20).await;
    let mut messages = receive(&mut subscription, places.last("user")).await;
    // Over the events that nobody gets as well.
    reaches(&on, 40).await;
    places.append(&**on.log(), &["user", "news.weather"], 20).await;
    first.stop().await;
    places.append(&**on.log(), &["user", "news.weather"], 20).await;
    let second = Running::start(on.peer(), on.publisher(), &CONFIGURED);
    messages.extend(receive(&mut subscription, places.last("user")).await);
    let published = second.stop().await;
    assert!(published.iter().all(|position| *position > 40), "from the start: {published:?}");
    assert_eq!(without_repeats(positions(&messages)), places.of("user"));
    places.assert_chain(&messages);
    on.remove().await;
}

async fn of_two_relays_one_publishes_and_the_other_takes_over(on: Wiring) {
    let mut places = Places::default();
    let mut subscription = on.subscriber.subscribe(&queue("user")).await.expect("subscribe");
    let first = Running::start(on.log(), on.publisher(), &CONFIGURED);
    places.append(&**on.log(), &["user"], 1).await;
    let mut messages = receive(&mut subscription, 1).await;
    let second = Running::start(on.peer(), on.publisher(), &CONFIGURED);
    places.append(&**on.log(), &["user"], 100).await;
    messages.extend(receive(&mut subscription, places.last("user")).await);
    assert_eq!(positions(&messages), places.of("user"));
    assert!(second.published().is_empty(), "{:?}", second.published());
    assert_eq!(first.stop().await, places.of("user"));
    places.append(&**on.peer(), &["user"], 100).await;
    messages.extend(receive(&mut subscription, places.last("user")).await);
    second.stop().await;
    assert_eq!(without_repeats(positions(&messages)), places.of("user"));
    places.assert_chain(&messages);
    on.remove().await;
}

async fn what_the_bus_failed_to_take_is_sent_again(on: Wiring) {
    let mut places = Places::default();
    let mut subscription = on.subscriber.subscribe(&queue("user")).await.expect("subscribe");
    // The second page is not sent, the third is sent but not confirmed.
    let publisher = on.publisher().failing_at(&[(2, false), (3, true)]);
    let relay = Running::start(on.log(), publisher, &CONFIGURED);
    let mut messages = Vec::new();
    for _ in 0..3 {
        places.append(&**on.log(), &["user", "news.weather"], 20).await;
        messages.extend(receive(&mut subscription, places.last("user")).await);
    }
    assert!(relay.stop().await.len() > 60, "nothing was sent twice");
    assert_eq!(without_repeats(positions(&messages)), places.of("user"));
    places.assert_chain(&messages);
    on.remove().await;
}

macro_rules! contract {
    ($($promise:ident)*) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread")] async fn $promise() {
                super::$promise(super::Wiring::embedded().await).await;
            })*
        }
        mod servers {
            $(#[tokio::test(flavor = "multi_thread")] async fn $promise() {
                super::$promise(super::Wiring::servers().await).await;
            })*
        }
    };
}

contract! {
    the_log_arrives_once_and_in_order_without_what_is_not_configured
    a_new_relay_goes_on_where_the_checkpoint_is
    of_two_relays_one_publishes_and_the_other_takes_over
    what_the_bus_failed_to_take_is_sent_again
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_was_deleted_is_declared_again_and_published_to() {
    let on = Wiring::servers().await;
    let users: Partition = partition("user");
    let mut places = Places::default();
    let relay = Running::start(on.log(), on.publisher(), &CONFIGURED);
    places.append(&**on.log(), &["user", "news.sports"], 5).await;
    let mut sports = on.subscriber.subscribe(&queue("news.sports")).await.expect("subscribe");
    receive(&mut sports, places.last("news.sports")).await;
    on.broker().delete(&queue("user")).await;
    places.append(&**on.log(), &["user", "news.sports"], 5).await;
    on.broker().has(&queue("user")).await;
    let mut subscription = on.subscriber.subscribe(&queue("user")).await.expect("subscribe");
    places.append(&**on.log(), &["user", "news.sports"], 5).await;
    let messages = receive(&mut subscription, places.last("user")).await;
    let got = without_repeats(positions(&messages));
    // The first five may have been lost with the queue; whoever misses them sees it in the chain.
    let got: Vec<_> =
        got.into_iter().filter(|position| !places.of("user")[..5].contains(position)).collect();
    assert_eq!(got, places.of("user")[5..]);
    places.assert_chain(&messages);
    assert!(messages.iter().all(|message| message.event.partition == users));
    receive(&mut sports, places.last("news.sports")).await;
    relay.stop().await;
    on.remove().await;
}
