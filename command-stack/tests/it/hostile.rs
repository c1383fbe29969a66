//! Whatever is sent to a command's address, the answer is the command's or a problem that says what
//! is wrong, never an error of ours; and what got into the log can be read. On both databases,
//! because each refuses texts that the other takes. What once failed is kept beside this file.
//! Longer runs: `scripts/fuzz`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, IF_MATCH};
use axum::http::{Method, Request, StatusCode};
use command_stack::accounts::{AccountStore, PostgresAccounts, SqliteAccounts};
use command_stack::http::{Commands, Webhooks};
use command_stack::signing_keys::SigningKeys;
use command_stack::webhooks::{PostgresWebhooks, SqliteWebhooks, Terms, WebhookStore};
use events::{Category, Position, Role, Timestamp, UserId};
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, TestRunner};
use proto::token::Principal;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tower::ServiceExt;
use uuid::Uuid;

use crate::mutation::mutated;
use crate::support::database::{Database, Kept};

struct Target {
    runtime: Runtime,
    on: Database,
    router: Router,
    token: String,
    user: String,
    read: Position,
}

struct Answer {
    status: StatusCode,
    content_type: String,
    body: Value,
}

impl Target {
    fn new(on: impl Future<Output = Database>) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let on = runtime.block_on(on);
        let (accounts, store): (Arc<dyn AccountStore>, Arc<dyn WebhookStore>) = match &on.kept {
            Kept::Sqlite { pool, .. } => {
                (Arc::new(SqliteAccounts(pool.clone())), Arc::new(SqliteWebhooks(pool.clone())))
            }
            Kept::Postgres { pool, .. } => {
                (Arc::new(PostgresAccounts(pool.clone())), Arc::new(PostgresWebhooks(pool.clone())))
            }
        };
        let hour = Duration::from_hours(1);
        let terms = Terms { allow_private: false, retry: hour, give_up: hour };
        let folder = tempfile::tempdir().expect("a folder");
        let keys = SigningKeys::open_or_create(folder.path().join("key")).expect("a key");
        let token = token(&keys);
        let categories = ["sports", "politics"].map(|name| name.parse().expect("a category"));
        let commands =
            Commands::new(Arc::clone(&on.log), accounts, keys, &categories as &[Category]);
        let router = commands.with_webhooks(Webhooks { store, terms }).router();
        let (user, read) = (String::new(), Position::START);
        let mut target = Self { runtime, on, router, token, user, read };
        let user = json!({ "name": "Eve", "email": "eve@example.org", "password": "a long one" });
        target.user = target.id_of_new("/v1/users", &user);
        target
    }

    fn id_of_new(&self, path: &str, body: &Value) -> String {
        let made = self.send(&Method::POST, path, body.to_string().into());
        made.body["id"].as_str().unwrap_or_else(|| panic!("{}", made.body)).to_owned()
    }

    /// To an article that allows most, or to a user.
    fn send_hostile(&self, method: &Method, path: &str, body: Vec<u8>) -> Answer {
        let draft = json!({ "title": "T", "content": "C", "status": "draft" });
        let article = || self.id_of_new("/v1/news/sports", &draft);
        let path = match path.split_once("{article}") {
            Some((before, after)) => format!("{before}{}{after}", article()),
            None => path.replace("{user}", &self.user),
        };
        self.send(method, &path, body)
    }

    fn send(&self, method: &Method, path: &str, body: Vec<u8>) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .header(CONTENT_TYPE, "application/json")
            .header(IF_MATCH, "*")
            .body(Body::from(body))
            .expect("a request");
        self.runtime.block_on(async {
            let answer = self.router.clone().oneshot(request).await.expect("an answer");
            let (head, body) = answer.into_parts();
            let bytes = to_bytes(body, usize::MAX).await.expect("a body");
            let content_type = head.headers.get(CONTENT_TYPE);
            let content_type = content_type.map_or("", |value| value.to_str().expect("a text"));
            Answer {
                status: head.status,
                content_type: content_type.to_owned(),
                body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
            }
        })
    }

    /// Everything that came into the log since it was last looked at can be read.
    fn read_on(&mut self) {
        let events = self.on.log.read_after(self.read, None, usize::MAX >> 1);
        for event in self.runtime.block_on(events).expect("the log") {
            event.decode().unwrap_or_else(|error| panic!("position {}: {error}", event.position));
            self.read = event.position;
        }
    }
}

fn token(keys: &SigningKeys) -> String {
    let roles = [Role::Author, Role::Editor, Role::Admin].into_iter().collect();
    let user_id = UserId(Uuid::from_u128(7));
    let principal = Principal { user_id, roles, session: None };
    let now = Timestamp::from_millis(chrono::Utc::now().timestamp_millis());
    keys.sign(&principal, Duration::from_secs(24 * 3600), now).expect("a token")
}

