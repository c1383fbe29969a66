//! Webhooks: partners are told once more until they have it, in order, and nobody else waits for them.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::time::Duration;

use crate::support::checkers::check;
use crate::support::http::{Answer, Door};
use crate::support::receiver::{Receiver, Reply, Taken};
use crate::support::{Environment, Portal, Wiring, eventually};
use reqwest::Method;
use serde_json::{Value, json};

journeys! {
    with { super::settings() };
    both {
        what_fails_is_tried_again_in_order_and_nobody_else_waits
        what_was_not_delivered_when_the_process_was_killed_is_delivered_after
    }
    embedded {
        what_is_sent_is_signed_and_is_what_the_public_log_tells
        who_is_gone_is_left_alone_until_enabled_and_has_missed_nothing
        any_range_of_the_past_is_delivered_again
        a_subscription_is_made_once_and_for_admins_only
    }
}

mod by_default {
    use super::nothing_is_sent_to_a_private_address;

    journeys! {
        embedded {
            nothing_is_sent_to_a_private_address
        }
    }
}

/// The receivers of a test are on this machine, and nobody waits for seconds.
fn settings() -> Environment {
    let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Environment::from([
        setting("PORTAL_WEBHOOK_ALLOW_PRIVATE", "true"),
        setting("PORTAL_WEBHOOK_RETRY", "50ms"),
    ])
}

async fn subscribe(admin: &Door, receiver: &Receiver, more: Value) -> Answer {
    let mut body = json!({"url": receiver.url, "after": 0});
    let more = more.as_object().expect("an object").clone();
    body.as_object_mut().expect("an object").extend(more);
    let made = admin.post("/v1/webhooks", body).await;
    assert_eq!(made.status, 201, "{}", made.body);
    made
}

