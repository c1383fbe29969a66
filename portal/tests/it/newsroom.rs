//! The newsroom at work, over HTTP, on both wirings: the life of an article, who may do what, and
//! the record that settles arguments.

use crate::support::http::{Answer, Door};
use crate::support::{Portal, eventually};
use chrono::{DateTime, Duration, Utc};
use reqwest::Method;
use serde_json::{Value, json};

journeys! {
    both {
        from_a_draft_to_a_retraction_with_everybody_who_had_a_hand_in_it
        what_was_due_while_the_process_hung_and_was_killed_is_published_once
    }
    embedded {
        only_the_right_people_get_in
        an_article_under_embargo_is_seen_by_the_newsroom_until_its_time_has_come
        an_article_moves_and_its_old_address_leads_to_the_new_one
        the_past_can_be_read_as_it_was
        a_plan_can_be_changed_and_given_up
    }
}

fn in_seconds(seconds: i64) -> String {
    (Utc::now() + Duration::seconds(seconds)).to_rfc3339()
}

fn time(value: &Value) -> DateTime<Utc> {
    value
        .as_str()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("{value} is no time"))
}

async fn post(door: &Door, path: &str, version: i64, body: Value) -> Answer {
    let answer = door.change(Method::POST, path, version, body).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer
}

async fn becomes_public(portal: &Portal, path: &str) -> Answer {
    eventually("an article that is public", async || {
        let answer = portal.get(path).await;
        (answer.status == 200).then_some(answer)
    })
    .await
}

async fn from_a_draft_to_a_retraction_with_everybody_who_had_a_hand_in_it(portal: Portal) {
    let ada = portal.register_as("author", "Ada", "ada@example.org").await;
    let bob = portal.register_as("editor", "Bob", "bob@example.org").await;
    let draft = json!({"title": "Bridge opens", "content": "On Tuesday the mayor opened it.",
                       "byline": "Ada", "tags": ["bridge"], "status": "draft"});
    let drafted = ada.door.post("/v1/news/politics", draft.clone()).await;
    assert_eq!((drafted.status, &drafted.body["byline"]), (201, &json!("Ada")));
    assert_eq!(drafted.body["author_id"], ada.id.as_str());
    let path = drafted.header("location").to_owned();

    let planned = in_seconds(2);
    let scheduled =
        post(&bob.door, &format!("{path}/schedule"), 1, json!({"publish_at": planned})).await;
    assert_eq!(scheduled.body["status"], "scheduled");
    assert_eq!(time(&scheduled.body["publish_at"]), time(&json!(planned)) - sub_millis(&planned));
    portal.get(&path).await.is_problem(404, "not-found");
    let published = becomes_public(&portal, &path).await;
    assert_eq!(
        (&published.body["status"], &published.body["byline"]),
        (&json!("published"), &json!("Ada"))
    );
    assert!(time(&published.body["published_at"]) >= time(&scheduled.body["publish_at"]));

    let mut corrected = draft;
    corrected["content"] = json!("On Monday the mayor opened it.");
    corrected["correction_note"] = json!("It was Monday.");
    corrected.as_object_mut().expect("an object").remove("status");
    let corrected = bob.door.change(Method::PUT, &path, 3, corrected).await;
    assert_eq!(corrected.status, 200, "{}", corrected.body);
    assert_eq!(corrected.body["corrections"][0]["note"], "It was Monday.");
    the_ledger_tells_it(&portal, &path, &ada.id, &bob.door, &bob.id).await;

    let retracted =
        post(&bob.door, &format!("{path}/retract"), 4, json!({"reason": "No bridge."})).await;
    for door in [portal.door(), bob.door.clone()] {
        let gone = door.read(&path, retracted.position()).await;
        gone.is_problem(410, "retracted");
        assert_eq!(gone.body["reason"], "No bridge.");
    }
    for list in ["/v1/home", "/v1/news", "/v1/news/politics", "/v1/news?tag=bridge"] {
        let answer = portal.get_at(list, retracted.position()).await;
        assert!(!answer.body.to_string().contains("Bridge"), "{list}");
    }
    portal.get(&format!("{path}/history")).await.is_problem(410, "retracted");
    let ledger = bob.door.get(&format!("{path}/history")).await.body;
    assert_eq!(
        ledger.as_array().and_then(|entries| entries.last()).map(|last| &last["note"]),
        Some(&json!("No bridge."))
    );
    let archived = post(&bob.door, &format!("{path}/archive"), 5, json!({})).await;
    assert_eq!(archived.body["status"], "archived");
    portal.get_at(&path, archived.position()).await.is_problem(410, "retracted");
    portal.verifies().await;
}

