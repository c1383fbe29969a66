//! What the door makes of the answers of those behind it, and for whom. The services are stand-ins.

use std::net::SocketAddr;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use events::{Role, Timestamp, UserId};
use futures::StreamExt;
use orchestrator::{Orchestrator, query_routes};
use proto::token::{ACCESS_TOKEN_LIFETIME, Claims, Principal, SigningKey};
use serde_json::Value;
use tower::ServiceExt;
use uuid::Uuid;

use crate::stand_ins::{DRAFT, MOVED, PUBLISHED, RETRACTED, commands, queries};

struct Door {
    router: Router,
    key: SigningKey,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Nobody may keep it, and nobody else may get it.
    fn is_private(&self) -> bool {
        self.header("cache-control") == "no-store" && self.header("vary") == "authorization"
    }
}

impl Door {
    fn new() -> Self {
        let key = SigningKey::generate().expect("a key");
        let categories = ["sports", "politics"].map(|name| name.parse().expect("a category"));
        let stacks = categories.map(|category| (category, queries()));
        let router = Orchestrator::new(commands(&key), stacks.to_vec()).router();
        Self { router, key }
    }

    fn token(&self, user: u128, roles: &[Role]) -> String {
        let roles = roles.iter().copied().collect();
        let principal = Principal { user_id: UserId(Uuid::from_u128(user)), roles, session: None };
        let now = Timestamp::from_millis(chrono::Utc::now().timestamp_millis());
        self.key.sign(&Claims::new(&principal, ACCESS_TOKEN_LIFETIME, now)).expect("a token")
    }

    async fn ask(&self, method: Method, path: &str, token: Option<&str>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Body::empty()).unwrap();
        let (head, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status: head.status, headers: head.headers, body }
    }

    async fn get(&self, path: &str, token: Option<&str>) -> Answer {
        self.ask(Method::GET, path, token).await
    }
}

#[tokio::test]
async fn a_draft_is_there_for_the_newsroom_only_and_nobody_keeps_it() {
    let door = Door::new();
    let path = format!("/v1/news/sports/{DRAFT}");
    let public = door.get(&path, None).await;
    assert_eq!((public.status, public.header("vary")), (StatusCode::NOT_FOUND, "authorization"));
    let reader = door.token(1, &[Role::Reader, Role::Admin]);
    assert_eq!(door.get(&path, Some(&reader)).await.status, StatusCode::NOT_FOUND);
    let author = door.token(1, &[Role::Author]);
    let seen = door.get(&path, Some(&author)).await;
    assert_eq!(seen.status, StatusCode::OK);
    assert!(seen.is_private(), "{:?}", seen.headers);
    assert_eq!(seen.body["published_at"], Value::Null);
    assert_eq!(seen.body["publish_at"], "2026-11-22T07:00:00.000Z");
    let wrong = door.get(&path, Some("nonsense")).await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert!(wrong.header("www-authenticate").starts_with("Bearer"));
}

#[tokio::test]
async fn what_is_public_is_answered_without_a_look_at_the_token() {
    let door = Door::new();
    for path in [&format!("/v1/news/sports/{PUBLISHED}"), "/v1/news"] {
        let answer = door.get(path, Some("nonsense")).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.header("cache-control"), "no-cache", "{path}");
    }
    assert_eq!(door.get("/v1/home", Some("nonsense")).await.status, StatusCode::OK);
    let article = door.get(&format!("/v1/news/sports/{PUBLISHED}"), None).await.body;
    let article = article.as_object().expect("an object");
    assert!(article.contains_key("byline") && !article.contains_key("publish_at"), "{article:?}");
}

#[tokio::test]
async fn an_article_that_moved_is_301_and_one_that_was_taken_back_is_410() {
    let door = Door::new();
    for rest in ["", "/history", "?version=2"] {
        let answer = door.get(&format!("/v1/news/sports/{MOVED}{rest}"), None).await;
        assert_eq!(answer.status, StatusCode::MOVED_PERMANENTLY, "{rest}");
        assert_eq!(answer.header("location"), format!("/v1/news/politics/{MOVED}{rest}"));
        let answer = door.get(&format!("/v1/news/sports/{RETRACTED}{rest}"), None).await;
        assert_eq!((answer.status, &answer.body["reason"]), (StatusCode::GONE, &"Untrue.".into()));
    }
}