/// What the receiver's own libraries make of what it got.
fn verified(secret: &Value, taken: &[Taken]) -> Vec<Value> {
    let lines: String = taken.iter().map(Taken::line).collect();
    let secret = secret.as_str().expect("a secret");
    let found = check("verify_webhook.py", &[secret], &lines);
    found.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

async fn what_is_sent_is_signed_and_is_what_the_public_log_tells(portal: Portal) {
    let admin = portal.with_role("admin");
    let receiver = Receiver::start().await;
    let made = subscribe(&admin, &receiver, json!({"categories": ["sports"]})).await;
    let draft = json!({"title": "Secret", "content": "Secret.", "status": "draft"});
    portal.post("/v1/news/sports", draft).await;
    portal.publish("politics", "Elsewhere").await;
    let (article, _) = portal.publish("sports", "In the open").await;
    let retract = format!("/v1/news/sports/{}/retract", article["id"].as_str().expect("an id"));
    let reason = json!({"reason": "Untrue."});
    let last = portal.change(Method::POST, &retract, 1, reason).await.position();

    let taken = receiver.has(2).await;
    let public = portal.door().get(&format!("/v1/events?wait=5&after={}", last - 1)).await.body;
    assert_eq!(taken[1].event(), public[0], "the same as whoever reads the log gets");
    let types = ["news.article_published", "news.article_retracted"];
    let events = verified(&made.body["secret"], &taken);
    assert_eq!(events.iter().map(|event| &event["type"]).collect::<Vec<_>>(), types);
    assert_eq!(taken[0].headers["content-type"], "application/cloudevents+json");
    for Taken { body, .. } in &taken {
        assert!(!body.contains("Secret") && !body.contains("In the open"), "{body}");
    }
    // Somebody on the way cannot change it.
    let changed = Taken { body: taken[0].body.replace("sports", "famous"), ..taken[0].clone() };
    assert!(verified(&made.body["secret"], &[changed])[0]["refused"].is_string());

    // With another secret; for a day the former one is good as well.
    let path = made.header("location");
    let rotate = || {
        let request = admin.request(Method::POST, &format!("{path}/rotate-secret"));
        Answer::of(request.header("idempotency-key", "rotate-1").json(&json!({})))
    };
    let rotated = rotate().await;
    assert_eq!(rotated.status, 200, "{}", rotated.body);
    // Who did not get the answer asks again, and the one before goes on to be good.
    assert_eq!(rotate().await.body["secret"], rotated.body["secret"]);
    assert_ne!(rotated.body["secret"], made.body["secret"]);
    portal.publish("sports", "Signed anew").await;
    let taken = receiver.has(3).await;
    for secret in [&rotated.body["secret"], &made.body["secret"]] {
        assert!(verified(secret, &taken[2..])[0]["id"].is_string());
    }
    assert!(verified(&rotated.body["secret"], &taken[..1])[0]["refused"].is_string());
    let seen = admin.get(path).await;
    assert!(!seen.body.to_string().contains("whsec_"), "shown once: {}", seen.body);
    assert_eq!(seen.header("cache-control"), "no-store");
    assert!(!portal.logged().contains("whsec_"));
}

async fn what_fails_is_tried_again_in_order_and_nobody_else_waits(portal: Portal) {
    let admin = portal.with_role("admin");
    let (failing, silent, well) =
        (Receiver::start().await, Receiver::start().await, Receiver::start().await);
    // A redirect is no delivery, and is not followed.
    failing.answers(&[Reply::Status(500), Reply::Status(307)]);
    silent.answers(&[Reply::Never]);
    let made = subscribe(&admin, &failing, json!({})).await;
    subscribe(&admin, &silent, json!({})).await;
    subscribe(&admin, &well, json!({})).await;
    let nobody = json!({"url": "http://127.0.0.1:9/", "after": 0});
    let nobody = admin.post("/v1/webhooks", nobody).await;
    let mut published = Vec::new();
    for number in 0..3 {
        published.push(portal.publish("sports", &format!("Article {number}")).await.1);
    }
    well.has(3).await;
    assert_eq!(well.positions(), published);
    let taken = failing.has(5).await;
    let [first, second, third] = published[..] else { panic!("three articles") };
    assert_eq!(failing.positions(), [first, first, first, second, third]);
    assert!(taken.iter().all(|one| one.path == "/hook"));
    assert!(
        taken[..3].iter().all(|one| one.headers["webhook-id"] == taken[0].headers["webhook-id"])
    );
    assert_eq!(silent.taken().len(), 1, "one at a time");

    let path = made.header("location");
    let log = eventually("what became of it", async || {
        let log = admin.get(&format!("{path}/deliveries")).await.body;
        (log["items"].as_array()?.len() == 5).then_some(log)
    })
    .await;
    let items = log["items"].as_array().expect("items").iter();
    let statuses: Vec<_> = items.map(|item| item["status"].clone()).collect();
    assert_eq!(statuses, [204, 204, 204, 307, 500].map(|status| json!(status)));
    // Page by page as well.
    let first = admin.get(&format!("{path}/deliveries?limit=3")).await.body;
    let next = first["next"].as_str().expect("a cursor");
    let second = admin.get(&format!("{path}/deliveries?limit=3&after={next}")).await.body;
    assert_eq!((&second["items"][0]["status"], &second["next"]), (&json!(307), &Value::Null));
    let failed = eventually("an attempt that failed", async || {
        let log = admin.get(&format!("{}/deliveries", nobody.header("location"))).await.body;
        log["items"].get(0).cloned()
    })
    .await;
    assert!(failed["status"].is_null() && failed["error"].is_string(), "{failed}");
    let state = admin.get(nobody.header("location")).await.body;
    assert_eq!((&state["status"], &state["position"]), (&json!("failing"), &json!(0)), "{state}");
}

async fn who_is_gone_is_left_alone_until_enabled_and_has_missed_nothing(mut portal: Portal) {
    let admin = portal.with_role("admin");
    let receiver = Receiver::start().await;
    receiver.answers(&[Reply::Status(410)]);
    let made = subscribe(&admin, &receiver, json!({})).await;
    let path = made.header("location").to_owned();
    let first = portal.publish("sports", "The first").await.1;
    let disabled = eventually("a subscription that is disabled", async || {
        let seen = admin.get(&path).await.body;
        (seen["status"] == "disabled").then_some(seen)
    })
    .await;
    assert!(disabled["disabled"]["reason"].as_str().is_some_and(|why| why.contains("410")));
    let second = portal.publish("politics", "The second").await.1;
    // Also who delivers next leaves it alone.
    portal.restart();
    let admin = portal.with_role("admin");
    let other = Receiver::start().await;
    subscribe(&admin, &other, json!({})).await;
    other.has(2).await;
    assert_eq!(receiver.taken().len(), 1);
    let enabled = admin.post(&format!("{path}/enable"), json!({})).await;
    assert_eq!((enabled.status, &enabled.body["status"]), (200, &json!("active")));
    receiver.has(3).await;
    assert_eq!(receiver.positions(), [first, first, second]);
}

async fn any_range_of_the_past_is_delivered_again(portal: Portal) {
    let admin = portal.with_role("admin");
    let receiver = Receiver::start().await;
    let made = subscribe(&admin, &receiver, json!({})).await;
    let mut published = Vec::new();
    for number in 0..4 {
        published.push(portal.publish("sports", &format!("Article {number}")).await.1);
    }
    receiver.has(4).await;
    let path = made.header("location");
    eventually("all of it delivered", async || {
        (admin.get(path).await.body["position"] == json!(published[3])).then_some(())
    })
    .await;
    let again = format!("{path}/redeliver");
    let beyond = admin.post(&again, json!({"after": published[3]})).await;
    beyond.is_problem(422, "invalid-fields");
    let accepted = admin.post(&again, json!({"after": published[0], "until": published[2]})).await;
    assert_eq!(accepted.status, 202, "{}", accepted.body);
    let taken = receiver.has(6).await;
    assert_eq!(receiver.positions()[4..], published[1..3]);
    assert_eq!(taken[4].headers["webhook-id"], taken[1].headers["webhook-id"]);
    eventually("the end of it", async || {
        admin.get(path).await.body["redelivery"].is_null().then_some(())
    })
    .await;
    // And what is new comes after it as ever.
    let new = portal.publish("sports", "Something new").await.1;
    receiver.has(7).await;
    assert_eq!(receiver.positions()[6..], [new]);
    let log = admin.get(&format!("{path}/deliveries")).await.body;
    let marked = log["items"].as_array().expect("items").iter();
    assert_eq!(marked.filter(|item| item["redelivery"] == true).count(), 2, "{log}");
}

async fn what_was_not_delivered_when_the_process_was_killed_is_delivered_after(mut portal: Portal) {
    const ARTICLES: usize = 60;
    let admin = portal.with_role("admin");
    let mut published = Vec::new();
    for number in 0..ARTICLES {
        published.push(portal.publish("sports", &format!("Article {number}")).await.1);
    }
    let receiver = Receiver::slow(Duration::from_millis(5)).await;
    subscribe(&admin, &receiver, json!({})).await;
    let service = if portal.wiring == Wiring::Embedded { "portal" } else { "command-stack" };
    for seen in [10, 25, 40] {
        receiver.has(seen).await;
        portal.kill(service);
        portal.spawn(service);
    }
    eventually("the last", async || {
        (receiver.positions().last() == published.last()).then_some(())
    })
    .await;
    // In order; what was on its way when the process was killed may come again.
    let mut positions = receiver.positions();
    positions.dedup();
    assert_eq!(positions, published);
}

async fn a_subscription_is_made_once_and_for_admins_only(portal: Portal) {
    let admin = portal.with_role("admin");
    let receiver = Receiver::start().await;
    let made = subscribe(&admin, &receiver, json!({})).await;
    let path = made.header("location");
    let addresses = [
        (Method::GET, "/v1/webhooks".to_owned()),
        (Method::POST, "/v1/webhooks".to_owned()),
        (Method::GET, path.to_owned()),
        (Method::DELETE, path.to_owned()),
        (Method::GET, format!("{path}/deliveries")),
        (Method::POST, format!("{path}/enable")),
        (Method::POST, format!("{path}/rotate-secret")),
        (Method::POST, format!("{path}/redeliver")),
    ];
    for (method, address) in &addresses {
        let body = json!({"url": receiver.url, "after": 0});
        let body = if address.ends_with("redeliver") { json!({"after": 0}) } else { body };
        let empty = address.ends_with("enable") || address.ends_with("rotate-secret");
        let body = if empty { json!({}) } else { body };
        for (door, status, kind) in [
            (portal.door(), 401, "unauthenticated"),
            (portal.with_role("reader"), 403, "forbidden"),
            (portal.editor(), 403, "forbidden"),
        ] {
            let request = door.request(method.clone(), address);
            let request = if *method == Method::POST { request.json(&body) } else { request };
            Answer::of(request).await.is_problem(status, kind);
        }
    }

    let key = |url: &str| {
        let request = admin.request(Method::POST, "/v1/webhooks").header("idempotency-key", "one");
        request.json(&json!({"url": url, "types": ["news.article_published"]}))
    };
    let first = Answer::of(key("https://example.org/hook")).await;
    let again = Answer::of(key("https://example.org/hook")).await;
    assert_eq!((first.status, again.status), (201, 201), "{}", first.body);
    assert_eq!(first.body["secret"], again.body["secret"]);
    Answer::of(key("https://example.org/other")).await.is_problem(422, "idempotency-key-reused");
    let all = admin.get("/v1/webhooks").await.body;
    assert_eq!(all["items"].as_array().map(Vec::len), Some(2), "{all}");

    let wrong = json!({"url": "ftp://example.org", "categories": ["nonsense"], "types": ["user.registered"]});
    let wrong = admin.post("/v1/webhooks", wrong).await;
    wrong.is_problem(422, "invalid-fields");
    let pointers = wrong.body["errors"].as_array().expect("errors").iter();
    let pointers: Vec<_> = pointers.map(|error| error["pointer"].clone()).collect();
    assert_eq!(pointers, ["/url", "/categories/0", "/types/0"]);
    let beyond = json!({"url": "https://example.org", "after": 1_000_000});
    admin.post("/v1/webhooks", beyond).await.is_problem(422, "invalid-fields");

    assert_eq!(admin.delete(path).await.status, 204);
    admin.get(path).await.is_problem(404, "not-found");
    admin.delete(path).await.is_problem(404, "not-found");
}

async fn nothing_is_sent_to_a_private_address(portal: Portal) {
    let admin = portal.with_role("admin");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a listener that can be looked at");
    let port = listener.local_addr().expect("an address").port();
    for url in [
        format!("http://localhost:{port}/"),
        format!("https://127.0.0.1:{port}/"),
        format!("https://[::ffff:127.0.0.1]:{port}/"),
        "https://[::1]/hook".to_owned(),
        "https://10.0.0.1/hook".to_owned(),
        "https://169.254.169.254/latest/meta-data".to_owned(),
    ] {
        let refused = admin.post("/v1/webhooks", json!({"url": url})).await;
        refused.is_problem(422, "invalid-fields");
        assert_eq!(refused.body["errors"][0]["pointer"], "/url", "{url}");
    }
    // What a name leads to is only known when it is asked for, and there are many ways to write an
    // address.
    portal.publish("sports", "For nobody").await;
    for (host, why) in
        [("localhost", "no public address"), ("127.1", ""), ("2130706433", ""), ("0x7f000001", "")]
    {
        let url = format!("https://{host}:{port}/");
        let made = admin.post("/v1/webhooks", json!({"url": url, "after": 0})).await;
        assert_eq!(made.status, 201, "{url}: {}", made.body);
        let failed = eventually("an attempt", async || {
            let log = admin.get(&format!("{}/deliveries", made.header("location"))).await.body;
            log["items"].get(0).cloned()
        })
        .await;
        let error = failed["error"].as_str().expect("an error");
        assert!(error.contains(why), "{url}: {failed}");
    }
    let nobody = listener.accept().expect_err("nobody came");
    assert_eq!(nobody.kind(), ErrorKind::WouldBlock);
}
