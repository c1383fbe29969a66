//! A whole server is down, or a queue of the broker no longer answers. Each of these tests starts servers
//! of its own, which takes long; the short run has outages of servers in chaos.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use super::queues::{the_bus_delivers, vhost};
use super::{Published, is_unavailable, query_stacks, whole_home};
use crate::support::health::{all_ready, tells};
use crate::support::http::section;
use crate::support::stores::PrivateServers;
use crate::support::{Portal, Wiring, eventually};

/// A portal on servers of which these are its own.
async fn portal_with(names: &[&str]) -> (PrivateServers, Portal) {
    let servers = PrivateServers::up(names);
    let portal = Portal::start_on(Wiring::Servers, servers.migrated_stores().await);
    (servers, portal)
}

#[tokio::test]
async fn without_rabbitmq_commands_are_accepted_and_the_views_catch_up_afterwards() {
    let (servers, portal) = portal_with(&["rabbitmq"]).await;
    let before = Published::new(&portal, "Before").await;
    before.becomes_readable(&portal).await;
    // A broker that is killed within half a second forgets the leaders of new queues.
    the_bus_delivers(&portal).await;
    servers.kill("rabbitmq");
    let mut during = Vec::new();
    for number in 0..20 {
        during.push(Published::new(&portal, &format!("During {number}")).await);
    }
    tells(&portal, "relay", 503, "unavailable", &["bus"]).await;
    tells(&portal, "query-stack-1", 200, "degraded", &["bus"]).await;
    tells(&portal, "command-stack", 200, "ready", &[]).await;
    tells(&portal, "orchestrator", 200, "ready", &[]).await;
    assert_eq!(portal.get(&before.path).await.status, 200);

    servers.start("rabbitmq");
    for article in &during {
        article.becomes_readable(&portal).await;
    }
    Published::new(&portal, "After").await.becomes_readable(&portal).await;
    all_ready(&portal).await;
    the_bus_delivers(&portal).await;
    portal.verifies().await;
}

#[tokio::test]
async fn without_mongodb_commands_are_accepted_and_queries_say_that_they_cannot() {
    let (servers, portal) = portal_with(&["mongodb"]).await;
    let before = Published::new(&portal, "Before").await;
    before.becomes_readable(&portal).await;
    let ada = json!({"name": "Ada", "email": "ada@example.org", "password": "correct horse"});
    let user = portal.post("/v1/users", ada).await;
    let user = user.header("location");
    let admin = portal.with_role("admin");
    servers.stop("mongodb");
    let mut during = Vec::new();
    for number in 0..20 {
        during.push(Published::new(&portal, &format!("During {number}")).await);
    }
    for path in [&before.path, "/v1/news/sports", "/v1/news", user] {
        is_unavailable(&admin, path).await;
    }
    // The front page is what it was, and says so.
    eventually("an old front page", async || {
        let home = portal.door().get_once("/v1/home").await.body;
        let sports = section(&home, "sports");
        assert_eq!(sports["articles"][0]["title"], "Before");
        (sports["status"] == "stale").then_some(())
    })
    .await;
    tells(&portal, "query-stack-1", 503, "unavailable", &["view store"]).await;
    tells(&portal, "query-stack-2", 503, "unavailable", &["view store"]).await;
    tells(&portal, "relay", 200, "ready", &[]).await;
    tells(&portal, "command-stack", 200, "ready", &[]).await;
    let mut down = query_stacks(&portal);
    down.sort_unstable();
    tells(&portal, "orchestrator", 200, "degraded", &[&down[0], &down[1]]).await;

    servers.start("mongodb");
    for article in during.iter().chain([&before]) {
        article.becomes_readable(&portal).await;
    }
    assert_eq!(admin.get(user).await.status, 200);
    whole_home(&portal).await;
    all_ready(&portal).await;
    portal.verifies().await;
}

