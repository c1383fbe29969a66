//! What the door tells of who read what, and recommends. The services and the bus are stand-ins.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use events::bus::{BusError, ReadingSender};
use events::readings::Reading;
use events::{BoxError, Dependency, Role, Timestamp, UserId};
use orchestrator::Orchestrator;
use orchestrator::upstream::Upstream;
use proto::token::{ACCESS_TOKEN_LIFETIME, Claims, Principal, SigningKey};
use proto::v1::recommendations_server::RecommendationsServer;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tower::ServiceExt;
use uuid::Uuid;

use crate::stand_ins::{DRAFT, MOVED, PUBLISHED, RETRACTED, Stack, commands, queries};

/// A bus that tells what it is sent, and answers so many times.
struct Bus {
    sent: UnboundedSender<Vec<Reading>>,
    answers: Arc<Semaphore>,
}

#[async_trait]
impl Dependency for Bus {
    async fn ping(&self) -> Result<(), BoxError> {
        Ok(())
    }
}

#[async_trait]
impl ReadingSender for Bus {
    async fn send(&self, readings: &[Reading]) -> Result<(), BusError> {
        self.answers.acquire().await.expect("open").forget();
        self.sent.send(readings.to_vec()).expect("somebody who looks");
        Ok(())
    }
}

const ALWAYS: usize = Semaphore::MAX_PERMITS;

fn token(key: &SigningKey, user: u128) -> String {
    let (user_id, roles) = (UserId(Uuid::from_u128(user)), BTreeSet::from([Role::Reader]));
    let principal = Principal { user_id, roles, session: None };
    let now = Timestamp::from_millis(chrono::Utc::now().timestamp_millis());
    key.sign(&Claims::new(&principal, ACCESS_TOKEN_LIFETIME, now)).expect("a token")
}

struct Door {
    router: Router,
    key: SigningKey,
    sending: JoinHandle<()>,
}

impl Door {
    /// On a bus that answers so many times.
    fn with(answers: &Arc<Semaphore>) -> (Self, UnboundedReceiver<Vec<Reading>>) {
        let key = SigningKey::generate().expect("a key");
        let stacks = vec![("sports".parse().expect("a category"), queries())];
        let (sender, sent) = unbounded_channel();
        let bus = Arc::new(Bus { sent: sender, answers: Arc::clone(answers) });
        let (door, sending) = Orchestrator::new(commands(&key), stacks).with_readings(bus);
        (Self { router: door.router(), key, sending: tokio::spawn(sending) }, sent)
    }

    fn recorded() -> (Self, UnboundedReceiver<Vec<Reading>>) {
        Self::with(&Arc::new(Semaphore::new(ALWAYS)))
    }

    fn token(&self, user: u128) -> String {
        token(&self.key, user)
    }

    async fn ask(&self, method: Method, path: &str, token: Option<&str>) -> StatusCode {
        self.send(Request::builder().method(method).uri(path), token).await
    }

    async fn send(
        &self,
        mut request: axum::http::request::Builder,
        token: Option<&str>,
    ) -> StatusCode {
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Body::empty()).unwrap();
        self.router.clone().oneshot(request).await.unwrap().status()
    }
}

async fn next(sent: &mut UnboundedReceiver<Vec<Reading>>) -> Vec<Reading> {
    timeout(Duration::from_secs(60), sent.recv()).await.expect("in time").expect("readings")
}

#[tokio::test]
async fn who_is_signed_in_and_gets_an_article_has_read_it() {
    let (door, mut sent) = Door::recorded();
    let (path, token) = (format!("/v1/news/sports/{PUBLISHED}"), door.token(7));
    assert_eq!(door.ask(Method::GET, &path, Some(&token)).await, StatusCode::OK);
    let reading = next(&mut sent).await.remove(0);
    assert_eq!(reading.user_id.0.as_u128(), 7);
    assert_eq!(reading.article_id.to_string(), PUBLISHED);
    assert_eq!(
        (reading.category.as_str(), &*reading.labels),
        ("sports", &["sports".to_owned()][..])
    );
    // Also who has it already.
    let known = Request::builder().uri(&path).header("if-none-match", "\"2\"");
    assert_eq!(door.send(known, Some(&token)).await, StatusCode::NOT_MODIFIED);
    assert_eq!(next(&mut sent).await.len(), 1);
}