/// What RFC 3339 can say and we do not keep.
fn sub_millis(text: &str) -> Duration {
    Duration::microseconds(i64::from(time(&json!(text)).timestamp_subsec_micros() % 1000))
        + Duration::nanoseconds(i64::from(time(&json!(text)).timestamp_subsec_nanos() % 1000))
}

async fn the_ledger_tells_it(portal: &Portal, path: &str, author: &str, bob: &Door, editor: &str) {
    let history = format!("{path}/history");
    let ledger = bob.get(&history).await;
    assert_eq!(ledger.status, 200, "{}", ledger.body);
    let entries = ledger.body.as_array().expect("a ledger");
    let told: Vec<_> = entries
        .iter()
        .map(|entry| {
            (entry["event"].as_str().expect("an event"), entry["actor"].as_str().expect("an actor"))
        })
        .collect();
    let (author, editor) = (format!("user:{author}"), format!("user:{editor}"));
    assert_eq!(
        told,
        [
            ("article_drafted", author.as_str()),
            ("article_scheduled", editor.as_str()),
            ("article_published", "system:schedule"),
            ("article_corrected", editor.as_str()),
        ]
    );
    let correction = &entries[3];
    assert_eq!(
        (&correction["version"], &correction["note"]),
        (&json!(4), &json!("It was Monday."))
    );
    let changes = correction["changes"].as_array().expect("changes");
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(changes[0]["field"], "content");
    assert_eq!(changes[0]["from"], "On Tuesday the mayor opened it.");
    assert_eq!(changes[0]["to"], "On Monday the mayor opened it.");
    assert_eq!(changes[0]["diff"], "On [-Tuesday-]{+Monday+} the mayor opened it.");

    let public = portal.get(&history).await;
    let public = public.body.as_array().expect("a ledger").clone();
    assert_eq!(public.len(), 2, "from the publication on: {public:?}");
    assert_eq!(public[0]["event"], "article_published");
    let from =
        public[0]["changes"].as_array().expect("changes").iter().map(|change| &change["from"]);
    assert!(from.into_iter().all(Value::is_null), "the draft is nobody's business: {public:?}");
}

async fn only_the_right_people_get_in(portal: Portal) {
    let ada = portal.with_role("author");
    let eve = portal.with_role("author");
    let (editor, admin, reader) =
        (portal.editor(), portal.with_role("admin"), portal.with_role("reader"));
    let draft = json!({"title": "Plan", "content": "Text.", "status": "draft"});
    let news = "/v1/news/sports";

    let anonymous = portal.door().post(news, draft.clone()).await;
    anonymous.is_problem(401, "unauthenticated");
    assert_eq!(anonymous.header("www-authenticate"), "Bearer");
    portal.door().post(news, json!({})).await.is_problem(401, "unauthenticated");
    let garbage = portal.with_token("no.such.token").post(news, draft.clone()).await;
    garbage.is_problem(401, "unauthenticated");
    assert!(garbage.header("www-authenticate").contains("invalid_token"), "{:?}", garbage.headers);
    for door in [&reader, &admin] {
        door.post(news, draft.clone()).await.is_problem(403, "forbidden");
    }
    // An author drafts, and does nothing else, and not even that with what is another's.
    let published = json!({"title": "Plan", "content": "Text."});
    ada.post(news, published).await.is_problem(403, "forbidden");
    let drafted = ada.post(news, draft).await;
    let path = drafted.header("location").to_owned();
    let publish = format!("{path}/publish");
    let new_text = json!({"title": "Plan B", "content": "Text."});
    ada.change(Method::POST, &publish, 1, json!({})).await.is_problem(403, "forbidden");
    eve.change(Method::PUT, &path, 1, new_text.clone()).await.is_problem(404, "not-found");
    let revised = ada.change(Method::PUT, &path, 1, new_text.clone()).await;
    assert_eq!((revised.status, &revised.body["status"]), (200, &json!("draft")));

    let at = revised.position();
    assert_eq!(ada.read(&path, at).await.body["title"], "Plan B");
    assert_eq!(editor.read(&path, at).await.body["title"], "Plan B");
    for door in [&eve, &reader, &admin, &portal.door()] {
        door.read(&path, at).await.is_problem(404, "not-found");
        door.read(&format!("{path}/history"), at).await.is_problem(404, "not-found");
    }
    let drafts = |answer: Answer| answer.body["items"].as_array().map(Vec::len);
    let list = "/v1/news?status=draft";
    assert_eq!(drafts(ada.read(list, at).await), Some(1));
    assert_eq!(drafts(eve.read(list, at).await), Some(0));
    assert_eq!(drafts(editor.read(list, at).await), Some(1));
    reader.get(list).await.is_problem(403, "forbidden");
    portal.get(list).await.is_problem(401, "unauthenticated");

    let done = editor.change(Method::POST, &publish, 2, json!({})).await;
    assert_eq!(done.status, 200, "{}", done.body);
    ada.change(Method::PUT, &path, 3, new_text).await.is_problem(403, "forbidden");
    let logged = portal.logged();
    for why in ["not signed in", "an invalid token", "not allowed", "hidden from the caller"] {
        assert!(
            logged.lines().any(|line| line.contains("security") && line.contains(why)),
            "{why}: {logged}"
        );
    }
    assert!(logged.contains("127.0.0.1"), "from where: {logged}");
    assert!(!logged.contains("no.such.token"), "{logged}");
}

