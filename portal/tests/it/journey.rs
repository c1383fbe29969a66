//! What a newsroom and its readers do, over HTTP, on both wirings.

use crate::support::http::{Answer, section};
use crate::support::{Portal, eventually};
use reqwest::Method;
use serde_json::{Value, json};

journeys! {
    both {
        an_article_is_published_corrected_and_retracted
        a_command_with_a_key_is_carried_out_once
        of_fifty_concurrent_corrections_one_wins
    }
    embedded {
        a_draft_is_seen_by_nobody_until_it_is_published
        bad_input_is_explained_and_changes_nothing
        lists_are_stable_while_articles_are_added
        every_answer_follows_the_conventions
    }
}

async fn an_article_is_published_corrected_and_retracted(portal: Portal) {
    let body = json!({"title": "Hello", "content": "World", "tags": ["a"], "byline": "Ada"});
    let published = portal.post("/v1/news/sports", body.clone()).await;
    assert_eq!(published.status, 201, "{}", published.body);
    let path = published.header("location").to_owned();
    assert_eq!(path, format!("/v1/news/sports/{}", published.body["id"].as_str().expect("an id")));
    assert_eq!(published.header("etag"), "\"1\"");

    // Read your own writes: the article as the command answered it, and the home page with it.
    let read = portal.get_at(&path, published.position()).await;
    assert_eq!((read.status, &read.body), (200, &published.body));
    let home = portal.get_at("/v1/home", published.position()).await;
    assert_eq!(home.status, 200);
    assert_eq!(home.body["degraded"], false);
    assert!(home.body["position"].as_i64() >= Some(published.position()));
    let article = &section(&home.body, "sports")["articles"][0];
    assert_eq!((&article["title"], article.get("content")), (&json!("Hello"), None));

    // Corrected by whoever has seen the newest version, with a note for the readers.
    let mut corrected = body;
    corrected["content"] = json!("World!");
    let without = Answer::of(portal.request(Method::PUT, &path).json(&corrected)).await;
    without.is_problem(428, "precondition-required");
    let without_note = portal.change(Method::PUT, &path, 1, corrected.clone()).await;
    without_note.is_problem(422, "invalid-fields");
    assert_eq!(without_note.body["errors"][0]["pointer"], "/correction_note");
    corrected["correction_note"] = json!("An exclamation mark was missing.");
    let stale = portal.change(Method::PUT, &path, 7, corrected.clone()).await;
    stale.is_problem(412, "version-conflict");
    assert_eq!(stale.body["current_version"], 1);
    let done = portal.change(Method::PUT, &path, 1, corrected).await;
    assert_eq!((done.status, done.header("etag")), (200, "\"2\""), "{}", done.body);
    let read = portal.get_at(&path, done.position()).await;
    assert_eq!(read.body, done.body);
    assert_eq!(read.body["corrections"][0]["note"], "An exclamation mark was missing.");

    // Who has this version need not load it again.
    let known = portal.request(Method::GET, &path).header("if-none-match", "W/\"2\"");
    assert_eq!(Answer::of_patient(known).await.status, 304);

    retract_and_look_for_it(&portal, &path).await;
    portal.verifies().await;
}

async fn retract_and_look_for_it(portal: &Portal, path: &str) {
    let retract = format!("{path}/retract");
    let reason = json!({"reason": "It was not true."});
    let retracted = portal.change(Method::POST, &retract, 2, reason.clone()).await;
    assert_eq!((retracted.status, &retracted.body["status"]), (200, &json!("retracted")));
    let gone = portal.get_at(path, retracted.position()).await;
    gone.is_problem(410, "retracted");
    assert_eq!(gone.body["reason"], "It was not true.");
    for list in ["/v1/home", "/v1/news", "/v1/news/sports", "/v1/news?tag=a"] {
        let answer = portal.get_at(list, retracted.position()).await;
        assert!(!answer.body.to_string().contains("Hello"), "{list}: {}", answer.body);
    }
    let again = portal.change(Method::POST, &retract, 3, reason).await;
    again.is_problem(409, "illegal-transition");
}

async fn a_draft_is_seen_by_nobody_until_it_is_published(portal: Portal) {
    let draft = json!({"title": "Secret plan", "content": "Text.", "status": "draft"});
    let drafted = portal.post("/v1/news/politics", draft).await;
    assert_eq!((drafted.status, &drafted.body["status"]), (201, &json!("draft")));
    let path = drafted.header("location").to_owned();
    let revised = json!({"title": "Secret plan B", "content": "Text."});
    let revised = portal.change(Method::PUT, &path, 1, revised).await;
    assert_eq!((revised.status, revised.header("etag")), (200, "\"2\""));
    let position = revised.position();
    portal.get_at(&path, position).await.is_problem(404, "not-found");
    for list in ["/v1/home", "/v1/news", "/v1/news/politics"] {
        let answer = portal.get_at(list, position).await;
        assert!(!answer.body.to_string().contains("Secret"), "{list}");
    }
    let published = portal.change(Method::POST, &format!("{path}/publish"), 2, json!({})).await;
    assert_eq!((published.status, &published.body["status"]), (200, &json!("published")));
    assert_eq!(published.body["created_at"], drafted.body["created_at"]);
    let read = portal.get_at(&path, published.position()).await;
    assert_eq!((read.status, &read.body), (200, &published.body));
    portal.verifies().await;
}