#[tokio::test]
async fn the_ledger_and_past_states_are_asked_for_as_who_asks() {
    let door = Door::new();
    let author = door.token(1, &[Role::Author]);
    let history = format!("/v1/news/sports/{PUBLISHED}/history");
    let public = door.get(&history, None).await;
    assert_eq!(public.body[0]["changes"][0]["from"], Value::Null);
    assert_eq!(public.body[0]["changes"][0]["to"], serde_json::json!(["a", "b"]));
    assert_eq!(public.header("cache-control"), "no-cache");
    let all = door.get(&history, Some(&author)).await;
    assert!(all.is_private());
    assert_eq!(all.body.as_array().map(Vec::len), Some(2));
    let past = format!("/v1/news/sports/{PUBLISHED}?version=1");
    assert_eq!(door.get(&past, None).await.body["version"], 1);
    assert!(door.get(&past, Some(&author)).await.is_private());
    for wrong in ["?version=1&as_of=2026-11-21T07:00:00Z", "?colour=red", "/history?limit=1"] {
        let answer = door.get(&format!("/v1/news/sports/{PUBLISHED}{wrong}"), None).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    }
}

#[tokio::test]
async fn a_ledger_has_no_largest_size() {
    let answer = Door::new().get(&format!("/v1/news/sports/{DRAFT}/history"), None).await;
    assert_eq!(answer.status, StatusCode::OK);
    let longest = answer.body[0]["changes"][0]["to"][0].as_str().map(str::len);
    assert_eq!(longest, Some(5 * 1024 * 1024));
}

#[tokio::test]
async fn lists_of_one_status_are_the_newsrooms() {
    let door = Door::new();
    let (reader, editor) = (door.token(1, &[Role::Reader]), door.token(1, &[Role::Editor]));
    for path in ["/v1/news", "/v1/news/sports"] {
        let status = async |query: &str, token| {
            let answer = door.get(&format!("{path}{query}"), token).await;
            assert!(answer.is_private(), "{query}");
            answer.status.as_u16()
        };
        assert_eq!(status("?status=draft", None).await, 401);
        assert_eq!(status("?status=draft", Some(&reader)).await, 403);
        assert_eq!(status("?status=draft", Some(&editor)).await, 200);
        // Wrong for every caller, so the answer depends on none.
        assert_eq!(door.get(&format!("{path}?status=secret"), Some(&editor)).await.status, 422);
    }
    assert_eq!(door.get("/v1/home?status=draft", Some(&editor)).await.status, 422);
}

#[tokio::test]
async fn users_see_themselves_and_admins_see_all() {
    let door = Door::new();
    let (reader, admin) = (door.token(7, &[Role::Reader]), door.token(8, &[Role::Admin]));
    let path = format!("/v1/users/{}", Uuid::from_u128(7));
    for (path, token, expected) in [
        (path.as_str(), None, 401),
        (&path, Some(&reader), 200),
        (&path, Some(&admin), 200),
        (&format!("/v1/users/{}", Uuid::from_u128(9)), Some(&reader), 403),
        ("/v1/users/nobody", Some(&admin), 404),
        ("/v1/users", None, 401),
        ("/v1/users", Some(&reader), 403),
        ("/v1/users", Some(&admin), 200),
        ("/v1/users?tag=a", Some(&admin), 422),
    ] {
        let answer = door.get(path, token.map(String::as_str)).await;
        assert_eq!(answer.status, expected, "{path}");
        assert!(answer.is_private(), "{path}");
    }
    let first = door.get("/v1/users?limit=1", Some(&admin)).await;
    assert_eq!(first.body["items"][0]["name"], "Ada");
    assert!(first.body["next"].is_string());
}

#[tokio::test]
async fn what_is_no_query_goes_to_the_command_stack() {
    let door = Door::new();
    let article = format!("/v1/news/sports/{DRAFT}");
    for (method, path) in [
        (Method::POST, "/v1/news/sports".to_owned()),
        (Method::PUT, article.clone()),
        (Method::POST, format!("{article}/publish")),
        (Method::POST, "/v1/users".to_owned()),
        (Method::PUT, "/v1/users/1".to_owned()),
        (Method::DELETE, "/v1/users/1".to_owned()),
        (Method::PUT, "/v1/users/1/roles".to_owned()),
        (Method::POST, "/v1/sessions".to_owned()),
        (Method::DELETE, "/v1/sessions".to_owned()),
    ] {
        let answer = door.ask(method.clone(), &path, None).await;
        assert_eq!(answer.body["forwarded"], format!("{method} {path}"));
    }
    let keys = door.get("/.well-known/jwks.json", None).await;
    assert!(keys.body["keys"].is_array());
    assert_eq!(door.ask(Method::DELETE, "/v1/news/sports", None).await.status, 405);
}

