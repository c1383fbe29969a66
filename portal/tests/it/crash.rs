//! Processes are killed, or asked to stop, in the middle of the work: nothing that was acknowledged
//! is lost, nothing is carried out twice, and the views end up equal to the log.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::support::http::Door;
use crate::support::newsroom::{Article, Newsroom, Random};
use crate::support::{Portal, Wiring, by_depth, eventually};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Commands of one test; a kill comes at a random one.
fn commands() -> usize {
    by_depth(500, 2_000)
}
const CLIENTS: usize = 16;
const KILLS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn the_portal_in_one_process_survives_kill_9() {
    survives_kill_9(Wiring::Embedded, "portal").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_stack_survives_kill_9() {
    survives_kill_9(Wiring::Servers, "command-stack").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_survives_kill_9() {
    survives_kill_9(Wiring::Servers, "relay").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_query_stack_of_one_category_survives_kill_9() {
    survives_kill_9(Wiring::Servers, "query-stack-1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_query_stack_of_several_categories_survives_kill_9() {
    survives_kill_9(Wiring::Servers, "query-stack-2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orchestrator_survives_kill_9() {
    survives_kill_9(Wiring::Servers, "orchestrator").await;
}

async fn survives_kill_9(wiring: Wiring, service: &'static str) {
    let mut random = Random::seeded();
    let mut portal = Portal::start(wiring).await;
    let commands = commands();
    let newsroom = Newsroom::new(portal.editor(), commands);
    let mut acknowledged = newsroom.acknowledged();
    let clients = newsroom.work(CLIENTS, &random);
    let mut moments = [(); KILLS].map(|()| random.below(commands - 100));
    moments.sort_unstable();
    for moment in moments {
        acknowledged.wait_for(|count| *count >= moment).await.expect("a newsroom at work");
        // Answers come when a batch is done; the kill shall come anywhere.
        tokio::time::sleep(Duration::from_micros(random.below(5_000) as u64)).await;
        portal.kill(service);
        portal.spawn(service);
    }
    clients.join_all().await;
    let articles = newsroom.articles().clone();
    log_has_each_command_once(&portal.events(), &articles);
    readers_find_each_article(&portal, &articles).await;
    portal.verifies().await;
}

fn log_has_each_command_once(events: &[Value], articles: &[Article]) {
    assert_eq!(events.len(), commands(), "one event per command");
    let positions = events.iter().map(|event| event["position"].as_u64());
    assert!(positions.eq((1..=commands() as u64).map(Some)), "positions without holes");
    let mut titles = HashSet::new();
    let repeated = events.iter().find(|event| {
        let title = event["data"]["title"].as_str();
        title.is_some_and(|title| !titles.insert(title))
    });
    assert_eq!(repeated, None, "a command was carried out twice");
    let mut streams: HashMap<_, Vec<_>> = HashMap::new();
    for event in events {
        streams.entry(event["subject"].as_str().expect("a stream")).or_default().push(event);
    }
    assert_eq!(streams.len(), articles.len());
    for article in articles {
        let stream = streams.get(format!("article-{}", article.id()).as_str());
        let stream = stream.unwrap_or_else(|| panic!("{article:?} is missing"));
        assert_eq!(stream.len(), article.versions(), "{article:?} is {stream:?}");
        let found = stream.iter().filter_map(|event| event["data"]["title"].as_str());
        assert!(found.eq(article.titles.iter().map(String::as_str)), "{article:?} is {stream:?}");
        let last = &stream[stream.len() - 1];
        assert_eq!(last["type"] == "news.article_retracted", article.retracted);
        let position = article.position.map_or(Value::Null, Value::from);
        assert!(position.is_null() || position == last["position"], "{article:?} is {stream:?}");
    }
}

async fn readers_find_each_article(portal: &Portal, articles: &[Article]) {
    let door = portal.door();
    let reading = articles.iter().map(async |article| {
        let position = article.position.unwrap_or(commands() as i64);
        let answer = article.read_at(&door, position).await;
        article.is_answered_by(&answer);
        assert_eq!(answer.status == 410, article.retracted, "{article:?}");
    });
    stream::iter(reading).buffer_unordered(CLIENTS).collect::<Vec<()>>().await;
}

#[tokio::test]
async fn the_portal_in_one_process_answers_what_it_accepted_before_sigterm() {
    answers_what_it_accepted(Wiring::Embedded).await;
}

#[tokio::test]
async fn an_orchestrator_answers_what_it_accepted_before_sigterm() {
    answers_what_it_accepted(Wiring::Servers).await;
}

async fn answers_what_it_accepted(wiring: Wiring) {
    let mut portal = Portal::start(wiring).await;
    let door = portal.door_name();
    let Door { url, token, .. } = portal.editor();
    let (address, token) = (url.trim_start_matches("http://"), token.expect("a token"));
    let mut uploads = Vec::new();
    for number in 0..8 {
        uploads.push(Upload::begin(address, &token, &format!("Article {number}")).await);
    }
    portal.signal(door, "TERM");
    eventually("a door that lets nobody in", async || {
        TcpStream::connect(address).await.is_err().then_some(())
    })
    .await;
    for upload in uploads {
        let answer = upload.finish().await;
        assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}");
    }
    assert_eq!(portal.exit_code(door), Some(0));
    assert_eq!(portal.events().len(), 8);
}

/// A command from a slow client: the door has taken it and waits for its body.
struct Upload {
    stream: TcpStream,
    body: String,
}

impl Upload {
    async fn begin(address: &str, token: &str, title: &str) -> Self {
        let body = json!({"title": title, "content": "Text."}).to_string();
        let head = format!(
            "POST /v1/news/sports HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\n\
             content-type: application/json\r\nauthorization: Bearer {token}\r\nexpect: 100-continue\r\n\r\n",
            body.len()
        );
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        stream.write_all(head.as_bytes()).await.expect("a request");
        let go_on = "HTTP/1.1 100 Continue\r\n\r\n";
        let mut answer = vec![0; go_on.len()];
        stream.read_exact(&mut answer).await.expect("a provisional answer");
        assert_eq!(String::from_utf8_lossy(&answer), go_on);
        Self { stream, body }
    }

    async fn finish(mut self) -> String {
        self.stream.write_all(self.body.as_bytes()).await.expect("a body");
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).await.expect("an answer, and the end");
        answer
    }
}