async fn an_article_under_embargo_is_seen_by_the_newsroom_until_its_time_has_come(portal: Portal) {
    let (editor, author) = (portal.editor(), portal.with_role("author"));
    let until = in_seconds(6);
    let body = json!({"title": "Prize", "content": "The winner is Ada.", "embargo_until": until});
    let begun = editor.post("/v1/news/famous", body.clone()).await;
    assert_eq!((begun.status, &begun.body["status"]), (201, &json!("scheduled")), "{}", begun.body);
    let path = begun.header("location").to_owned();
    assert_eq!(author.read(&path, begun.position()).await.body["title"], "Prize");
    portal.get_at(&path, begun.position()).await.is_problem(404, "not-found");
    let home = portal.get_at("/v1/home", begun.position()).await;
    assert!(!home.body.to_string().contains("Prize"));
    let too_early = format!("{path}/schedule");
    let too_early =
        editor.change(Method::POST, &too_early, 3, json!({"publish_at": in_seconds(1)}));
    too_early.await.is_problem(422, "invalid-fields");
    let published = becomes_public(&portal, &path).await;
    assert!(time(&published.body["published_at"]) >= time(&begun.body["embargo_until"]));
    assert_eq!(published.body.get("embargo_until"), None);

    let past = json!({"title": "T", "content": "C", "embargo_until": "2020-01-01T00:00:00Z"});
    let past = editor.post("/v1/news/famous", past).await;
    past.is_problem(422, "invalid-fields");
    assert_eq!(past.body["errors"][0]["pointer"], "/embargo_until");

    // Lifted by hand, and only by saying so.
    let body = json!({"title": "Prize 2", "content": "Text.", "embargo_until": in_seconds(3600)});
    let begun = editor.post("/v1/news/famous", body).await;
    let embargo = format!("{}/embargo", begun.header("location"));
    let path = begun.header("location").to_owned();
    editor.change(Method::POST, &embargo, 3, json!({})).await.is_problem(422, "invalid-fields");
    let past = editor.change(Method::POST, &embargo, 3, json!({"until": "2020-01-01T00:00:00Z"}));
    past.await.is_problem(422, "invalid-fields");
    let lifted = post(&editor, &embargo, 3, json!({"until": null})).await;
    assert_eq!(lifted.body.get("embargo_until"), None);
    let publish = post(&editor, &format!("{path}/publish"), 4, json!({})).await;
    assert_eq!(portal.get_at(&path, publish.position()).await.status, 200);
    portal.verifies().await;
}

async fn an_article_moves_and_its_old_address_leads_to_the_new_one(portal: Portal) {
    let (article, _) = portal.publish("sports", "Stadium opens").await;
    let id = article["id"].as_str().expect("an id");
    let (old, new) = (format!("/v1/news/sports/{id}"), format!("/v1/news/politics/{id}"));
    let editor = portal.editor();
    let moved = post(&editor, &format!("{old}/move"), 1, json!({"category": "politics"})).await;
    assert_eq!((&moved.body["category"], &moved.body["version"]), (&json!("politics"), &json!(3)));
    let nowhere = json!({"category": "x"});
    let nowhere = editor.change(Method::POST, &format!("{new}/move"), 3, nowhere).await;
    nowhere.is_problem(422, "invalid-fields");

    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build();
    let strict = Door { client: client.expect("a client"), ..portal.door() };
    for (from, to) in
        [(old.clone(), new.clone()), (format!("{old}/history"), format!("{new}/history"))]
    {
        let answer = strict.read(&from, moved.position()).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (301, to.as_str()),
            "{}",
            answer.body
        );
    }
    assert_eq!(portal.get_at(&old, moved.position()).await.body, moved.body, "followed");
    let titles = async |category: &str| {
        portal.get_at(&format!("/v1/news/{category}"), moved.position()).await.body.to_string()
    };
    assert!(!titles("sports").await.contains("Stadium"));
    assert!(titles("politics").await.contains("Stadium"));
    let correction = json!({"title": "Stadium opened", "content": "Text.", "tags": ["test"],
                            "correction_note": "Why."});
    editor.change(Method::PUT, &old, 3, correction.clone()).await.is_problem(404, "not-found");
    assert_eq!(editor.change(Method::PUT, &new, 3, correction).await.status, 200);
    let ledger = portal.get(&format!("{new}/history")).await.body;
    assert_eq!(ledger.as_array().map(Vec::len), Some(4), "{ledger}");

    // And back again.
    let back = post(&editor, &format!("{new}/move"), 4, json!({"category": "sports"})).await;
    assert_eq!(portal.get_at(&old, back.position()).await.body, back.body);
    assert_eq!(strict.read(&new, back.position()).await.status, 301);
    portal.verifies().await;
    portal.tool(&["replay"]);
    portal.verifies().await;
}

