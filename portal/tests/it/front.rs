//! The editors' front page, over HTTP, on both wirings: what is pinned and what is breaking news, who
//! may say so, and what stays on record of it.

use crate::support::Portal;
use crate::support::http::{Answer, Door};
use events::front::FrontId;
use events::{Category, StreamId};
use reqwest::Method;
use serde_json::{Value, json};

journeys! {
    both {
        the_view_of_the_front_page_is_rebuilt_from_its_record
    }
    embedded {
        editors_pin_articles_and_set_the_breaking_news
        only_editors_change_the_front_page
        only_what_readers_can_read_comes_to_the_front
        a_change_says_which_version_it_means_and_is_carried_out_once
    }
}

const SPORTS: &str = "/v1/front/sports";
const BREAKING: &str = "/v1/front/breaking";

async fn put(door: &Door, path: &str, body: Value) -> Answer {
    Answer::of(door.request(Method::PUT, path).json(&body)).await
}

async fn pin(portal: &Portal, articles: &[&Value]) -> Answer {
    put(&portal.editor(), SPORTS, json!({ "pinned": articles })).await
}

async fn published(portal: &Portal, category: &str) -> Value {
    portal.publish(category, "Title").await.0["id"].clone()
}

/// The record of a place: the type and the data of each event.
fn record(portal: &Portal, place: FrontId) -> Vec<(String, Value)> {
    let stream = StreamId::from(place);
    let lines = portal.tool(&["events", "--json", "--stream", stream.as_str()]);
    let events = lines.lines().map(|line| {
        let mut event: Value = serde_json::from_str(line).expect("an event");
        assert_eq!(event["source"], "front", "{event}");
        (event["type"].as_str().expect("a type").to_owned(), event["data"].take())
    });
    events.collect()
}

fn of_sports() -> FrontId {
    FrontId::of_category(&"sports".parse::<Category>().expect("a category"))
}

async fn editors_pin_articles_and_set_the_breaking_news(portal: Portal) {
    let [one, two] = [published(&portal, "sports").await, published(&portal, "sports").await];
    let pinned = pin(&portal, &[&two, &one]).await;
    assert_eq!((pinned.status, pinned.header("etag")), (200, "\"1\""), "{}", pinned.body);
    assert_eq!(
        (&pinned.body["category"], &pinned.body["pinned"]),
        (&json!("sports"), &json!([two, one]))
    );
    assert_eq!((&pinned.body["version"], pinned.position()), (&json!(1), 3));
    let again = pin(&portal, &[&two, &one]).await;
    assert_eq!((&again.body, again.position()), (&pinned.body, 3), "nothing is appended");
    let other = pin(&portal, &[&one]).await;
    assert_eq!((&other.body["pinned"], other.position()), (&json!([one]), 4));
    let none = pin(&portal, &[]).await;
    assert_eq!((&none.body["pinned"], none.header("etag")), (&json!([]), "\"3\""));

    let famous = published(&portal, "famous").await;
    let breaking = put(&portal.editor(), BREAKING, json!({ "article_id": famous })).await;
    assert_eq!((breaking.status, breaking.header("etag")), (200, "\"1\""), "{}", breaking.body);
    assert_eq!(
        (&breaking.body["article_id"], &breaking.body["category"]),
        (&famous, &json!("famous"))
    );
    let cleared = portal.editor().delete(BREAKING).await;
    assert_eq!((cleared.status, cleared.header("etag")), (204, "\"2\""));
    let again = portal.editor().delete(BREAKING).await;
    assert_eq!((again.status, again.position()), (204, cleared.position()));

    let pinned = |articles: &[&Value]| {
        ("front.pinned".to_owned(), json!({ "category": "sports", "articles": articles }))
    };
    assert_eq!(record(&portal, of_sports()), [pinned(&[&two, &one]), pinned(&[&one]), pinned(&[])]);
    let set = json!({ "article_id": famous, "category": "famous" });
    let set = ("front.breaking_set".to_owned(), set);
    let cleared = ("front.breaking_cleared".to_owned(), json!({}));
    assert_eq!(record(&portal, FrontId::breaking()), [set, cleared]);
    portal.verifies().await;
}