#[tokio::test]
async fn the_command_stack_is_told_from_where_a_request_came() {
    let door = Door::new();
    let forwarded_for = async |came: Option<&str>, peer: Option<SocketAddr>| {
        let mut request = Request::post("/v1/sessions");
        if let Some(came) = came {
            request = request.header("x-forwarded-for", came);
        }
        if let Some(peer) = peer {
            request = request.extension(ConnectInfo(peer));
        }
        let request = request.body(Body::empty()).unwrap();
        let answer = door.router.clone().oneshot(request).await.unwrap();
        let bytes = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        serde_json::from_slice::<Value>(&bytes).unwrap()["for"].clone()
    };
    let peer = Some(SocketAddr::from(([192, 0, 2, 2], 50_000)));
    assert_eq!(forwarded_for(None, None).await, Value::Null);
    assert_eq!(forwarded_for(None, peer).await, "192.0.2.2");
    assert_eq!(forwarded_for(Some("192.0.2.1"), peer).await, "192.0.2.1, 192.0.2.2");
}

/// The first bytes of an answer that has no end.
async fn first_of(door: &Door, path: &str, header: (&str, &str), length: usize) -> String {
    let request = Request::get(path).header(header.0, header.1).body(Body::empty()).unwrap();
    let answer = door.router.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let (mut body, mut text) = (answer.into_body().into_data_stream(), String::new());
    while text.len() < length {
        text += std::str::from_utf8(&body.next().await.unwrap().unwrap()).unwrap();
    }
    text
}

#[tokio::test]
async fn who_listens_gets_what_was_missed_and_only_of_the_category_that_was_asked_for() {
    let door = Door::new();
    // From the log: memory begins at 10.
    let past = first_of(&door, "/v1/live", ("last-event-id", "5"), 100).await;
    assert!(past.starts_with("id: 6\nevent: article_published\ndata: {\"position\":6,"), "{past}");
    let recent = first_of(&door, "/v1/live?category=politics&after=10", ("x", "y"), 50).await;
    assert!(recent.starts_with("id: 12\n") && recent.ends_with("\n\n"), "{recent}");
    for (path, last, status) in
        [("/v1/live?category=unknown", "", 404), ("/v1/live", "x", 400), ("/v1/live?a=b", "", 422)]
    {
        let request = Request::get(path).header("last-event-id", last).body(Body::empty()).unwrap();
        let answer = door.router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), status, "{path} {last}");
    }
}

#[tokio::test]
async fn the_front_page_is_one_page_for_all_until_something_changes() {
    let door = Door::new();
    let page = door.get("/v1/home", None).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.header("cache-control").starts_with("public, max-age="), "{:?}", page.headers);
    assert!(page.header("vary").contains("authorization"));
    let tag = page.header("etag").to_owned();
    assert_eq!(door.get("/v1/home", None).await.header("etag"), tag);
    let conditional = |encoding: &str| {
        let request = Request::get("/v1/home").header("if-none-match", &tag);
        request.header("accept-encoding", encoding).body(Body::empty()).unwrap()
    };
    let known = door.router.clone().oneshot(conditional("identity")).await.unwrap();
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(known.headers()["etag"], tag);
    let smaller = door.router.clone().oneshot(conditional("gzip, br;q=0")).await.unwrap();
    assert_eq!(smaller.status(), StatusCode::OK, "another form has another tag");
    assert_eq!(smaller.headers()["content-encoding"], "gzip");
    let reader = door.token(1, &[Role::Reader]);
    let own = door.get("/v1/home", Some(&reader)).await;
    assert_eq!(own.header("cache-control"), "private, no-store");
    assert_eq!(own.body["for_you"][0]["reason"], "new", "{}", own.body);
    let past = door.get("/v1/home?as_of=2026-11-21T07:00:00Z", None).await;
    assert_eq!(past.body["sections"][0]["articles"][0]["id"], MOVED);
    for wrong in ["?limit=0", "?limit=101", "?as_of=yesterday", "?tag=a", "?limit=x"] {
        let answer = door.get(&format!("/v1/home{wrong}"), None).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    }
}

#[tokio::test]
async fn every_address_in_the_table_is_answered() {
    let door = Door::new();
    for route in query_routes() {
        let path = route.replace("{category}", "sports").replace("{id}", PUBLISHED);
        let path = path.replace("{name}", "sports.atom").replace("{file}", "start.js");
        let request = Request::get(&path).body(Body::empty()).unwrap();
        let answer = door.router.clone().oneshot(request).await.unwrap();
        assert!(answer.status() != StatusCode::NOT_FOUND, "{path}");
    }
}
