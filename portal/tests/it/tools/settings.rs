//! Settings: a wrong one ends the start with one clear sentence, and a restart keeps everything.

use std::process::Output;

use reqwest::Method;
use serde_json::json;

use crate::support::http::Answer;
use crate::support::stores::{fresh_stores, required};
use crate::support::{Environment, Portal, Wiring};

/// The error of a start that must not succeed: one sentence, and not a stack trace.
fn refused(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code().is_some_and(|code| code != 0), "{error}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "it never listened");
    // What is wrong, and where clap says so: how to ask for help. What is logged, of a slow disk
    // perhaps, is beside it.
    let help = "For more information, try '--help'.";
    let is_beside = |line: &str| line.is_empty() || line == help || line.starts_with('{');
    let lines = error.lines().filter(|line| !is_beside(line));
    assert_eq!(lines.count(), 1, "{error}");
    assert!(!error.contains("panicked") && !error.contains("Error {"), "{error}");
    error
}

#[tokio::test]
async fn a_wrong_setting_is_named_with_what_would_be_right() {
    let nothing = Portal::not_started(Wiring::Embedded, Environment::new());
    for (arguments, words) in [
        (&["--event-log", "mysql://x"][..], &["--event-log", "sqlite:PATH or postgres://"][..]),
        (&["--bus", "redis:"], &["--bus", "in-process: or amqp://"]),
        (&["--bus", "in-process"], &["--bus", "in-process: or amqp://"]),
        (&["--view-store", "mysql://x"], &["--view-store", "sqlite:PATH or mongodb://"]),
        (&["--view-store", "mongodb://localhost"], &["--view-store", "names no database"]),
        (&["--categories", "Sports!"], &["--categories", "Sports!"]),
        (&["--listen", "nowhere"], &["--listen nowhere"]),
        (&["--public-url", "news.example"], &["--public-url", "http://HOST"]),
        (&["--public-url", "https://a/?b=c"], &["--public-url", "http://HOST"]),
        (&["--language", "German!"], &["--language", "such as en"]),
        (&["orchestrator"], &["--command-url"]),
        (&["orchestrator", "--command-url", "localhost"], &["--command-url", "http://HOST:PORT"]),
        (&["orchestrator", "--command-url", "http://localhost:1"], &["--query-urls", "famous"]),
        (
            &["orchestrator", "--command-url", "http://x:1", "--query-urls", "tech=http://x:2"],
            &["--query-urls"],
        ),
        (&["query-stack", "--bus", "in-process:"], &["--bus amqp://"]),
        (&["relay", "--bus", "in-process:"], &["--bus amqp://"]),
        (&["--data-dir", "/proc/nowhere"], &["--data-dir /proc/nowhere"]),
        (&["--otlp-endpoint", "nowhere"], &["--otlp-endpoint", "http://HOST:PORT"]),
    ] {
        let listen =
            if arguments.contains(&"--listen") { &[][..] } else { &["--listen", "127.0.0.1:0"] };
        let error = refused(&nothing.run(&[arguments, listen].concat()));
        for word in words {
            assert!(error.contains(word), "{arguments:?}: {word:?} is not in {error}");
        }
    }
}

#[tokio::test]
async fn a_data_directory_belongs_to_one_portal() {
    let portal = Portal::start(Wiring::Embedded).await;
    let error = refused(&portal.run(&["--listen", "127.0.0.1:0"]));
    let folder = portal.data_file("");
    let folder = folder.to_str().expect("a path").trim_end_matches('/');
    assert!(
        error.contains(&format!("another portal is running on --data-dir {folder}")),
        "{error}"
    );
    portal.publish("sports", "Undisturbed").await;
}

#[tokio::test]
async fn an_address_belongs_to_one_portal() {
    let portal = Portal::start(Wiring::Embedded).await;
    let other = Portal::not_started(Wiring::Embedded, Environment::new());
    let door = portal.door().url;
    let address = door.trim_start_matches("http://");
    let error = refused(&other.run(&["--listen", address]));
    assert!(error.contains(&format!("--listen {address} is not possible")), "{error}");
}

#[tokio::test]
async fn a_database_without_tables_is_told_how_to_get_them() {
    let portal = Portal::not_started(Wiring::Servers, fresh_stores(&required).await);
    for service in ["command-stack", "query-stack", "relay", "verify"] {
        let error = refused(&portal.run(&[service, "--listen", "127.0.0.1:0"]));
        assert!(error.contains("portal migrate"), "{service}: {error}");
    }
    portal.tool(&["migrate"]);
    portal.tool(&["migrate"]);
    assert!(portal.tool(&["verify"]).contains("event log: 0 events, complete"));
}

#[tokio::test]
async fn a_restart_of_the_portal_in_one_process_keeps_everything() {
    let mut portal = Portal::start(Wiring::Embedded).await;
    let post = |portal: &Portal| {
        let body = json!({"title": "Kept", "content": "Text.", "tags": ["a"]});
        let request = portal.request(Method::POST, "/v1/news/sports").json(&body);
        Answer::of(request.header("idempotency-key", "k-1"))
    };
    let published = post(&portal).await;
    let path = published.header("location").to_owned();
    let correction = json!({"title": "Kept", "content": "More.", "correction_note": "Why."});
    let corrected = portal.change(Method::PUT, &path, 1, correction.clone()).await;
    let ada = json!({"name": "Ada", "email": "ada@example.org", "password": "correct horse"});
    let user = portal.post("/v1/users", ada.clone()).await;
    let draft = json!({"title": "Draft", "content": "Text.", "status": "draft"});
    let draft = portal.post("/v1/news/sports", draft).await.header("location").to_owned();
    let events = portal.events();
    assert_eq!(events.len(), 4);

    for _ in 0..2 {
        portal.restart();
        assert_eq!(portal.events(), events);
        let read = portal.get_at(&path, corrected.position()).await;
        assert_eq!((read.status, &read.body), (200, &corrected.body));
        let registered =
            portal.with_role("admin").read(user.header("location"), user.position()).await;
        assert_eq!((registered.status, &registered.body), (200, &user.body));
        assert_eq!(post(&portal).await.body, published.body, "the key is remembered");
        portal.post("/v1/users", ada.clone()).await.is_problem(409, "email-taken");
        portal
            .change(Method::PUT, &path, 1, correction.clone())
            .await
            .is_problem(412, "version-conflict");
    }
    let publish = portal.change(Method::POST, &format!("{draft}/publish"), 1, json!({})).await;
    assert_eq!((publish.status, publish.position()), (200, 5));
    portal.verifies().await;
}
