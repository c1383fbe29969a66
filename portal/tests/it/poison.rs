//! Events that a view cannot take: their streams are parked, everything else goes on, and nothing is
//! lost. They are written into the log as only its owner can.

use std::time::Duration;

use crate::support::http::Answer;
use crate::support::stores::Owner;
use crate::support::{Portal, Wiring, eventually};
use reqwest::Client;
use serde_json::{Value, json};

journeys! {
    both {
        a_poison_event_parks_its_stream_until_it_is_fixed_and_the_others_go_on
        what_is_parked_and_taken_back_is_seen_by_no_reader
        a_kill_while_streams_are_parked_loses_nothing
    }
    embedded {
        what_a_newer_program_wrote_waits_and_can_be_given_up
        a_newer_event_of_a_user_parks_that_user_alone
    }
}

/// `news.article_corrected`, as it is written today.
fn correction(title: &str) -> Value {
    json!({"category": "sports", "title": title, "content": "New.", "note": "Why."})
}

struct Article {
    id: String,
    path: String,
}

impl Article {
    async fn published(portal: &Portal, title: &str) -> Self {
        let (article, position) = portal.publish("sports", title).await;
        let id = article["id"].as_str().expect("an id").to_owned();
        let path = format!("/v1/news/sports/{id}");
        eventually("the article", async || {
            (portal.get_at(&path, position).await.status == 200).then_some(())
        })
        .await;
        Self { id, path }
    }

    fn stream(&self) -> String {
        format!("article-{}", self.id)
    }

    async fn title(&self, portal: &Portal) -> Option<String> {
        portal.get(&self.path).await.body["title"].as_str().map(str::to_owned)
    }
}

/// The service that keeps the views of sports.
fn query_stack(portal: &Portal) -> &'static str {
    if portal.wiring == Wiring::Embedded { "portal" } else { "query-stack-2" }
}

/// What `dead-letters list` says: view, state and stream.
fn listed(portal: &Portal) -> Vec<(String, String, String)> {
    let lines = portal.tool(&["dead-letters", "list", "--json"]);
    let text = |line: &Value, name: &str| line[name].as_str().expect("a text").to_owned();
    let lines = lines.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    lines.map(|line| (text(&line, "view"), text(&line, "state"), text(&line, "stream"))).collect()
}

/// Waits until so many streams are left out, counted once per view.
async fn parked(portal: &Portal, count: usize) -> Vec<(String, String, String)> {
    eventually("streams to be parked", async || {
        let listed = listed(portal);
        (listed.len() == count).then_some(listed)
    })
    .await
}

/// What a tool prints that must not succeed.
fn fails(portal: &Portal, arguments: &[&str]) -> String {
    let output = portal.run(arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    text
}

fn contains(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word} is not in {text}");
    }
}

async fn metrics_tell(portal: &Portal, service: &str, line: &str) {
    eventually(line, async || {
        let answer = Answer::of(Client::new().get(portal.url(service, "/metrics"))).await;
        assert_eq!(answer.status, 200);
        let text = answer.body.as_str().expect("a text").to_owned();
        text.lines().any(|told| told == line).then_some(())
    })
    .await;
}