#[tokio::test]
async fn without_postgres_queries_are_answered_and_commands_say_that_they_cannot() {
    let (servers, portal) = portal_with(&["postgres"]).await;
    let article = Published::new(&portal, "Before").await;
    article.becomes_readable(&portal).await;
    let ada = json!({"name": "Ada", "email": "ada@example.org", "password": "correct horse"});
    let user = portal.post("/v1/users", ada.clone()).await;
    let (user, registered) = (user.header("location"), user.position());
    let admin = portal.with_role("admin");
    assert_eq!(admin.read(user, registered).await.status, 200);
    servers.stop("postgres");
    for path in ["/v1/home", "/v1/news", "/v1/news/sports", &article.path, user] {
        let answer = admin.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }
    for (path, position) in [(&article.path[..], article.position), (user, registered)] {
        let answer = admin.read(path, position).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }
    whole_home(&portal).await;
    commands_are_refused(&portal, &article, ada).await;
    tells(&portal, "command-stack", 503, "unavailable", &["event log"]).await;
    tells(&portal, "query-stack-1", 200, "degraded", &["event log"]).await;
    tells(&portal, "relay", 503, "unavailable", &["event log"]).await;
    tells(&portal, "orchestrator", 200, "degraded", &["command-stack"]).await;

    servers.start("postgres");
    eventually("commands that are accepted again", async || {
        let body = json!({"title": "Again", "content": "Text."});
        let answer = portal.post("/v1/news/sports", body).await;
        (answer.status == 201).then_some(())
    })
    .await;
    Published::new(&portal, "After").await.becomes_readable(&portal).await;
    all_ready(&portal).await;
    portal.verifies().await;
}

/// All at the same time, so that they also wait for each other.
async fn commands_are_refused(portal: &Portal, article: &Published, mut user: Value) {
    user["email"] = json!("eve@example.org");
    let publish = || portal.post("/v1/news/sports", json!({"title": "A", "content": "B"}));
    let correction = json!({"title": "A", "content": "B", "correction_note": "C"});
    let correct = portal.change(Method::PUT, &article.path, 1, correction);
    let register = portal.post("/v1/users", user);
    let published = futures::future::join_all((0..30).map(|_| publish()));
    let (mut answers, corrected, registered) = futures::join!(published, correct, register);
    answers.extend([corrected, registered]);
    answers.iter().for_each(|answer| answer.is_problem(503, "unavailable"));
    assert!(answers.iter().all(|answer| !answer.header("retry-after").is_empty()));
}

#[tokio::test]
async fn services_start_while_every_server_is_down_and_work_when_they_come() {
    let names = ["postgres", "rabbitmq", "mongodb"];
    let servers = PrivateServers::up(&names);
    let mut portal = Portal::not_started(Wiring::Servers, servers.migrated_stores().await);
    names.iter().for_each(|name| servers.kill(name));
    portal.spawn_all();
    let stack = ["bus", "event log", "view store"];
    tells(&portal, "command-stack", 503, "unavailable", &["event log"]).await;
    tells(&portal, "relay", 503, "unavailable", &["bus", "event log"]).await;
    tells(&portal, "query-stack-1", 503, "unavailable", &stack).await;
    is_unavailable(&portal.door(), "/v1/home").await;

    names.iter().for_each(|name| servers.start(name));
    all_ready(&portal).await;
    Published::new(&portal, "At last").await.becomes_readable(&portal).await;
    portal.verifies().await;
}

#[tokio::test]
async fn a_queue_that_takes_messages_and_never_answers_is_replaced() {
    queue_is_replaced_after("sys:suspend").await;
}

#[tokio::test]
async fn a_queue_that_refuses_every_message_is_replaced() {
    queue_is_replaced_after("(fun (Id) -> ra:stop_server(quorum_queues, Id) end)").await;
}

/// What became of queues whose broker was killed in the wrong moment: the relay stands still before
/// them, and no restart of anything mends them.
async fn queue_is_replaced_after(breaking: &str) {
    let (servers, portal) = portal_with(&["rabbitmq"]).await;
    Published::new(&portal, "Before").await.becomes_readable(&portal).await;
    the_bus_delivers(&portal).await;
    let queue = format!("'{}_portal.articles.news.sports'", vhost(&portal));
    servers.in_rabbitmq(&format!("{breaking}({{{queue}, node()}})."));
    let during = Published::new(&portal, "During").await;
    during.becomes_readable(&portal).await;
    eventually("a relay that has gone on", async || {
        (checkpoint(&portal).await >= during.position).then_some(())
    })
    .await;
    Published::new(&portal, "After").await.becomes_readable(&portal).await;
    the_bus_delivers(&portal).await;
    assert!(portal.logged().contains("are replaced"), "nobody was told");
    portal.verifies().await;
}

/// How far the relay has published.
async fn checkpoint(portal: &Portal) -> i64 {
    let url = &portal.environment["PORTAL_EVENT_LOG"];
    let mut connection = PgConnection::connect(url).await.expect("PostgreSQL");
    let query = sqlx::query_scalar("SELECT position FROM relay_checkpoint");
    query.fetch_one(&mut connection).await.expect("the checkpoint")
}
