//! What the services say of themselves and of what they depend on.

use std::collections::BTreeMap;

use reqwest::Client;
use serde_json::Value;

use super::http::Answer;
use super::{Portal, eventually};

/// An answer of `/health/ready`.
struct Health {
    status: u16,
    word: String,
    dependencies: BTreeMap<String, String>,
}

async fn health(portal: &Portal, service: &str) -> Health {
    let request = Client::new().get(portal.url(service, "/health/ready"));
    let Answer { status, body, .. } = Answer::of(request).await;
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let dependencies = body["dependencies"].as_array().expect("dependencies").iter();
    let dependencies = dependencies.map(|one| (text(&one["name"]), text(&one["state"]))).collect();
    Health { status, word: text(&body["status"]), dependencies }
}

/// Asserts that a service tells which of its dependencies are down, and those alone.
pub async fn tells(portal: &Portal, service: &str, status: u16, word: &str, down: &[&str]) {
    let health = health(portal, service).await;
    let states = &health.dependencies;
    assert_eq!((health.status, health.word.as_str()), (status, word), "{service}: {states:?}");
    let is_down = states.iter().filter(|(_, state)| *state != "up").map(|(name, _)| name);
    assert!(is_down.eq(down.iter().copied()), "{service}: {states:?}");
}

/// Waits until every service is ready and all of its dependencies are up.
pub async fn all_ready(portal: &Portal) {
    for service in portal.service_names() {
        eventually(&format!("{service} to be ready"), async || {
            let health = health(portal, service).await;
            (health.word == "ready" && health.status == 200).then_some(())
        })
        .await;
    }
}
