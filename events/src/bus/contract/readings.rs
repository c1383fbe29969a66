//! Readings: kept while nobody receives, given back, each to one.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;
use uuid::Uuid;

use super::{Bus, Vhost, message, queue, vhost};
use crate::bus::rabbitmq::RabbitMq;
use crate::bus::{EventPublisher, ReadingSender, ReadingSubscriber, Subscription};
use crate::readings::Reading;
use crate::{ArticleId, Timestamp, UserId};

fn reading(number: u128) -> Reading {
    let (user, article) = (UserId(Uuid::from_u128(number)), ArticleId(Uuid::from_u128(7)));
    let category = "sports".parse().expect("a category");
    Reading::new(user, article, category, &["ä\u{2028}".to_owned()], Timestamp::from_millis(1))
}

async fn receive(subscription: &mut Box<dyn Subscription<Reading>>, count: usize) -> Vec<Reading> {
    let mut all = Vec::new();
    while all.len() < count {
        let next = timeout(Duration::from_secs(60), subscription.receive()).await;
        all.extend(next.expect("readings in time").expect("the bus"));
    }
    all
}

pub(super) async fn readings_wait_for_who_takes_them_and_come_back_if_he_does_not(bus: Bus) {
    drop(bus.readings.subscribe_to_readings().await.expect("subscribed"));
    let sent: Vec<_> = (0..100).map(reading).collect();
    for together in sent.chunks(5) {
        bus.sender.send(together).await.expect("sent");
    }
    let mut first = bus.readings.subscribe_to_readings().await.expect("subscribed");
    let mut got = Vec::new();
    while got.len() < 50 {
        got.extend(receive(&mut first, 1).await);
        first.acknowledge().await.expect("acknowledged");
    }
    drop(first);
    let mut second = bus.readings.subscribe_to_readings().await.expect("subscribed");
    while got.len() < sent.len() {
        got.extend(receive(&mut second, 1).await);
        second.acknowledge().await.expect("acknowledged");
    }
    got.sort_unstable_by_key(|reading| reading.user_id);
    assert_eq!(got, sent);

    bus.sender.send(&sent[..1]).await.expect("sent");
    assert_eq!(receive(&mut second, 1).await, sent[..1]);
    drop(second);
    let mut third = bus.readings.subscribe_to_readings().await.expect("subscribed");
    assert_eq!(receive(&mut third, 1).await, sent[..1], "not acknowledged");
}

/// What docker-compose.yml lets the public door do at the broker.
#[tokio::test]
async fn who_may_only_write_readings_sends_them_and_nothing_else() {
    let Vhost { api, url } = vhost().await;
    let (server, vhost) = url.rsplit_once('/').expect("amqp://host/vhost");
    let (_, host) = server.rsplit_once(['@', '/']).expect("amqp://host");
    let put = async |path: String, body: serde_json::Value| {
        let done = reqwest::Client::new().put(format!("{api}/api/{path}")).json(&body).send().await;
        assert!(done.expect("the management API").status().is_success(), "{path}");
    };
    let door = format!("door-{vhost}");
    put(format!("users/{door}"), json!({"password": "secret", "tags": ""})).await;
    let rights = json!({"configure": "", "write": r"^portal\.readings$", "read": ""});
    put(format!("permissions/{vhost}/{door}"), rights).await;
    let receiver = RabbitMq::at(&url);
    let mut readings = receiver.subscribe_to_readings().await.expect("subscribed");
    let sender = RabbitMq::at(&format!("amqp://{door}:secret@{host}/{vhost}"));
    sender.send(&[reading(1)]).await.expect("sent");
    assert_eq!(receive(&mut readings, 1).await, [reading(1)]);
    sender.subscribe_to_readings().await.err().expect("refused");
    let queue = queue("news.sports");
    receiver.declare(std::slice::from_ref(&queue)).await.expect("declared");
    sender.publish(&[message("news.sports", 1)]).await.expect_err("refused");
    let deleted = reqwest::Client::new().delete(format!("{api}/api/users/{door}")).send().await;
    assert!(deleted.expect("the management API").status().is_success());
}
