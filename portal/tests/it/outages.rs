//! One thing after another is down: what does not need it goes on, what needs it says so in time,
//! and all of it heals without help.

mod queues;
mod thorough;

use std::time::{Duration, Instant};

use crate::support::health::tells;
use crate::support::http::{Answer, Door, section};
use crate::support::{Portal, Wiring, eventually};
use reqwest::Method;
use serde_json::{Value, json};

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

/// Asserts that a query is refused, in the right form.
async fn is_unavailable(door: &Door, path: &str) {
    door.get_once(path).await.is_problem(503, "unavailable");
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
        let home = portal.door().get_once("/v1/home").await;
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
    assert!(all < 20 * SECTION_DEADLINE, "each waited for the section: {all:?}");
    breaker_is(&portal, "open").await;
    for path in [&star[..], "/v1/news/famous", "/v1/news"] {
        is_unavailable(&admin, path).await;
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

    // A retracted article leaves the page, although the category is unresponsive.
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
        is_unavailable(&portal.door(), path).await;
    }
    let mut down = query_stacks(&portal);
    down.sort_unstable();
    tells(&portal, "orchestrator", 200, "degraded", &[&down[0], &down[1]]).await;
    portal.kill("command-stack");
    is_unavailable(&portal.door(), "/v1/home").await;
    tells(&portal, "orchestrator", 503, "unavailable", &["command-stack", &down[0], &down[1]])
        .await;

    portal.spawn("command-stack");
    stacks.iter().for_each(|stack| portal.spawn(stack));
    article.becomes_readable(&portal).await;
    whole_home(&portal).await;
    portal.verifies().await;
}
