//! Who reads what, what follows from it, and who may know, on both wirings.

use crate::support::accounts::Account;
use crate::support::http::{Answer, Door};
use crate::support::stores::PrivateServers;
use crate::support::{Portal, Wiring, eventually};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

journeys! {
    both {
        who_reads_an_article_of_each_category_has_its_labels
        of_the_erased_nothing_is_left
    }
    embedded {
        what_is_recommended_shares_labels_with_what_was_read_and_says_so
        a_profile_is_seen_by_its_reader_only
        a_cleared_profile_is_empty_at_once_and_begins_anew
        who_switches_recommendations_off_is_not_recorded
        profiles_are_made_again_from_the_readings
    }
}

/// The issue's own measure, from the last answer to the profile.
/// Publishes an article of each category; their addresses.
async fn newspaper(portal: &Portal) -> Vec<String> {
    let mut paths = Vec::new();
    for category in ["famous", "politics", "sports"] {
        let body = json!({"title": format!("About {category}"), "content": "Text."});
        let published = portal.post(&format!("/v1/news/{category}"), body).await;
        assert_eq!(published.status, 201, "{}", published.body);
        let path = published.header("location").to_owned();
        assert_eq!(portal.get_at(&path, published.position()).await.status, 200);
        paths.push(path);
    }
    paths
}

fn of_user(account: &Account) -> String {
    format!("/v1/recommendations/users/{}", account.id)
}

async fn read(account: &Account, paths: &[String]) {
    for path in paths {
        assert_eq!(account.door.get(path).await.status, 200);
    }
}

