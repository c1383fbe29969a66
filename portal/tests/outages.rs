//! One thing after another is down: what does not need it goes on, what needs it says so in time,
//! and all of it heals without help.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::time::{Duration, Instant};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use support::health::{all_ready, tells};
use support::http::{Answer, Door, section};
use support::stores::{PrivateServers, RABBITMQ_API};
use support::{Portal, Wiring, eventually};

/// A portal on servers of which these are its own.
async fn portal_with(names: &[&str]) -> (PrivateServers, Portal) {
    let servers = PrivateServers::up(names);
    let portal = Portal::start_on(Wiring::Servers, servers.fresh_stores().await);
    (servers, portal)
}

/// An article as its author can find it again.
struct Published {
    path: String,
    position: i64,
}

impl Published {
    async fn new(portal: &Portal, title: &str) -> Self {
        let (article, position) = portal.publish("sports", title).await;
        let id = article["id"].as_str().expect("an id");
        Self { path: format!("/v1/news/sports/{id}"), position }
    }

    async fn becomes_readable(&self, portal: &Portal) {
        eventually("the article in its view", async || {
            let answer = portal.get_at(&self.path, self.position).await;
            (answer.status == 200).then_some(())
        })
        .await;
    }
}

/// The names under which the orchestrator knows the query-stacks.
fn query_stacks(portal: &Portal) -> [String; 2] {
    ["query-stack-1", "query-stack-2"]
        .map(|service| format!("query-stack {}", portal.url(service, "")))
}