async fn a_poison_event_parks_its_stream_until_it_is_fixed_and_the_others_go_on(portal: Portal) {
    let broken = Article::published(&portal, "Broken").await;
    let mut owner = Owner::of(&portal).await;
    owner.append(&broken.stream(), "news.article_corrected", 2, json!({"title": 7})).await;
    let other = Article::published(&portal, "Goes on").await;
    assert_eq!(broken.title(&portal).await.as_deref(), Some("Broken"), "as it was known last");
    let views = ["articles_sports", "desk_sports", "search_sports"];
    let all = |state: &str| views.map(|view| (view.into(), state.into(), broken.stream())).to_vec();
    assert_eq!(parked(&portal, 3).await, all("parked"));

    // Visible wherever somebody looks.
    let query_stack = query_stack(&portal);
    for (state, count) in [("parked", 1), ("waiting", 0)] {
        let streams = "portal_view_parked_streams{view=\"articles_sports\",state=";
        metrics_tell(&portal, query_stack, &format!("{streams}\"{state}\"}} {count}.0")).await;
    }
    let expected: Vec<_> =
        views.iter().map(|view| json!({"view": view, "parked": 1, "waiting": 0})).collect();
    for service in [query_stack, portal.door_name()] {
        let health = Answer::of(Client::new().get(portal.url(service, "/health/ready"))).await;
        assert_eq!((health.status, &health.body["status"]), (200, &json!("ready")));
        assert_eq!(health.body["parked"], json!(expected), "{service}");
    }
    let text = fails(&portal, &["verify"]);
    contains(
        &text,
        &[
            &format!("articles_sports: {} is parked at position 2", broken.stream()),
            "equal to the log but for 1 parked, 0 waiting and 0 discarded streams",
            "articles_famous: 0 documents at position 0, equal to the log\n",
        ],
    );
    let verified: Value =
        serde_json::from_str(&fails(&portal, &["verify", "--json"])).expect("JSON");
    assert_eq!(verified["good"], false);

    // Later events wait behind it, and come in order once it is fixed.
    owner.append(&broken.stream(), "news.article_corrected", 2, correction("Corrected")).await;
    // So often that nothing is tried by itself any more.
    for _ in 0..5 {
        let text = fails(&portal, &["dead-letters", "retry", "--all"]);
        contains(&text, &[&format!("articles_sports: {} is parked", broken.stream())]);
    }
    let text = portal.tool(&["dead-letters", "show", &broken.stream()]);
    contains(&text, &["known", "cannot be taken", "pending", "missing field"]);
    owner.mend(2, correction("Mended")).await;
    let one = ["dead-letters", "retry", "--view", "articles_sports", &broken.stream()];
    contains(&portal.tool(&one), &["taken up again"]);
    eventually("what came later", async || {
        let answer = portal.get(&broken.path).await;
        (answer.body["title"] == "Corrected" && answer.body["version"] == 3).then_some(())
    })
    .await;
    assert_eq!(listed(&portal), all("parked")[1..]);
    portal.tool(&["dead-letters", "retry", "--all"]);
    assert_eq!(listed(&portal), []);
    contains(&fails(&portal, &one), &["no view leaves it out"]);
    portal.verifies().await;
    assert_eq!(other.title(&portal).await.as_deref(), Some("Goes on"));
}

async fn what_a_newer_program_wrote_waits_and_can_be_given_up(portal: Portal) {
    let (kind, shape) = (
        Article::published(&portal, "Newer type").await,
        Article::published(&portal, "Newer shape").await,
    );
    let mut owner = Owner::of(&portal).await;
    owner.append(&kind.stream(), "news.article_exploded", 1, json!({})).await;
    owner.append(&shape.stream(), "news.article_corrected", 99, correction("New")).await;
    Article::published(&portal, "Goes on").await;
    let waiting = parked(&portal, 6).await;
    assert!(waiting.iter().all(|(_, state, _)| state == "waiting"), "{waiting:?}");
    contains(&portal.tool(&["dead-letters", "list"]), &["article_exploded", "schema version 99"]);

    let wrong = portal.run(&["dead-letters", "discard", &kind.stream(), "--view", "weather"]);
    assert_eq!(wrong.status.code(), Some(1));
    for article in [&kind, &shape] {
        let text = portal.tool(&["dead-letters", "discard", &article.stream()]);
        contains(&text, &["articles_sports: ", "desk_sports: ", "is given up from position"]);
        assert_eq!(portal.get(&article.path).await.status, 404);
    }
    owner.append(&shape.stream(), "news.article_corrected", 2, correction("Later")).await;
    let text = portal.tool(&["verify"]);
    contains(&text, &["equal to the log but for 0 parked, 0 waiting and 2 discarded streams"]);

    // A replay tries again, and parks again rather than failing.
    let text = portal.tool(&["replay", "--category", "sports"]);
    contains(&text, &["articles_sports: 0 parked, 2 waiting and 0 discarded streams"]);
    assert_eq!(kind.title(&portal).await.as_deref(), Some("Newer type"));
    contains(&fails(&portal, &["verify"]), &["is waiting at position 3"]);
    Article::published(&portal, "Goes on after it").await;
}