/// The addresses that take a body, with one that is right.
fn corpus() -> Vec<(Method, &'static str, Value)> {
    let (title, content) = ("Bridge opens", "The mayor opened it.");
    let article = json!({
        "title": title, "content": content, "summary": "S", "tags": ["bridge"], "byline": "Ada",
        "status": "published", "publish_at": "2126-01-01T00:00:00Z",
        "embargo_until": "2126-01-01T00:00:00Z",
    });
    let text = json!({ "title": title, "content": content, "correction_note": "The day." });
    let unknown = "01940000-0000-7000-8000-000000000002";
    let person = json!({ "name": "Ada", "email": "ada@example.org" });
    vec![
        (Method::POST, "/v1/news/sports", article),
        (Method::PUT, "/v1/news/sports/{article}", text),
        (Method::POST, "/v1/news/sports/{article}/publish", json!({})),
        (
            Method::POST,
            "/v1/news/sports/{article}/schedule",
            json!({ "publish_at": "2126-01-01T00:00:00Z" }),
        ),
        (
            Method::POST,
            "/v1/news/sports/{article}/embargo",
            json!({ "until": "2126-01-01T00:00:00Z" }),
        ),
        (Method::POST, "/v1/news/sports/{article}/retract", json!({ "reason": "No bridge." })),
        (Method::POST, "/v1/news/sports/{article}/move", json!({ "category": "sports" })),
        (Method::PUT, "/v1/front/sports", json!({ "pinned": [unknown] })),
        (Method::PUT, "/v1/front/breaking", json!({ "article_id": unknown })),
        (
            Method::POST,
            "/v1/users",
            json!({ "name": "Ada", "email": "ada@example.org", "password": "short" }),
        ),
        (Method::PUT, "/v1/users/{user}", person),
        (Method::POST, "/v1/users/{user}/password", json!({ "password": "another long one" })),
        (Method::PUT, "/v1/users/{user}/roles", json!({ "roles": ["author"] })),
        (
            Method::POST,
            "/v1/webhooks",
            json!({ "url": "https://a.example/", "categories": ["sports"], "after": 0,
                    "types": ["news.article_published"] }),
        ),
        (Method::POST, "/v1/sessions/refresh", json!({ "refresh_token": "none" })),
    ]
}

fn request() -> impl Strategy<Value = (Method, &'static str, Vec<u8>)> {
    prop::sample::select(corpus()).prop_flat_map(|(method, path, body)| {
        mutated(vec![body]).prop_map(move |body| (method.clone(), path, body))
    })
}

fn run(mut target: Target) {
    let kept = FileFailurePersistence::WithSource("regressions");
    let config = ProptestConfig {
        failure_persistence: Some(Box::new(kept)),
        source_file: Some(file!()),
        ..ProptestConfig::default()
    };
    let sent = std::cell::RefCell::new(&mut target);
    let checked = TestRunner::new(config).run(&request(), |(method, path, body)| {
        let mut target = sent.borrow_mut();
        let Answer { status, content_type, body } = target.send_hostile(&method, path, body);
        target.read_on();
        prop_assert!(!status.is_server_error(), "{} {}: {} {}", method, path, status, body);
        if status.is_client_error() {
            prop_assert_eq!(content_type, "application/problem+json");
            prop_assert_eq!(&body["status"], &json!(status.as_u16()));
        }
        Ok(())
    });
    checked.unwrap_or_else(|error| panic!("{error}"));
    let Target { runtime, on, router, .. } = target;
    drop(router);
    runtime.block_on(on.remove());
}

/// Each field has a type that is wrong for all of them, and one more is unknown.
#[test]
fn every_wrong_field_of_a_body_is_named_in_one_answer() {
    let target = Target::new(Database::sqlite());
    let unknown = Uuid::from_u128(1);
    let redeliver = format!("/v1/webhooks/{unknown}/redeliver");
    let more = [
        ("/v1/users/{user}/password", json!({ "password": 1, "current_password": 1 })),
        ("/v1/sessions", json!({ "email": 1, "password": 1 })),
        (redeliver.as_str(), json!({ "after": 1, "until": 1 })),
    ];
    let more = more.map(|(path, body)| (Method::POST, path, body));
    for (method, path, body) in corpus().into_iter().chain(more) {
        let mut names: Vec<_> = body.as_object().expect("an object").keys().cloned().collect();
        names.push("zzz".to_owned());
        let wrong: Value = names.iter().map(|name| (name.clone(), json!({}))).collect();
        let answer = target.send_hostile(&method, path, wrong.to_string().into());
        assert_eq!(answer.status, 422, "{path}: {}", answer.body);
        let errors = answer.body["errors"].as_array().expect("errors").iter();
        let mut pointers: Vec<_> = errors.map(|error| error["pointer"].clone()).collect();
        pointers.sort_by_key(ToString::to_string);
        let mut expected: Vec<_> = names.iter().map(|name| json!(format!("/{name}"))).collect();
        expected.sort_by_key(ToString::to_string);
        assert_eq!(pointers, expected, "{path}: {}", answer.body);
    }
    let Target { runtime, on, router, .. } = target;
    drop(router);
    runtime.block_on(on.remove());
}

#[test]
fn hostile_bodies_get_an_answer_and_leave_a_readable_log_on_sqlite() {
    run(Target::new(Database::sqlite()));
}

#[test]
fn hostile_bodies_get_an_answer_and_leave_a_readable_log_on_postgresql() {
    run(Target::new(Database::postgres()));
}
