//! `portal events`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};

use crate::support::{DEADLINE, Portal, Wiring};

journeys! {
    by wiring;
    both {
        the_log_is_printed_as_cloud_events
        the_log_is_followed
    }
    embedded {
        a_part_of_the_log_can_be_asked_for
    }
}

/// Two articles, the first of them corrected, and a user: four events.
async fn portal_with_events(wiring: Wiring) -> (Portal, String) {
    let portal = Portal::start(wiring).await;
    let (article, _) = portal.publish("sports", "First").await;
    let id = article["id"].as_str().expect("an id").to_owned();
    portal.publish("famous", "Second").await;
    let correction = json!({"title": "First, corrected", "content": "Text.",
                            "correction_note": "Why."});
    let path = format!("/v1/news/sports/{id}");
    assert_eq!(portal.change(reqwest::Method::PUT, &path, 1, correction).await.status, 200);
    let ada = json!({"name": "Ada", "email": "ada@example.org", "password": "correct horse"});
    assert_eq!(portal.post("/v1/users", ada).await.status, 201);
    (portal, format!("article-{id}"))
}

fn lines(portal: &Portal, arguments: &[&str]) -> Vec<Value> {
    let text = portal.tool(&[&["events", "--json"], arguments].concat());
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn positions(events: &[Value]) -> Vec<i64> {
    events.iter().map(|event| event["position"].as_i64().expect("a position")).collect()
}

async fn the_log_is_printed_as_cloud_events(wiring: Wiring) {
    let (portal, stream) = portal_with_events(wiring).await;
    let events = lines(&portal, &[]);
    assert_eq!(positions(&events), [1, 2, 3, 4]);
    for event in &events {
        assert_eq!(event["specversion"], "1.0", "{event}");
        for attribute in ["id", "source", "type", "subject", "time"] {
            assert!(event[attribute].as_str().is_some_and(|text| !text.is_empty()), "{event}");
        }
        let time = event["time"].as_str().expect("a time");
        assert!(chrono::DateTime::parse_from_rfc3339(time).is_ok() && time.ends_with('Z'));
        assert!(event["data"].is_object(), "{event}");
        // CloudEvents 1.0, 3.1: lower-case letters and digits.
        let names = event.as_object().expect("an object").keys();
        let named = |name: &String| {
            name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit())
        };
        assert!(names.into_iter().all(named), "{event}");
    }
    let corrected = &events[2];
    assert_eq!(corrected["type"], "news.article_corrected");
    assert_eq!((&corrected["subject"], &corrected["version"]), (&json!(stream), &json!(2)));
    assert_eq!(corrected["data"]["title"], "First, corrected");
    let text = portal.tool(&["events"]);
    assert_eq!(text.lines().count(), 4);
    assert!(text.lines().nth(2).is_some_and(|line| line.contains("news.article_corrected")));
}

async fn a_part_of_the_log_can_be_asked_for(wiring: Wiring) {
    let (portal, stream) = portal_with_events(wiring).await;
    assert_eq!(positions(&lines(&portal, &["--stream", &stream])), [1, 3]);
    assert_eq!(positions(&lines(&portal, &["--after", "2"])), [3, 4]);
    assert_eq!(positions(&lines(&portal, &["--stream", &stream, "--after", "1"])), [3]);
    assert_eq!(positions(&lines(&portal, &["--after", "4"])), [0; 0]);
    assert_eq!(positions(&lines(&portal, &["--stream", "article-nobody"])), [0; 0]);
}

/// `portal events --follow`, until it is dropped.
struct Follower {
    process: Child,
    lines: Receiver<String>,
}

impl Follower {
    fn start(portal: &Portal, arguments: &[&str]) -> Self {
        let mut command = portal.command();
        command.args(["events", "--follow", "--json"]).args(arguments).stdout(Stdio::piped());
        let mut process = command.spawn().expect("a process");
        let output = BufReader::new(process.stdout.take().expect("its output"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
        });
        Self { process, lines }
    }

    fn next_title(&self) -> Value {
        let line = self.lines.recv_timeout(DEADLINE).expect("another line");
        let event: Value = serde_json::from_str(&line).expect("JSON");
        event["data"]["title"].clone()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn the_log_is_followed(wiring: Wiring) {
    let (portal, stream) = portal_with_events(wiring).await;
    let all = Follower::start(&portal, &["--after", "1"]);
    let one = Follower::start(&portal, &["--stream", &stream]);
    assert_eq!([all.next_title(), all.next_title()], ["Second", "First, corrected"]);
    assert_eq!(all.next_title(), Value::Null, "the user");
    assert_eq!([one.next_title(), one.next_title()], ["First", "First, corrected"]);

    portal.publish("politics", "News").await;
    assert_eq!(all.next_title(), "News");
    let path = stream.replace("article-", "/v1/news/sports/");
    let correction = json!({"title": "Again", "content": "Text.", "correction_note": "Why."});
    assert_eq!(portal.change(reqwest::Method::PUT, &path, 2, correction).await.status, 200);
    assert_eq!((all.next_title(), one.next_title()), (json!("Again"), json!("Again")));
}
