//! One thing after another is down: what does not need it goes on, what needs it says so in time,
//! and all of it heals without help.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

#[path = "outages/queues.rs"]
mod queues;

use std::time::{Duration, Instant};

use queues::the_bus_delivers;
use reqwest::Method;
use serde_json::{Value, json};
use support::health::{all_ready, tells};
use support::http::{Answer, Door, section};
use support::stores::PrivateServers;
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

/// How long the home page waits for a section.
const SECTION_DEADLINE: Duration = Duration::from_millis(500);

/// Asserts that a query is refused, in the right form and soon.
async fn unavailable_within(door: &Door, path: &str, limit: Duration) {
    let began = Instant::now();
    door.get_once(path).await.is_problem(503, "unavailable");
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
        unavailable_within(&admin, path, Duration::from_secs(3)).await;
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
    let home = eventually("a home page that says what is missing", async || {
        let began = Instant::now();
        let home = portal.door().get_once("/v1/home").await;
        assert!(began.elapsed() < SECTION_DEADLINE, "{:?}: nobody waits", began.elapsed());
        assert_eq!(home.status, 200, "{}", home.body);
        let is_marked = section(&home.body, "famous")["status"] == "stale";
        (is_marked && home.body["degraded"] == true).then_some(home)
    })
    .await;
    assert_eq!(home.header("cache-control"), "no-store");
    let began = Instant::now();
    for _ in 0..20 {
        let next = portal.door().get_once("/v1/home").await;
        assert_eq!((next.status, &next.body["sections"]), (200, &home.body["sections"]));
    }
    let all = began.elapsed();
    assert!(all < 20 * SECTION_DEADLINE / 2, "{all:?}");
    breaker_is(&portal, "open").await;
    for path in [&star[..], "/v1/news/famous", "/v1/news"] {
        unavailable_within(&admin, path, Duration::from_secs(3)).await;
    }
    assert_eq!(admin.get(user.header("location")).await.status, 200, "the other one has users");
    assert_eq!((home.status, &home.body["degraded"]), (200, &json!(true)), "{}", home.body);
    let famous = section(&home.body, "famous");
    assert_eq!(
        (&famous["status"], &famous["articles"][0]["title"]),
        (&json!("stale"), &json!("Star"))
    );
    assert_eq!(section(&home.body, "politics")["status"], "ok");
    assert_eq!(section(&home.body, "sports")["articles"][0]["title"], "Goal");
    // Somebody has seen more than what was kept.
    let (_, position) = portal.publish("famous", "New star").await;
    let home = Answer::of(portal.door().get_at("/v1/home", position)).await;
    let famous = section(&home.body, "famous");
    assert_eq!((&famous["status"], &famous["articles"]), (&json!("unavailable"), &json!([])));

    // What is taken back is taken from the page, although the category is silent.
    let reason = json!({"reason": "Untrue."});
    let retract = format!("{star}/retract");
    assert_eq!(portal.change(Method::POST, &retract, 1, reason).await.status, 200);
    eventually("a page without what was taken back", async || {
        let home = portal.door().get_once("/v1/home").await.body;
        let famous = section(&home, "famous");
        assert_eq!(famous["status"], "stale");
        (famous["articles"] == json!([])).then_some(())
    })
    .await;

    portal.signal("query-stack-1", "CONT");
    // The section answers again before its view has caught up.
    eventually("a section that has caught up", async || {
        let home = whole_home(&portal).await;
        (section(&home, "famous")["articles"][0]["title"] == "New star").then_some(())
    })
    .await;
    breaker_is(&portal, "closed").await;
}

/// The state of the circuit breaker before the first query-stack.
async fn breaker_is(portal: &Portal, state: &str) {
    let name = &query_stacks(portal)[0];
    let line = format!("portal_breaker_state{{upstream=\"{name}\",state=\"{state}\"}} 1.0");
    eventually(&line, async || {
        let told = portal.get("/metrics").await.body;
        told.as_str()?.lines().any(|told| told == line).then_some(())
    })
    .await;
}

/// Waits until no section is missing any more.
async fn whole_home(portal: &Portal) -> Value {
    eventually("a home page that has healed", async || {
        let home = portal.door().get_once("/v1/home").await.body;
        (home["degraded"] == false).then_some(home)
    })
    .await
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
    whole_home(&portal).await;
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