async fn only_editors_change_the_front_page(portal: Portal) {
    let article = published(&portal, "sports").await;
    let commands = [
        (Method::PUT, SPORTS, json!({ "pinned": [article] })),
        (Method::PUT, BREAKING, json!({ "article_id": article })),
        (Method::DELETE, BREAKING, json!({})),
    ];
    for (method, path, body) in commands {
        let send = |door: Door| Answer::of(door.request(method.clone(), path).json(&body));
        send(portal.door()).await.is_problem(401, "unauthenticated");
        for role in ["reader", "author", "admin"] {
            send(portal.with_role(role)).await.is_problem(403, "forbidden");
        }
    }
    assert_eq!(portal.events().len(), 1, "only the article");
    assert_eq!(portal.editor().delete(BREAKING).await.status, 204, "there is none to clear");
    assert_eq!(pin(&portal, &[]).await.header("etag"), "\"0\"");
    assert_eq!(portal.events().len(), 1, "what is so already is no event");
}

async fn only_what_readers_can_read_comes_to_the_front(portal: Portal) {
    let draft = json!({ "title": "Draft", "content": "Text.", "status": "draft" });
    let draft = portal.post("/v1/news/sports", draft).await.body["id"].clone();
    let (good, elsewhere) =
        (published(&portal, "sports").await, published(&portal, "famous").await);
    let unknown = json!("01940000-0000-7000-8000-000000000001");
    let refused = pin(&portal, &[&good, &draft, &unknown, &elsewhere, &good]).await;
    refused.is_problem(422, "invalid-fields");
    let errors = refused.body["errors"].as_array().expect("errors");
    let pointers: Vec<_> = errors.iter().map(|error| error["pointer"].as_str()).collect();
    let expected = ["/pinned/1", "/pinned/2", "/pinned/3", "/pinned/4"].map(Some);
    assert_eq!(pointers, expected, "{}", refused.body);
    let many = vec![&good; 21];
    let refused = pin(&portal, &many).await;
    assert_eq!(refused.body["errors"][0]["pointer"], "/pinned", "{}", refused.body);
    let refused = pin(&portal, &[&json!("no id")]).await;
    assert_eq!(refused.body["errors"][0]["pointer"], "/pinned/0", "{}", refused.body);
    for article in [&draft, &unknown] {
        let refused = put(&portal.editor(), BREAKING, json!({ "article_id": article })).await;
        refused.is_problem(422, "invalid-fields");
        assert_eq!(refused.body["errors"][0]["pointer"], "/article_id");
    }
    let unknown = put(&portal.editor(), "/v1/front/weather", json!({ "pinned": [] })).await;
    unknown.is_problem(404, "unknown-category");
    assert!(record(&portal, of_sports()).is_empty());

    // What is taken back later stays on record, and cannot be asked for again.
    assert_eq!(pin(&portal, &[&good]).await.status, 200);
    let retract = format!("/v1/news/sports/{}/retract", good.as_str().expect("an id"));
    let reason = json!({ "reason": "Untrue." });
    assert_eq!(portal.change(Method::POST, &retract, 1, reason).await.status, 200);
    pin(&portal, &[&good]).await.is_problem(422, "invalid-fields");
    assert_eq!(record(&portal, of_sports()).len(), 1);
    portal.verifies().await;
}

async fn a_change_says_which_version_it_means_and_is_carried_out_once(portal: Portal) {
    let article = published(&portal, "sports").await;
    let body = json!({ "pinned": [article] });
    let change = |version, key| {
        let request = portal.request(Method::PUT, SPORTS).json(&body);
        Answer::of(request.header("if-match", version).header("idempotency-key", key))
    };
    let stale = change("\"7\"", "k-1").await;
    stale.is_problem(412, "version-conflict");
    assert_eq!(stale.body["current_version"], 0);
    let (first, again) = (change("\"0\"", "k-2").await, change("\"0\"", "k-2").await);
    assert_eq!((first.status, &first.body), (200, &again.body), "{}", first.body);
    assert_eq!(first.position(), again.position());
    change("\"0\"", "k-3").await.is_problem(412, "version-conflict");
    assert_eq!(record(&portal, of_sports()).len(), 1);
}

async fn the_view_of_the_front_page_is_rebuilt_from_its_record(portal: Portal) {
    let article = published(&portal, "sports").await;
    pin(&portal, &[&article]).await;
    let breaking = json!({ "article_id": article });
    assert_eq!(put(&portal.editor(), BREAKING, breaking).await.status, 200);
    portal.verifies().await;
    let before = portal.events();
    let text = portal.tool(&["replay", "--view", "front"]);
    assert!(text.contains("front: 2 documents, generation 2 at position 3 is live"), "{text}");
    assert_eq!(portal.events(), before, "the record is only read");
    pin(&portal, &[]).await;
    portal.verifies().await;
    let text = portal.tool(&["verify"]);
    assert!(text.contains("front: 2 documents at position 4, equal to the log"), "{text}");
}