async fn the_past_can_be_read_as_it_was(portal: Portal) {
    let editor = portal.editor();
    let draft = json!({"title": "One", "content": "Text.", "status": "draft"});
    let path = editor.post("/v1/news/sports", draft).await.header("location").to_owned();
    let published = post(&editor, &format!("{path}/publish"), 1, json!({})).await;
    let text = json!({"title": "Two", "content": "Text.", "correction_note": "Why."});
    let corrected = editor.change(Method::PUT, &path, 2, text).await;
    let title = async |door: &Door, query: &str| {
        let answer = door.read(&format!("{path}?{query}"), corrected.position()).await;
        (answer.status, answer.body["title"].as_str().unwrap_or_default().to_owned())
    };
    let public = portal.door();
    assert_eq!(title(&public, "version=2").await, (200, "One".to_owned()));
    assert_eq!(title(&public, "version=3").await, (200, "Two".to_owned()));
    let at = published.body["updated_at"].as_str().expect("a time");
    assert_eq!(title(&public, &format!("as_of={at}")).await, (200, "One".to_owned()));
    assert_eq!(title(&public, "version=1").await.0, 404, "it was a draft");
    assert_eq!(title(&editor, "version=1").await, (200, "One".to_owned()));
    assert_eq!(title(&public, "version=4").await.0, 404);
    for wrong in
        ["version=x", "as_of=yesterday", "version=1&as_of=2026-01-01T00:00:00Z", "color=red"]
    {
        assert_eq!(title(&public, wrong).await.0, 422, "{wrong}");
    }
}

async fn a_plan_can_be_changed_and_given_up(portal: Portal) {
    let editor = portal.editor();
    let body = json!({"title": "Later", "content": "Text.", "publish_at": in_seconds(3600)});
    let begun = editor.post("/v1/news/sports", body).await;
    assert_eq!((begun.status, &begun.body["status"]), (201, &json!("scheduled")), "{}", begun.body);
    let path = begun.header("location").to_owned();
    let past = json!({"publish_at": "2020-01-01T00:00:00Z"});
    let past = editor.change(Method::POST, &format!("{path}/schedule"), 2, past).await;
    past.is_problem(422, "invalid-fields");
    let given_up = post(&editor, &format!("{path}/unschedule"), 2, json!({})).await;
    assert_eq!(
        (&given_up.body["status"], given_up.body.get("publish_at")),
        (&json!("draft"), None)
    );
    let again = editor.change(Method::POST, &format!("{path}/unschedule"), 3, json!({})).await;
    again.is_problem(409, "illegal-transition");
    assert_eq!(
        (&again.body["status_of_article"], &again.body["command"]),
        (&json!("draft"), &json!("unscheduled"))
    );
    post(&editor, &format!("{path}/schedule"), 3, json!({"publish_at": in_seconds(1)})).await;
    becomes_public(&portal, &path).await;
    portal.verifies().await;
}

async fn what_was_due_while_the_process_hung_and_was_killed_is_published_once(mut portal: Portal) {
    let editor = portal.editor();
    let planned = in_seconds(1);
    let body = json!({"title": "On time", "content": "Text.", "publish_at": planned});
    let begun = editor.post("/v1/news/sports", body).await;
    let path = begun.header("location").to_owned();
    let service = match portal.wiring {
        crate::support::Wiring::Embedded => "portal",
        crate::support::Wiring::Servers => "command-stack",
    };
    portal.signal(service, "STOP");
    eventually("the planned time", async || (Utc::now() > time(&json!(planned))).then_some(()))
        .await;
    portal.kill(service);
    assert_eq!(portal.events().len(), 2, "drafted and scheduled");
    portal.spawn(service);
    becomes_public(&portal, &path).await;
    // Again, to see that it is not done again.
    portal.kill(service);
    portal.spawn(service);
    portal.publish("sports", "Meanwhile").await;
    let events = portal.events();
    let published: Vec<_> =
        events.iter().filter(|event| event["type"] == "news.article_published").collect();
    assert_eq!(published.len(), 2, "{events:?}");
    assert_eq!(published[0]["data"]["scheduled_for"], begun.body["publish_at"]);
    assert!(time(&published[0]["time"]) > time(&json!(planned)));
    portal.verifies().await;
}