async fn a_command_with_a_key_is_carried_out_once(portal: Portal) {
    let post = |body: Value| {
        let request = portal.request(Method::POST, "/v1/news/famous").json(&body);
        Answer::of(request.header("idempotency-key", "k-1"))
    };
    let body = json!({"title": "Once", "content": "Text."});
    let first = post(body.clone()).await;
    let again = post(body.clone()).await;
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.body, again.body);
    assert_eq!(first.position(), again.position());
    let other = post(json!({"title": "Other", "content": "Text."})).await;
    other.is_problem(422, "idempotency-key-reused");
    // A key is its sender's: somebody else's is another one.
    let editor = portal.with_role("editor");
    let of_another = editor.request(Method::POST, "/v1/news/famous").json(&body);
    let of_another = Answer::of(of_another.header("idempotency-key", "k-1")).await;
    assert_eq!(of_another.status, 201);
    assert_ne!(of_another.body["id"], first.body["id"]);

    // Also for a change that could not be made a second time.
    let retract = format!("{}/retract", first.header("location"));
    let retract = || {
        let request = portal.request(Method::POST, &retract).json(&json!({"reason": "Why."}));
        Answer::of(request.header("if-match", "\"1\"").header("idempotency-key", "k-2"))
    };
    let (first, again) = (retract().await, retract().await);
    assert_eq!((first.status, again.status), (200, 200), "{}", again.body);
    assert_eq!((&first.body, first.position()), (&again.body, again.position()));
    assert_eq!(portal.tool(&["events"]).lines().count(), 3);
}

async fn bad_input_is_explained_and_changes_nothing(portal: Portal) {
    let news = "/v1/news/sports";
    let invalid = portal.post(news, json!({"title": " ", "content": "", "tags": ["a", ""]})).await;
    invalid.is_problem(422, "invalid-fields");
    let errors = invalid.body["errors"].as_array().expect("errors");
    let pointers: Vec<_> = errors.iter().map(|error| error["pointer"].as_str()).collect();
    assert_eq!(pointers, [Some("/title"), Some("/content"), Some("/tags/1")]);
    assert_eq!(errors[0]["detail"], "is blank: must be a string of 1 to 200 characters");
    let errors = async |body: Value| {
        let answer = portal.post(news, body).await;
        answer.is_problem(422, "invalid-fields");
        let errors = answer.body["errors"].as_array().expect("errors").iter();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let errors = errors.map(|error| (text(&error["pointer"]), text(&error["detail"])));
        errors.collect::<Vec<_>>()
    };
    let are = |expected: &[(&str, &str)]| {
        let owned = |(at, why): &(&str, &str)| ((*at).to_owned(), (*why).to_owned());
        expected.iter().map(owned).collect::<Vec<_>>()
    };
    let title = "must be a string of 1 to 200 characters";
    let content = "must be a string of 1 to 200000 characters";
    let time = "is not valid: must be a time as in RFC 3339, such as 2026-11-21T07:00:00Z";
    // Wrong types, a wrong value, and what is not known: all at once.
    let wrong = json!({"title": 7, "content": ["B"], "publish_at": "soon", "tag": "c"});
    let unknown = "is not a field of this body: it has title, content, summary, tags, byline, \
                   status, publish_at, embargo_until";
    let expected = are(&[
        ("/title", &format!("is a number: {title}")),
        ("/content", &format!("is a list: {content}")),
        ("/publish_at", time),
        ("/tag", unknown),
    ]);
    assert_eq!(errors(wrong).await, expected);
    // What is missing has its place all the same.
    let missing = format!("is missing: {title}");
    assert_eq!(errors(json!({"content": "B"})).await, are(&[("/title", &missing)]));
    let no_object = are(&[("", "is not an object: must be a JSON object")]);
    assert_eq!(errors(json!(["A", "B"])).await, no_object);
    let send = |body: &'static str, media_type: &'static str| {
        let request = portal.request(Method::POST, news).body(body);
        Answer::of(request.header("content-type", media_type))
    };
    let broken = send("{\"title\"", "application/json").await;
    broken.is_problem(400, "malformed-json");
    assert_eq!(broken.body["detail"], "line 1, column 8: the JSON ends too early");
    send("title=a", "text/plain").await.is_problem(415, "unsupported-media-type");
    let large = json!({"title": "A", "content": "x".repeat(1 << 20)});
    portal.post(news, large).await.is_problem(413, "body-too-large");
    let nul = json!({"title": "A\u{0}", "content": "B"});
    portal.post(news, nul).await.is_problem(422, "invalid-fields");
    let unknown = portal.post("/v1/news/weather", json!({"title": "A", "content": "B"})).await;
    unknown.is_problem(404, "unknown-category");
    assert_eq!(portal.tool(&["events"]), "", "nothing was recorded");

    portal.get("/v1/news/weather").await.is_problem(404, "not-found");
    portal.get("/v1/news/sports/not-an-id").await.is_problem(404, "not-found");
    portal.get("/v1/news/sports?limit=0").await.is_problem(422, "invalid-fields");
    portal.get("/v1/news?after=nonsense").await.is_problem(422, "invalid-fields");
    let wrong = portal.get("/v1/news?colour=red&limit=x").await;
    wrong.is_problem(422, "invalid-fields");
    let limit = "is not a whole number: must be a whole number from 1 to 100";
    assert_eq!(wrong.body["errors"][0], json!({"pointer": "limit", "detail": limit}));
    assert_eq!(wrong.body["errors"][1]["pointer"], "colour");
}

