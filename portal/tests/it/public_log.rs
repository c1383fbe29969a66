//! The public log: a partner who begins with it today gets all of it, once and in order.

use crate::support::Portal;
use crate::support::checkers::check;
use reqwest::Method;
use serde_json::{Value, json};

const ARTICLES: usize = 60;

journeys! {
    both {
        a_partner_follows_from_the_start_without_a_gap_or_a_repetition
    }
    embedded {
        a_batch_tells_how_far_the_log_was_read
    }
}

/// What the public may know of the log, in its order, as `portal events` shows it.
fn public(events: &[Value]) -> Vec<Value> {
    let told = ["news.article_published", "news.article_corrected", "news.article_retracted"];
    let is_told = |event: &&Value| told.iter().any(|name| event["type"] == *name);
    let seen = |event: &Value| {
        let subject = event["subject"].as_str().expect("a subject");
        let source = event["source"].as_str().expect("a source");
        let category = source.strip_prefix("news.").expect("news");
        let id = subject.strip_prefix("article-").expect("an article");
        json!({
            "position": event["position"], "id": event["id"], "source": source,
            "type": event["type"], "subject": subject, "time": event["time"],
            "url": format!("/v1/news/{category}/{id}"),
        })
    };
    events.iter().filter(is_told).map(seen).collect()
}

async fn a_partner_follows_from_the_start_without_a_gap_or_a_repetition(portal: Portal) {
    let (before, _) = portal.publish("sports", "Before the partner").await;
    let url = portal.door().url;
    let follower = tokio::task::spawn_blocking(move || check("follow_events.py", &[&url, "7"], ""));
    for number in 0..ARTICLES {
        portal.publish("politics", &format!("The article {number}")).await;
        let draft = json!({"title": "Secret", "content": "Secret.", "status": "draft"});
        assert_eq!(portal.post("/v1/news/politics", draft).await.status, 201);
    }
    let retract = format!("/v1/news/sports/{}/retract", before["id"].as_str().expect("an id"));
    let retracted = portal.change(Method::POST, &retract, 1, json!({"reason": "Untrue."})).await;
    assert_eq!(retracted.status, 200, "{}", retracted.body);
    let followed = follower.await.expect("what it saw");
    let followed: Vec<Value> =
        followed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(followed, public(&portal.events()));
    assert_eq!(followed.len(), ARTICLES + 2);
}

async fn a_batch_tells_how_far_the_log_was_read(portal: Portal) {
    let draft = json!({"title": "Secret", "content": "Secret.", "status": "draft"});
    for _ in 0..3 {
        assert_eq!(portal.post("/v1/news/sports", draft.clone()).await.status, 201);
    }
    let draft = portal.post("/v1/news/sports", draft).await;
    let door = portal.door();
    // Nothing of it is for the public, and who follows is further all the same.
    let nothing = door.get(&format!("/v1/events?wait=1&after={}", draft.position() - 1)).await;
    assert_eq!((nothing.status, &nothing.body), (200, &json!([])));
    assert_eq!(nothing.position(), draft.position());
    assert_eq!(nothing.header("cache-control"), "no-cache");
    let (_, position) = portal.publish("sports", "In the open").await;
    let one = door.get("/v1/events?limit=1&wait=5").await;
    assert_eq!(one.body.as_array().map(Vec::len), Some(1), "{}", one.body);
    assert_eq!(one.position(), position);
    let text = one.body.to_string();
    assert!(!text.contains("Secret") && !text.contains("In the open"), "{text}");
    // Full: what is in it was told, and is not taken back.
    assert_eq!(one.header("cache-control"), "public, max-age=3600");
    let next = format!("</v1/events?after={position}&limit=1&wait=5>; rel=\"next\"");
    assert_eq!(one.header("link"), next);
    for (query, status, kind) in [
        ("limit=0", 422, "invalid-fields"),
        ("limit=101", 422, "invalid-fields"),
        ("wait=11", 422, "invalid-fields"),
        ("after=-1", 422, "invalid-fields"),
        ("colour=red", 422, "invalid-fields"),
        ("after=1000000", 422, "invalid-fields"),
    ] {
        door.get(&format!("/v1/events?{query}")).await.is_problem(status, kind);
    }
}