/// Asserts that a query is refused, in the right form and soon.
async fn unavailable_within(door: &Door, path: &str, limit: Duration) {
    let began = Instant::now();
    door.get(path).await.is_problem(503, "unavailable");
    assert!(began.elapsed() < limit, "{path}: {:?}", began.elapsed());
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

/// Each queue has a consumer and nothing waits in it: the views live from the bus and not from
/// looking into the log.
async fn the_bus_delivers(portal: &Portal) {
    let api = &portal.environment[RABBITMQ_API];
    let url = format!("{api}/api/queues/{}", vhost(portal));
    eventually("queues that are empty and have a consumer", async || {
        let queues = Answer::of(Client::new().get(&url)).await.body;
        let mut queues: Vec<_> = queues.as_array()?.clone();
        queues.retain(|queue| queue["name"] != "portal.dead-letters");
        let consumed =
            |queue: &Value| queue["consumers"].as_u64() >= Some(1) && queue["messages"] == 0;
        (queues.len() == 7 && queues.iter().all(consumed)).then_some(())
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

fn vhost(portal: &Portal) -> &str {
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
        for queue in ["articles", "desk"] {
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
    for path in [&before.path, "/v1/news/sports", "/v1/news", "/v1/home", user] {
        unavailable_within(&admin, path, Duration::from_secs(3)).await;
    }
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
    assert_eq!(portal.get("/v1/home").await.body["degraded"], false);
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
    assert_eq!(portal.get("/v1/home").await.body["degraded"], false);
    commands_are_refused_within(&portal, &article, ada, Duration::from_secs(5)).await;
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
async fn commands_are_refused_within(
    portal: &Portal,
    article: &Published,
    mut user: Value,
    limit: Duration,
) {
    let began = Instant::now();
    user["email"] = json!("eve@example.org");
    let publish = || portal.post("/v1/news/sports", json!({"title": "A", "content": "B"}));
    let correction = json!({"title": "A", "content": "B", "correction_note": "C"});
    let correct = portal.change(Method::PUT, &article.path, 1, correction);
    let register = portal.post("/v1/users", user);
    let published = futures::future::join_all((0..30).map(|_| publish()));
    let (mut answers, corrected, registered) = futures::join!(published, correct, register);
    answers.extend([corrected, registered]);
    assert!(began.elapsed() < limit, "{:?}", began.elapsed());
    answers.iter().for_each(|answer| answer.is_problem(503, "unavailable"));
    assert!(answers.iter().all(|answer| !answer.header("retry-after").is_empty()));
}

#[tokio::test]
async fn a_home_page_without_one_section_comes_in_time_and_heals() {
    let portal = Portal::start(Wiring::Servers).await;
    let (star, _) = portal.publish("famous", "Star").await;
    let star = format!("/v1/news/famous/{}", star["id"].as_str().expect("an id"));
    let (_, last) = portal.publish("sports", "Goal").await;
    let ada = json!({"name": "Ada", "email": "ada@example.org", "password": "correct horse"});
    let user = portal.post("/v1/users", ada).await;
    let admin = portal.with_role("admin");
    assert_eq!(admin.read(user.header("location"), user.position()).await.status, 200);
    assert_eq!(portal.get_at("/v1/home", last).await.body["degraded"], false);

    // Stopped, not dead: it takes connections and says nothing, which is worse.
    portal.signal("query-stack-1", "STOP");
    let began = Instant::now();
    let home = portal.get("/v1/home").await;
    let took = began.elapsed();
    for path in [&star[..], "/v1/news/famous", "/v1/news"] {
        unavailable_within(&admin, path, Duration::from_secs(3)).await;
    }
    assert_eq!(admin.get(user.header("location")).await.status, 200, "the other one has users");
    portal.signal("query-stack-1", "CONT");
    assert_eq!((home.status, &home.body["degraded"]), (200, &json!(true)), "{}", home.body);
    assert!(took < Duration::from_millis(1_500), "{took:?}");
    let famous = section(&home.body, "famous");
    assert_eq!((&famous["status"], &famous["articles"]), (&json!("unavailable"), &json!([])));
    assert_eq!(section(&home.body, "politics")["status"], "ok");
    assert_eq!(section(&home.body, "sports")["articles"][0]["title"], "Goal");
    eventually("a home page that has healed", async || {
        let home = portal.get("/v1/home").await.body;
        (home["degraded"] == false && section(&home, "famous")["articles"][0]["title"] == "Star")
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn without_any_query_stack_there_is_no_home_page_and_commands_are_accepted() {
    let mut portal = Portal::start(Wiring::Servers).await;
    let stacks = ["query-stack-1", "query-stack-2"];
    stacks.iter().for_each(|stack| portal.kill(stack));
    let article = Published::new(&portal, "Unseen").await;
    for path in ["/v1/home", "/v1/news", "/v1/news/sports", &article.path] {
        unavailable_within(&portal.door(), path, Duration::from_secs(3)).await;
    }
    let mut down = query_stacks(&portal);
    down.sort_unstable();
    tells(&portal, "orchestrator", 200, "degraded", &[&down[0], &down[1]]).await;
    portal.kill("command-stack");
    unavailable_within(&portal.door(), "/v1/home", Duration::from_secs(3)).await;
    tells(&portal, "orchestrator", 503, "unavailable", &["command-stack", &down[0], &down[1]])
        .await;

    portal.spawn("command-stack");
    stacks.iter().for_each(|stack| portal.spawn(stack));
    article.becomes_readable(&portal).await;
    assert_eq!(portal.get("/v1/home").await.body["degraded"], false);
    portal.verifies().await;
}

#[tokio::test]
async fn services_start_while_every_server_is_down_and_work_when_they_come() {
    let names = ["postgres", "rabbitmq", "mongodb"];
    let servers = PrivateServers::up(&names);
    let mut portal = Portal::not_started(Wiring::Servers, servers.fresh_stores().await);
    portal.tool(&["migrate"]);
    names.iter().for_each(|name| servers.kill(name));
    portal.spawn_all();
    let stack = ["bus", "event log", "view store"];
    tells(&portal, "command-stack", 503, "unavailable", &["event log"]).await;
    tells(&portal, "relay", 503, "unavailable", &["bus", "event log"]).await;
    tells(&portal, "query-stack-1", 503, "unavailable", &stack).await;
    unavailable_within(&portal.door(), "/v1/home", Duration::from_secs(3)).await;

    names.iter().for_each(|name| servers.start(name));
    all_ready(&portal).await;
    Published::new(&portal, "At last").await.becomes_readable(&portal).await;
    portal.verifies().await;
}
