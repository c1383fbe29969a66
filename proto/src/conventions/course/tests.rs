use std::io;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::to_bytes;
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::Value;
use tower::ServiceExt;

use super::super::{follow, follow_calls, log_panics};
use super::*;

/// Captures log records, one per line.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("the log").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn lines(&self) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().expect("the log").clone()).expect("a text");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

fn ask(path: &str, kind: &str) -> Request {
    let request = Request::get(path).header(REQUEST_ID, "the-one").header(CONTENT_TYPE, kind);
    request.body(Body::empty()).expect("a request")
}

async fn panics() {
    panic!("nobody thought of this");
}

#[tokio::test]
async fn a_panic_is_answered_as_a_problem_and_logged_once_with_its_request() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone());
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    log_panics();
    let router = follow(Router::new().route("/panics/{id}", get(panics)));
    let answer = router.oneshot(ask("/panics/7", "")).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.headers()[REQUEST_ID], "the-one");
    assert_eq!(answer.headers()[CONTENT_TYPE], "application/problem+json");
    let body = to_bytes(answer.into_body(), usize::MAX).await.expect("a body");
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(body["type"], "/problems/internal");
    assert!(!body.to_string().contains("nobody thought"), "why is nobody's business: {body}");
    let lines = log.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let (fields, span) = (&lines[0]["fields"], &lines[0]["span"]);
    assert_eq!(lines[0]["level"], "ERROR");
    assert_eq!(
        (&fields["message"], &fields["what"]),
        (&"panicked".into(), &"nobody thought of this".into())
    );
    assert_eq!(fields["route"], "/panics/{id}");
    assert!(fields["at"].as_str().is_some_and(|at| at.contains("tests.rs")), "{fields}");
    assert_eq!((&span["id"], &span["method"]), (&"the-one".into(), &"GET".into()));
    assert_eq!(span["path"], "/panics/7");
}

#[tokio::test]
async fn a_call_that_panics_is_answered_and_logged_with_the_request_that_caused_it() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone());
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    log_panics();
    let router = follow_calls(Router::new().route("/portal.v1.Queries/GetArticle", get(panics)));
    let call = ask("/portal.v1.Queries/GetArticle", GRPC);
    let answer = router.oneshot(call).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let lines = log.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let span = &lines[0]["span"];
    assert_eq!(
        (&span["id"], &span["method"]),
        (&"the-one".into(), &"portal.v1.Queries/GetArticle".into())
    );
}

#[test]
fn what_is_at_hand_is_named_like_any_answer_unless_every_request_is_logged() {
    let answer = || {
        let at_hand = || Some(Response::new(Body::from("kept")));
        answer_at_once(&ask("/kept", ""), "/kept", at_hand)
    };
    let nothing_logged = tracing::subscriber::NoSubscriber::default();
    let quiet = tracing::subscriber::with_default(nothing_logged, answer).expect("an answer");
    assert_eq!(quiet.headers()[REQUEST_ID], "the-one");
    assert!(answer_at_once(&ask("/kept", ""), "/kept", || None).is_none());
    let all = tracing_subscriber::fmt().with_max_level(Level::DEBUG).with_writer(io::sink);
    let seen = tracing::subscriber::with_default(all.finish(), answer);
    assert!(seen.is_none(), "whoever wants to see every request sees this one as well");
}

#[tokio::test]
async fn what_is_sent_elsewhere_carries_the_request_that_caused_it() {
    let told = get(async || {
        let mut headers = HeaderMap::new();
        carry(&mut headers);
        headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned()
    });
    let router = follow(Router::new().route("/", told));
    let answer = router.oneshot(ask("/", "")).await.expect("an answer");
    let body = to_bytes(answer.into_body(), usize::MAX).await.expect("a body");
    assert_eq!(body, "the-one");
    let mut headers = HeaderMap::new();
    carry(&mut headers);
    assert!(headers.is_empty(), "outside of a request there is nothing to carry");
}
