//! The broker loses messages, queues, or all that it had: the views are whole again without help.

use reqwest::{Client, Method};
use serde_json::Value;

use super::Published;
use crate::support::http::Answer;
use crate::support::stores::RABBITMQ_API;
use crate::support::{Portal, Wiring, eventually};

/// Each queue has a consumer and nothing waits in it: the views live from the bus and not from
/// looking into the log.
pub(super) async fn the_bus_delivers(portal: &Portal) {
    let api = &portal.environment[RABBITMQ_API];
    let url = format!("{api}/api/queues/{}", vhost(portal));
    eventually("queues that are empty and have a consumer", async || {
        let queues = Answer::of(Client::new().get(&url)).await.body;
        let mut queues: Vec<_> = queues.as_array()?.clone();
        queues.retain(|queue| queue["name"] != "portal.dead-letters");
        let consumed =
            |queue: &Value| queue["consumers"].as_u64() >= Some(1) && queue["messages"] == 0;
        (queues.len() == 12 && queues.iter().all(consumed)).then_some(())
    })
    .await;
}

/// The management API of the broker, for this portal's vhost.
async fn at_the_broker(portal: &Portal, method: Method, path: &str) {
    let api = &portal.environment[RABBITMQ_API];
    let answer = Client::new().request(method, format!("{api}/api/{path}")).send().await;
    let status = answer.expect("the management API").status();
    assert!(status.is_success(), "{path}: {status}");
}

pub(super) fn vhost(portal: &Portal) -> &str {
    portal.environment["PORTAL_BUS"].rsplit_once('/').expect("a vhost").1
}

#[tokio::test]
async fn queues_that_are_purged_or_deleted_while_news_come_in_cost_no_view_anything() {
    let portal = Portal::start(Wiring::Servers).await;
    Published::new(&portal, "Before").await.becomes_readable(&portal).await;
    let vhost = vhost(&portal);
    let mut during = Vec::new();
    for round in 0..2 {
        the_bus_delivers(&portal).await;
        for queue in ["articles", "desk", "search"] {
            let queue = format!("queues/{vhost}/portal.{queue}.news.sports");
            during.push(Published::new(&portal, &format!("During {round}")).await);
            at_the_broker(&portal, Method::DELETE, &format!("{queue}/contents")).await;
            during.push(Published::new(&portal, &format!("During {round}")).await);
            at_the_broker(&portal, Method::DELETE, &queue).await;
            during.push(Published::new(&portal, &format!("During {round}")).await);
        }
    }
    for article in &during {
        article.becomes_readable(&portal).await;
    }
    the_bus_delivers(&portal).await;
    portal.verifies().await;
}

#[tokio::test]
async fn a_message_that_never_reaches_one_queue_costs_no_view_anything() {
    let portal = Portal::start(Wiring::Servers).await;
    Published::new(&portal, "Before").await.becomes_readable(&portal).await;
    the_bus_delivers(&portal).await;
    // The queue of the newsroom still takes it, so that nobody sees a message that went nowhere.
    let (vhost, queue) = (vhost(&portal), "portal.articles.news.sports");
    let bindings = format!("bindings/{vhost}/e/portal.events/q/{queue}");
    let pattern = "news.sports.*";
    at_the_broker(&portal, Method::DELETE, &format!("{bindings}/{pattern}")).await;
    let lost = Published::new(&portal, "Lost").await;
    lost.becomes_readable(&portal).await;
    let url = format!("{}/api/{bindings}/{pattern}", portal.environment[RABBITMQ_API]);
    eventually("the queue is bound again", async || {
        Client::new().get(&url).send().await.ok()?.status().is_success().then_some(())
    })
    .await;
    Published::new(&portal, "After").await.becomes_readable(&portal).await;
    the_bus_delivers(&portal).await;
    portal.verifies().await;
}

#[tokio::test]
async fn a_broker_that_has_lost_everything_costs_no_view_anything() {
    let portal = Portal::start(Wiring::Servers).await;
    Published::new(&portal, "Before").await.becomes_readable(&portal).await;
    the_bus_delivers(&portal).await;
    let vhost = format!("vhosts/{}", vhost(&portal));
    at_the_broker(&portal, Method::DELETE, &vhost).await;
    let during = Published::new(&portal, "During").await;
    at_the_broker(&portal, Method::PUT, &vhost).await;
    during.becomes_readable(&portal).await;
    Published::new(&portal, "After").await.becomes_readable(&portal).await;
    the_bus_delivers(&portal).await;
    portal.verifies().await;
}