async fn profile(account: &Account) -> Value {
    let answer = account.door.get(&of_user(account)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

/// The labels that a reader has, in the order of their names.
fn labels(profile: &Value) -> Vec<&str> {
    let labels = profile["labels"].as_array().expect("labels");
    let mut names: Vec<_> = labels.iter().filter_map(|label| label["label"].as_str()).collect();
    names.sort_unstable();
    names
}

async fn has_labels(account: &Account, expected: &[&str]) -> Value {
    eventually("the labels of what was read", async || {
        let profile = profile(account).await;
        (labels(&profile) == expected).then_some(profile)
    })
    .await
}

/// What is read within five seconds after something was forgotten may be forgotten as well.
async fn reads_until(account: &Account, paths: &[String], label: &str) {
    eventually("what is read is known again", async || {
        read(account, paths).await;
        (labels(&profile(account).await) == [label]).then_some(())
    })
    .await;
}

async fn readers(admin: &Door, label: &str) -> Value {
    let answer = admin.get(&format!("/v1/recommendations/labels/{label}")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

async fn who_reads_an_article_of_each_category_has_its_labels(portal: Portal) {
    let ada = portal.register("Ada", "ada@example.org").await;
    let paths = newspaper(&portal).await;
    read(&ada, &paths).await;
    let profile = has_labels(&ada, &["famous", "politics", "sports"]).await;
    for label in profile["labels"].as_array().expect("labels") {
        let weight = label["weight"].as_f64().expect("a weight");
        assert!((0.99..=1.0).contains(&weight), "{label}");
    }
    let admin = portal.with_role("admin");
    for label in labels(&profile) {
        assert_eq!(readers(&admin, label).await, json!({"items": [ada.id], "next": null}));
    }
    assert_eq!(readers(&admin, "weather").await, json!({"items": [], "next": null}));
}

async fn what_is_recommended_shares_labels_with_what_was_read_and_says_so(portal: Portal) {
    let ada = portal.register("Ada", "ada@example.org").await;
    let paths = newspaper(&portal).await;
    let bob = portal.register("Bob", "bob@example.org").await;
    let titles = |profile: &Value| {
        let articles = profile["articles"].as_array().expect("articles");
        let told = |article: &Value| (article["title"].clone(), article["reason"].clone());
        articles.iter().map(told).collect::<Vec<_>>()
    };
    let new = profile(&bob).await;
    assert_eq!(titles(&new)[0], (json!("About sports"), json!("new")));

    read(&ada, &paths[2..]).await;
    has_labels(&ada, &["sports"]).await;
    let most_read = [(json!("About sports"), json!("most read"))];
    eventually("what most have read", async || {
        (titles(&profile(&bob).await) == most_read).then_some(())
    })
    .await;
    let body = json!({"title": "Final", "content": "Text.", "tags": ["cup"]});
    let published = portal.post("/v1/news/sports", body).await;
    let answer = ada.door.read(&of_user(&ada), published.position()).await;
    let expected = [(json!("Final"), json!("you read about sports"))];
    assert_eq!(titles(&answer.body), expected, "not what was read");
    assert!(answer.body["articles"][0].get("content").is_none());
    assert_eq!(answer.header("cache-control"), "no-store");
    let one = format!("{}?limit=0", of_user(&ada));
    ada.door.get(&one).await.is_problem(422, "invalid-fields");
}

async fn a_profile_is_seen_by_its_reader_only(portal: Portal) {
    let ada = portal.register("Ada", "ada@example.org").await;
    let bob = portal.register("Bob", "bob@example.org").await;
    let admin = portal.with_role("admin");
    let path = of_user(&ada);
    portal.get(&path).await.is_problem(401, "unauthenticated");
    for other in [&bob.door, &admin, &portal.editor()] {
        other.get(&path).await.is_problem(403, "forbidden");
        other.delete(&path).await.is_problem(403, "forbidden");
        let off = other.request(Method::PUT, &path).json(&json!({"enabled": false}));
        Answer::of(off).await.is_problem(403, "forbidden");
    }
    let off = portal.door().request(Method::PUT, &path).json(&json!({"enabled": false}));
    Answer::of(off).await.is_problem(401, "unauthenticated");
    let label = "/v1/recommendations/labels/sports";
    portal.get(label).await.is_problem(401, "unauthenticated");
    ada.door.get(label).await.is_problem(403, "forbidden");
    let wrong = format!("{label}?after=nonsense");
    admin.get(&wrong).await.is_problem(422, "invalid-fields");
}

async fn a_cleared_profile_is_empty_at_once_and_begins_anew(portal: Portal) {
    let ada = portal.register("Ada", "ada@example.org").await;
    let paths = newspaper(&portal).await;
    read(&ada, &paths).await;
    has_labels(&ada, &["famous", "politics", "sports"]).await;
    let cleared = ada.door.delete(&of_user(&ada)).await;
    assert_eq!(cleared.status, 204, "{}", cleared.body);
    let empty = ada.door.read(&of_user(&ada), cleared.position()).await;
    assert_eq!((&empty.body["labels"], &empty.body["enabled"]), (&json!([]), &json!(true)));
    nobody_is_left(&portal, &["famous", "politics", "sports"]).await;
    reads_until(&ada, &paths[..1], "famous").await;
    portal.verifies().await;
}

async fn who_switches_recommendations_off_is_not_recorded(portal: Portal) {
    let ada = portal.register("Ada", "ada@example.org").await;
    let bob = portal.register("Bob", "bob@example.org").await;
    let paths = newspaper(&portal).await;
    read(&ada, &paths[..1]).await;
    has_labels(&ada, &["famous"]).await;
    let switch = async |enabled: bool| {
        let request = ada.door.request(Method::PUT, &of_user(&ada));
        let switched = Answer::of(request.json(&json!({"enabled": enabled}))).await;
        assert_eq!(switched.status, 204, "{}", switched.body);
        switched.position()
    };
    let off = switch(false).await;
    let nothing = json!({"enabled": false, "labels": [], "articles": []});
    assert_eq!(ada.door.read(&of_user(&ada), off).await.body, nothing);
    nobody_is_left(&portal, &["famous"]).await;
    read(&ada, &paths[1..2]).await;
    // What comes after it on the same way has arrived.
    read(&bob, &paths[2..]).await;
    has_labels(&bob, &["sports"]).await;
    let on = switch(true).await;
    let again = ada.door.read(&of_user(&ada), on).await.body;
    assert_eq!((&again["enabled"], &again["labels"]), (&json!(true), &json!([])));
    reads_until(&ada, &paths[2..], "sports").await;
}

async fn of_the_erased_nothing_is_left(portal: Portal) {
    let ada = portal.register("Ada", "ada@example.org").await;
    let paths = newspaper(&portal).await;
    read(&ada, &paths).await;
    has_labels(&ada, &["famous", "politics", "sports"]).await;
    let erased = ada.door.delete(&ada.path).await;
    assert_eq!(erased.status, 204, "{}", erased.body);
    let nobody = ada.door.read(&of_user(&ada), erased.position()).await;
    nobody.is_problem(404, "not-found");
    let admin = portal.with_role("admin");
    let label = "/v1/recommendations/labels/famous";
    let left = admin.read(label, erased.position()).await;
    assert_eq!((left.status, &left.body["items"]), (200, &json!([])), "{}", left.body);
    nobody_is_left(&portal, &["famous", "politics", "sports"]).await;
    // The token is good for some minutes, and what it reads is known to nobody.
    read(&ada, &paths).await;
    let bob = portal.register("Bob", "bob@example.org").await;
    read(&bob, &paths[..1]).await;
    has_labels(&bob, &["famous"]).await;
    assert_eq!(readers(&admin, "famous").await["items"], json!([bob.id]));
    if portal.wiring == Wiring::Embedded {
        let options = SqliteConnectOptions::new().filename(portal.data_file("views.db"));
        let mut views = options.connect().await.expect("the file");
        let count = "SELECT (SELECT count(*) FROM readings WHERE user_id = $1)
                          + (SELECT count(*) FROM reader_labels WHERE user_id = $1)";
        let kept: i64 =
            sqlx::query_scalar(count).bind(&ada.id).fetch_one(&mut views).await.expect("a count");
        assert_eq!(kept, 0);
    }
}

async fn profiles_are_made_again_from_the_readings(portal: Portal) {
    let ada = portal.register("Ada", "ada@example.org").await;
    let paths = newspaper(&portal).await;
    read(&ada, &paths).await;
    let before = has_labels(&ada, &["famous", "politics", "sports"]).await;
    let said = portal.tool(&["replay", "--view", "recommendations"]);
    assert_eq!(said, "recommendations: made again from the readings, profiles: 1\n");
    assert_eq!(labels(&profile(&ada).await), labels(&before));
}

async fn nobody_is_left(portal: &Portal, labels: &[&str]) {
    let admin = portal.with_role("admin");
    for label in labels {
        eventually("nobody has the label", async || {
            (readers(&admin, label).await["items"] == json!([])).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn without_rabbitmq_articles_are_read_and_readings_go_on_afterwards() {
    let servers = PrivateServers::up(&["rabbitmq"]);
    let portal = Portal::start_on(Wiring::Servers, servers.migrated_stores().await);
    let ada = portal.register("Ada", "ada@example.org").await;
    let paths = newspaper(&portal).await;
    read(&ada, &paths[..1]).await;
    has_labels(&ada, &["famous"]).await;
    servers.stop("rabbitmq");
    for _ in 0..50 {
        read(&ada, &paths[1..2]).await;
    }
    servers.start("rabbitmq");
    eventually("readings are recorded again", async || {
        read(&ada, &paths[2..]).await;
        labels(&profile(&ada).await).contains(&"sports").then_some(())
    })
    .await;
}
