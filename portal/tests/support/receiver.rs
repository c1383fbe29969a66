//! A partner's receiver of webhooks: an HTTP server that remembers what it got.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use super::eventually;

/// A receiver that takes everything, unless it was told to answer otherwise.
pub struct Receiver {
    pub url: String,
    seen: Arc<Seen>,
    _server: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Seen {
    taken: Mutex<Vec<Taken>>,
    answers: Mutex<VecDeque<Reply>>,
    pause: Duration,
}

/// How to answer one request.
#[derive(Debug, Clone, Copy)]
pub enum Reply {
    Status(u16),
    /// Not at all.
    Never,
}

/// One request.
#[derive(Debug, Clone)]
pub struct Taken {
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Taken {
    /// The event that it carries.
    pub fn event(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// As the checker reads it.
    pub fn line(&self) -> String {
        json!({"headers": self.headers, "body": self.body}).to_string() + "\n"
    }
}

impl Receiver {
    pub async fn start() -> Self {
        Self::slow(Duration::ZERO).await
    }

    /// One that takes its time for every request.
    pub async fn slow(pause: Duration) -> Self {
        let seen = Arc::new(Seen { pause, ..Seen::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let router = Router::new().fallback(take).with_state(Arc::clone(&seen));
        let server =
            tokio::spawn(async move { axum::serve(listener, router).await.expect("served") });
        Self { url, seen, _server: AbortOnDropHandle::new(server) }
    }

    /// How it answers next; after that it takes everything again.
    pub fn answers(&self, replies: &[Reply]) {
        self.seen.answers.lock().expect("answers").extend(replies);
    }

    pub fn taken(&self) -> Vec<Taken> {
        self.seen.taken.lock().expect("what was taken").clone()
    }

    /// The positions of what came, in that order.
    pub fn positions(&self) -> Vec<i64> {
        let position = |taken: &Taken| taken.event()["position"].as_i64().expect("a position");
        self.taken().iter().map(position).collect()
    }

    /// Waits for so many requests.
    pub async fn has(&self, count: usize) -> Vec<Taken> {
        eventually("what a receiver is sent", async || {
            Some(self.taken()).filter(|taken| taken.len() >= count)
        })
        .await
    }
}

async fn take(State(seen): State<Arc<Seen>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
    let text = |value: &axum::http::HeaderValue| value.to_str().expect("a text").to_owned();
    let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), text(value)));
    let (path, headers) = (parts.uri.path().to_owned(), headers.collect());
    let body = String::from_utf8(body.into()).expect("UTF-8");
    sleep(seen.pause).await;
    seen.taken.lock().expect("what was taken").push(Taken { path, headers, body });
    let reply = seen.answers.lock().expect("answers").pop_front();
    match reply.unwrap_or(Reply::Status(204)) {
        Reply::Status(status) => {
            let status = StatusCode::from_u16(status).expect("a status");
            (status, [(LOCATION, "/elsewhere")]).into_response()
        }
        Reply::Never => std::future::pending().await,
    }
}