async fn lists_are_stable_while_articles_are_added(portal: Portal) {
    let categories = ["famous", "politics", "sports"];
    let mut last = 0;
    for number in 0..24 {
        last = portal.publish(categories[number % 3], &format!("Article {number:02}")).await.1;
    }
    let mut titles: Vec<String> = Vec::new();
    let mut address = "/v1/news?limit=5".to_owned();
    loop {
        let page = portal.get_at(&address, last).await;
        assert_eq!(page.status, 200, "{}", page.body);
        let items = page.body["items"].as_array().expect("items");
        titles.extend(items.iter().map(|item| item["title"].as_str().expect("a title").to_owned()));
        // Something new at the top must move nothing below it.
        last = portal.publish("sports", "Breaking").await.1;
        match page.body["next"].as_str() {
            Some(next) => address = format!("/v1/news?limit=5&after={next}"),
            None => break,
        }
    }
    let expected: Vec<_> = (0..24).rev().map(|number| format!("Article {number:02}")).collect();
    assert_eq!(titles, expected);
    let sports = portal.get_at("/v1/news/sports?limit=100", last).await;
    assert_eq!(sports.body["items"].as_array().map(Vec::len), Some(8 + 5));
    let tagged = portal.get("/v1/news?tag=none").await;
    assert_eq!(tagged.body, json!({"items": [], "next": null}));
}

async fn every_answer_follows_the_conventions(portal: Portal) {
    portal.get("/nowhere").await.is_problem(404, "not-found");
    portal.get("/v1/nowhere").await.is_problem(404, "not-found");
    let wrong = Answer::of(portal.request(Method::DELETE, "/v1/news/sports")).await;
    wrong.is_problem(405, "method-not-allowed");
    assert!(wrong.header("allow").contains("GET") && wrong.header("allow").contains("POST"));
    let named = portal.request(Method::GET, "/v1/home").header("x-request-id", "mine");
    assert_eq!(Answer::of(named).await.header("x-request-id"), "mine");

    // Who asked, and within which trace, is in the event for ever.
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let body = json!({"title": "Traced", "content": "Text."});
    let traced = portal.request(Method::POST, "/v1/news/sports").json(&body);
    let traced = traced.header("traceparent", parent).header("x-request-id", "request-7");
    assert_eq!(Answer::of(traced).await.status, 201);
    let event: Value = serde_json::from_str(&portal.tool(&["events", "--json"])).expect("an event");
    assert_eq!(
        (&event["traceparent"], &event["correlationid"]),
        (&json!(parent), &json!("request-7"))
    );
    assert_eq!(event["type"], "news.article_published");
    assert_eq!(
        event["actor"],
        format!("user:{}", event["data"]["author_id"].as_str().expect("an id"))
    );

    let categories = portal.get("/v1/categories").await;
    assert_eq!(categories.body["items"][0]["category"], "famous");
    assert_eq!(portal.get("/health/live").await.body["status"], "live");
    // A position that the log has not reached is waited for, and then said not to be there.
    eventually("an answer before the door has no patience any more", async || {
        let future = Answer::of(portal.door().get_at("/v1/news/sports", 1_000_000)).await;
        let has_patience = future.body["type"] != "/problems/unavailable";
        future.is_problem(503, if has_patience { "view-behind" } else { "unavailable" });
        assert_eq!(future.header("retry-after"), "1");
        has_patience.then_some(())
    })
    .await;
    let ready = eventually("ready", async || {
        let ready = portal.get("/health/ready").await;
        (ready.body["status"] == "ready").then_some(ready)
    });
    assert!(ready.await.body["dependencies"].as_array().is_some_and(|list| !list.is_empty()));
}

async fn of_fifty_concurrent_corrections_one_wins(portal: Portal) {
    let (article, _) = portal.publish("sports", "Contended").await;
    let path = format!("/v1/news/sports/{}", article["id"].as_str().expect("an id"));
    let corrections = (0..50).map(|number| {
        let body = json!({"title": format!("Version {number}"), "content": "Text.",
                          "correction_note": "Mine."});
        portal.change(Method::PUT, &path, 1, body)
    });
    let answers = futures::future::join_all(corrections).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses[0], 200);
    assert!(statuses[1..].iter().all(|status| *status == 412), "{statuses:?}");
    assert_eq!(portal.tool(&["events"]).lines().count(), 2);
}