#[tokio::test]
async fn nothing_else_is_a_reading() {
    let (door, mut sent) = Door::recorded();
    let path = format!("/v1/news/sports/{PUBLISHED}");
    let token = door.token(7);
    let past = format!("{path}?version=1");
    let ask = async |method, path: &str, token| door.ask(method, path, token).await;
    assert_eq!(ask(Method::GET, &path, None).await, StatusCode::OK);
    assert_eq!(ask(Method::GET, &path, Some("nonsense")).await, StatusCode::OK);
    assert_eq!(ask(Method::HEAD, &path, Some(&token)).await, StatusCode::OK);
    assert_eq!(ask(Method::GET, &past, Some(&token)).await, StatusCode::OK);
    for other in [DRAFT, MOVED, RETRACTED] {
        ask(Method::GET, &format!("/v1/news/sports/{other}"), Some(&token)).await;
    }
    // When the door is gone, what was noted before is sent, and there was nothing.
    let Door { router, sending, .. } = door;
    drop(router);
    sending.await.expect("an end");
    assert_eq!(sent.recv().await, None);
}

#[tokio::test]
async fn a_bus_that_does_not_answer_slows_no_reader_down() {
    let (door, _sent) = Door::with(&Arc::new(Semaphore::new(0)));
    let (path, token) = (format!("/v1/news/sports/{PUBLISHED}"), door.token(7));
    let began = Instant::now();
    // More than may wait to be sent.
    for _ in 0..2_000 {
        assert_eq!(door.ask(Method::GET, &path, Some(&token)).await, StatusCode::OK);
    }
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    assert!(!door.sending.is_finished());
}

#[tokio::test]
async fn who_writes_bad_tokens_takes_nobodys_place() {
    let answers = Arc::new(Semaphore::new(1));
    let (door, mut sent) = Door::with(&answers);
    let path = format!("/v1/news/sports/{PUBLISHED}");
    let read = async |token: &str| {
        assert_eq!(door.ask(Method::GET, &path, Some(token)).await, StatusCode::OK);
    };
    read(&door.token(7)).await;
    next(&mut sent).await; // with this token the keys came
    let unknown_key = token(&SigningKey::generate().expect("a key"), 7);
    let forged = format!("{}A", door.token(7));
    // More than may wait, of each kind.
    for _ in 0..1_100 {
        for bad in ["nonsense", &forged, &unknown_key] {
            read(bad).await;
        }
    }
    for user in 8..108 {
        read(&door.token(user)).await;
    }
    answers.add_permits(ALWAYS / 2);
    let mut readings = Vec::new();
    while readings.len() < 100 {
        readings.extend(next(&mut sent).await);
    }
    let users = readings.iter().map(|reading| reading.user_id.0.as_u128());
    assert!(users.eq(8..108), "{readings:?}");
}

#[tokio::test]
async fn who_loads_an_article_again_and_again_has_read_it_once() {
    let answers = Arc::new(Semaphore::new(0));
    let (door, mut sent) = Door::with(&answers);
    let path = format!("/v1/news/sports/{PUBLISHED}");
    for user in [7; 20].into_iter().chain([8]) {
        assert_eq!(door.ask(Method::GET, &path, Some(&door.token(user))).await, StatusCode::OK);
    }
    answers.add_permits(ALWAYS / 2);
    let mut readings = Vec::new();
    while readings.last() != Some(&8) {
        readings.extend(next(&mut sent).await.iter().map(|reading| reading.user_id.0.as_u128()));
    }
    // One that was on its way already, and those that waited.
    assert!(readings == [7, 7, 8] || readings == [7, 8], "{readings:?}");
}

#[tokio::test]
async fn without_any_front_page_nothing_is_recommended_and_it_says_so() {
    let key = SigningKey::generate().expect("a key");
    let stacks = vec![("sports".parse().expect("a category"), without_articles())];
    let router = Orchestrator::new(commands(&key), stacks).router();
    let user = Uuid::from_u128(7);
    let request = Request::get(format!("/v1/recommendations/users/{user}"));
    let request = request.header("authorization", format!("Bearer {}", token(&key, 7)));
    let answer = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
}

/// A query-stack that knows who reads what, and nothing to read.
fn without_articles() -> Upstream {
    let service = tonic::service::Routes::new(RecommendationsServer::new(Stack));
    Upstream::in_process("query-stack", service.into_axum_router())
}