async fn what_is_parked_and_taken_back_is_seen_by_no_reader(portal: Portal) {
    let mut owner = Owner::of(&portal).await;
    let reason = json!({"category": "sports", "reason": "Untrue."});
    let mut taken_back = Vec::new();
    for (bad, schema, back) in [
        (Some("news.article_exploded"), 1, "news.article_retracted"),
        (None, 77, "news.article_retracted"),
        (None, 1, "news.article_retracted"),
        (Some("news.article_exploded"), 1, "news.article_archived"),
        (Some("news.article_exploded"), 1, "news.article_moved_out"),
    ] {
        let article = Article::published(&portal, "Secret").await;
        if let Some(bad) = bad {
            owner.append(&article.stream(), bad, 1, json!({})).await;
        }
        // Without anything before it, it cannot be read itself.
        let data = if bad.is_some() { reason.clone() } else { json!([]) };
        owner.append(&article.stream(), back, schema, data).await;
        taken_back.push(article);
    }
    let open = Article::published(&portal, "In the open").await;
    for article in &taken_back {
        assert_eq!(portal.get(&article.path).await.status, 404);
    }
    for address in ["/v1/home", "/v1/news", "/v1/news/sports"] {
        let text = eventually("what is in the open", async || {
            let text = portal.get(address).await.body.to_string();
            text.contains("In the open").then_some(text)
        })
        .await;
        assert!(!text.contains("Secret"), "{address}: {text}");
    }
    // Neither a retry nor a replay brings it back.
    fails(&portal, &["dead-letters", "retry", "--all"]);
    portal.tool(&["replay", "--view", "articles"]);
    for article in &taken_back {
        assert_eq!(portal.get(&article.path).await.status, 404);
    }
    assert_eq!(open.title(&portal).await.as_deref(), Some("In the open"));
}

async fn a_kill_while_streams_are_parked_loses_nothing(mut portal: Portal) {
    const ROUNDS: usize = 3;
    let query_stack = query_stack(&portal);
    let mut owner = Owner::of(&portal).await;
    for round in 0..ROUNDS {
        let article = Article::published(&portal, "Broken").await;
        owner.append(&article.stream(), "news.article_corrected", 2, json!({"title": 7})).await;
        if round > 0 {
            // At any point of what follows: before it is parked, while it is, or after.
            tokio::time::sleep(Duration::from_millis(250 * round as u64)).await;
        }
        portal.kill(query_stack);
        portal.spawn(query_stack);
        Article::published(&portal, "Goes on").await;
    }
    parked(&portal, 3 * ROUNDS).await;
    let text = fails(&portal, &["verify"]);
    contains(&text, &["equal to the log but for 3 parked, 0 waiting and 0 discarded streams"]);
}

async fn a_newer_event_of_a_user_parks_that_user_alone(portal: Portal) {
    let ada = portal.register("Ada", "ada@example.org").await;
    let mut owner = Owner::of(&portal).await;
    let stream = format!("user-{}", ada.id);
    owner.append(&stream, "user.exploded", 1, json!({})).await;
    let eve = portal.register("Eve", "eve@example.org").await;
    let waiting = parked(&portal, 1).await;
    assert_eq!(waiting, [("users".to_owned(), "waiting".to_owned(), stream.clone())]);
    let admin = portal.with_role("admin");
    assert_eq!(admin.get(&ada.path).await.body["name"], "Ada");
    owner.append(&stream, "user.erased", 1, json!({})).await;
    eventually("the erased user to be gone", async || {
        (admin.get(&ada.path).await.status == 404).then_some(())
    })
    .await;
    assert_eq!(admin.get(&eve.path).await.body["name"], "Eve");
}
