//! More than can be done: what is too much is told so early, what is slow is cut off, nothing grows
//! without bound, and all of it heals. The limits are listed in docs/limits.md.

use std::fmt::Write;
use std::time::Duration;

use crate::support::http::Answer;
use crate::support::stores::{PrivateServers, RABBITMQ_API};
use crate::support::{Environment, Portal, Wiring, eventually};
use futures::future::join_all;
use reqwest::{Client, Method};
use serde_json::json;
use sqlx::{Connection, PgConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Opens a connection to the door and sends this much of a request.
async fn begin(portal: &Portal, beginning: &str) -> TcpStream {
    let url = portal.url(portal.door_name(), "");
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).await.expect("the door");
    stream.write_all(beginning.as_bytes()).await.expect("sent");
    stream
}

/// Reads the response until the portal closes the connection.
async fn end(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let _ =
        timeout(crate::support::DEADLINE, stream.read_to_end(&mut answer)).await.expect("closed");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_finish_a_request_is_cut_off() {
    let soon = Environment::from([("PORTAL_IDLE_TIMEOUT".to_owned(), "2s".to_owned())]);
    let portal = Portal::start_with(Wiring::Embedded, soon).await;
    let head = end(begin(&portal, "GET /v1/home HTTP/1.1\r\nhost: x\r\nx-slow: ").await);
    let body = "POST /v1/users HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{";
    let body = end(begin(&portal, body).await);
    let idle = end(begin(&portal, "GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n").await);
    let mut large = "GET /v1/home HTTP/1.1\r\nhost: x\r\n".to_owned();
    for number in 0..40 {
        write!(large, "x-{number}: {}\r\n", "a".repeat(2_000)).expect("a header");
    }
    let large = end(begin(&portal, &large).await);
    let (head, body, idle, large) = futures::join!(head, body, idle, large);
    assert!(!head.contains(" 200 "), "{head:?}");
    assert!(body.contains(" 408 "), "{body:?}");
    assert!(body.contains("/problems/body-too-slow"), "{body:?}");
    assert!(idle.contains(" 200 "), "{idle:?}");
    assert!(large.contains(" 431 "), "{large:?}");
    assert_eq!(portal.get("/health/live").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_much_waits_and_takes_nothing_from_others() {
    let limits = ["CLIENT_RATE_LIMIT", "USER_RATE_LIMIT"].map(|name| (name, "4"));
    let settings = limits.into_iter().chain([("PROXIES", "1")]);
    let settings = settings.map(|(name, value)| (format!("PORTAL_{name}"), value.to_owned()));
    let portal = Portal::start_with(Wiring::Embedded, settings.collect()).await;
    let door = portal.door();
    let from = |address: &'static str| {
        let request = door.request(Method::GET, "/v1/news/sports");
        Answer::of(request.header("x-forwarded-for", address))
    };
    for left in (0..4).rev() {
        let answer = from("192.0.2.1").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.header("ratelimit-policy"), "\"client\";q=4;w=60");
        let told = format!("\"client\";r={left};t=");
        assert!(answer.header("ratelimit").starts_with(&told), "{:?}", answer.headers);
    }
    let refused = from("192.0.2.1").await;
    refused.is_problem(429, "too-many-requests");
    let wait: u32 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=15).contains(&wait), "{wait}");
    assert!(refused.header("ratelimit").starts_with("\"client\";r=0;t="));
    // What only it has written itself makes it nobody else.
    from("192.0.2.9, 192.0.2.1").await.is_problem(429, "too-many-requests");
    assert_eq!(from("192.0.2.2").await.status, 200);
    // What is kept for everybody costs nobody anything.
    for _ in 0..10 {
        let home = door.request(Method::GET, "/v1/home").header("x-forwarded-for", "192.0.2.1");
        let home = Answer::of(home).await;
        assert_eq!((home.status, home.header("ratelimit")), (200, ""));
    }
    let home = door.get_at("/v1/home", 0).header("x-forwarded-for", "192.0.2.1");
    Answer::of(home).await.is_problem(429, "too-many-requests");
    // An editor is counted by name, commands and all.
    let editor = portal.editor();
    for _ in 0..4 {
        let answer = editor.post("/v1/news/sports", json!({"title": "T", "content": "C"})).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        assert_eq!(answer.header("ratelimit-policy"), "\"user\";q=4;w=60");
    }
    editor.get("/v1/home").await.is_problem(429, "too-many-requests");
    assert_eq!(from("192.0.2.3").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_connections_than_the_limit_wait_until_one_ends() {
    let limit = Environment::from([("PORTAL_MAX_CONNECTIONS".to_owned(), "2".to_owned())]);
    let portal = Portal::start_with(Wiring::Embedded, limit).await;
    let first = begin(&portal, "").await;
    let second = begin(&portal, "").await;
    let mut third = begin(&portal, "GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut answer = [0; 12];
    let early = timeout(Duration::from_millis(500), third.read_exact(&mut answer)).await;
    assert!(early.is_err(), "there is no place for it");
    drop(first);
    let later = timeout(crate::support::DEADLINE, third.read_exact(&mut answer)).await;
    later.expect("its turn").expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200");
    let rest = end(third).await;
    assert!(rest.to_ascii_lowercase().contains("connection: close"), "others wait: {rest}");
    drop(second);
    assert_eq!(portal.get("/health/live").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_commands_than_the_log_takes_are_refused_and_nothing_acknowledged_is_lost() {
    let portal = Portal::start(Wiring::Servers).await;
    portal.publish("sports", "Before").await;
    let mut other = PgConnection::connect(&portal.environment["PORTAL_EVENT_LOG"]).await;
    let other = other.as_mut().expect("PostgreSQL");
    let lock = async |statement| {
        sqlx::query(statement).execute(&mut *other).await.expect("the lock of the log");
    };
    // Whoever appends needs it.
    let mut lock = lock;
    lock("SELECT pg_advisory_lock(7310274)").await;
    let editor = portal.editor();
    let publish = |title: String| {
        let editor = editor.clone();
        async move { editor.post("/v1/news/sports", json!({"title": title, "content": "Text."})).await }
    };
    let flood = join_all((0..1_200).map(|number| publish(format!("Flood {number}"))));
    let (flood, health) = futures::join!(flood, portal.get("/health/live"));
    assert_eq!(health.status, 200);
    for answer in &flood {
        assert_eq!(answer.status, 503, "{}", answer.body);
        assert!(!answer.header("retry-after").is_empty());
        assert!(!answer.header("x-request-id").is_empty());
    }
    // The others are in the batch that the database has in hand.
    let overloaded = |answer: &&Answer| answer.body["type"] == "/problems/overloaded";
    let refused = flood.iter().filter(overloaded).count();
    assert!(refused * 2 > flood.len(), "{refused} of {} know that nothing was done", flood.len());

    lock("SELECT pg_advisory_unlock(7310274)").await;
    let after = eventually("normal service", async || {
        let answers = join_all((0..100).map(|number| publish(format!("After {number}")))).await;
        answers.iter().all(|answer| answer.status == 201).then_some(answers)
    })
    .await;
    let events = portal.events();
    for answer in &after {
        let id = answer.body["id"].as_str().expect("an id");
        let recorded = events.iter().any(|event| event["subject"] == format!("article-{id}"));
        assert!(recorded, "{id} was acknowledged: {:?}", events.last());
    }
    portal.verifies().await;
}

const ARTICLES: usize = 1_000;
const CONTENT: usize = 40_000;

/// Messages that wait in a queue of the broker.
async fn waiting(portal: &Portal, queue: &str) -> Option<u64> {
    let vhost = portal.environment["PORTAL_BUS"].rsplit_once('/').expect("a vhost").1;
    let api = &portal.environment[RABBITMQ_API];
    let request = Client::new().get(format!("{api}/api/queues/{vhost}/{queue}"));
    Answer::of(request).await.body["messages"].as_u64()
}

/// Resident memory of a service in bytes.
fn resident(portal: &Portal, service: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", portal.pid(service)));
    let status = status.expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib << 10
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_slow_view_store_cannot_take_waits_in_the_broker_and_not_in_our_memory() {
    let servers = PrivateServers::up(&["mongodb"]);
    let portal = Portal::start_on(Wiring::Servers, servers.migrated_stores().await);
    let (_, position) = portal.publish("sports", "Before").await;
    assert_eq!(portal.get_at("/v1/news/sports", position).await.status, 200);
    let before = resident(&portal, "query-stack-2");
    servers.signal("mongodb", "STOP", false);
    let content = "Sentence of the text. ".repeat(CONTENT / 22);
    let article = |number: usize| {
        let title = format!("Article {number}");
        json!({"source_id": number.to_string(), "category": "sports", "title": title, "content": content})
    };
    let lines: Vec<String> = (0..ARTICLES).map(|number| article(number).to_string()).collect();
    let file = portal.data_file("articles.jsonl");
    std::fs::write(&file, lines.join("\n")).expect("a file");
    portal.tool(&["import", file.to_str().expect("a path")]);
    for queue in ["articles", "desk", "search"].map(|view| format!("portal.{view}.news.sports")) {
        eventually("all of it at the broker", async || {
            let messages = waiting(&portal, &queue).await?;
            (usize::try_from(messages).expect("a number") >= ARTICLES).then_some(())
        })
        .await;
    }
    // Longer than the pause after which a projector looks into the log by itself.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let grown = resident(&portal, "query-stack-2").saturating_sub(before);
    println!("the query-stack grew by {} MiB", grown >> 20);
    assert!(grown < 40 << 20, "{} MiB of {} MiB", grown >> 20, (3 * ARTICLES * CONTENT) >> 20);
    servers.signal("mongodb", "CONT", false);
    portal.verifies().await;
}
