//! The public door as a client sees it: requests and what comes back.

use std::time::{Duration, Instant};

use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

use super::{DEADLINE, Portal, Wiring};

/// The public door, for one client; clients that work at the same time have a clone each.
#[derive(Clone)]
pub struct Door {
    pub client: Client,
    /// `http://host:port`
    pub url: String,
    /// The access token of who is signed in.
    pub token: Option<String>,
}

impl Door {
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// A query that sees everything up to a position.
    pub fn get_at(&self, path: &str, position: i64) -> RequestBuilder {
        self.request(Method::GET, path).header("portal-min-position", position)
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of_patient(self.request(Method::GET, path)).await
    }

    /// The first answer, whatever it says.
    pub async fn get_once(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    pub async fn read(&self, path: &str, position: i64) -> Answer {
        Answer::of_patient(self.get_at(path, position)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::DELETE, path)).await
    }

    /// A change of the version that the client has seen.
    pub async fn change(&self, method: Method, path: &str, version: i64, body: Value) -> Answer {
        let request = self.request(method, path).json(&body);
        Answer::of(request.header("if-match", format!("\"{version}\""))).await
    }
}

impl Portal {
    /// The service that is the public door.
    pub fn door_name(&self) -> &'static str {
        if self.wiring == Wiring::Embedded { "portal" } else { "orchestrator" }
    }

    /// The door as a reader sees it who has not signed in.
    pub fn door(&self) -> Door {
        let (client, url) = (self.client.clone(), self.url(self.door_name(), ""));
        Door { client, url, token: None }
    }

    /// The door for who has this access token.
    pub fn with_token(&self, token: &str) -> Door {
        Door { token: Some(token.to_owned()), ..self.door() }
    }

    /// The door for somebody new with this role.
    pub fn with_role(&self, role: &str) -> Door {
        self.with_token(self.tool(&["token", "--role", role]).trim())
    }

    /// The door for the editor of this test.
    pub fn editor(&self) -> Door {
        let token = self.editor.get_or_init(|| self.tool(&["token", "--role", "editor"]));
        self.with_token(token.trim())
    }

    /// A request of the editor.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.editor().request(method, path)
    }

    /// What a reader gets.
    pub async fn get(&self, path: &str) -> Answer {
        self.door().get(path).await
    }

    /// What a reader gets who must see everything up to a position.
    pub async fn get_at(&self, path: &str, position: i64) -> Answer {
        self.door().read(path, position).await
    }

    /// What the editor sends.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.editor().post(path, body).await
    }

    /// What the editor changes.
    pub async fn change(&self, method: Method, path: &str, version: i64, body: Value) -> Answer {
        self.editor().change(method, path, version, body).await
    }

    /// Publishes an article; its JSON and the position of the event.
    pub async fn publish(&self, category: &str, title: &str) -> (Value, i64) {
        let body = json!({"title": title, "content": "Text.", "tags": ["test"]});
        let answer = self.post(&format!("/v1/news/{category}"), body).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let position = answer.position();
        (answer.body, position)
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
    /// How often a patient client was told to ask again before.
    pub refused: usize,
}

impl Answer {
    pub async fn of(request: RequestBuilder) -> Self {
        Self::try_of(request).await.expect("an answer")
    }

    /// What somebody gets who asks again when told to, as a busy machine may tell anybody: that it is
    /// too early, or that a part of the page was late. Who has to be answered at once, or refused, or
    /// to see a page with a part missing, is asked for with [`Answer::of`].
    pub async fn of_patient(request: RequestBuilder) -> Self {
        let (began, mut refused) = (Instant::now(), 0);
        loop {
            let again = request.try_clone().expect("a request without a body");
            let answer = Self { refused, ..Self::of(again).await };
            let is_early = answer.status == 503 && !answer.header("retry-after").is_empty();
            let told = is_early || answer.body["degraded"] == true;
            if !told || began.elapsed() > DEADLINE {
                return answer;
            }
            refused += 1;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub async fn try_of(request: RequestBuilder) -> Result<Self, reqwest::Error> {
        let response: Response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await?;
        let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok());
        let body = if bytes.is_empty() {
            Value::Null
        } else if kind.is_some_and(|kind| kind.contains("text") || kind.contains("xml")) {
            Value::String(String::from_utf8(bytes.into()).expect("UTF-8"))
        } else {
            serde_json::from_slice(&bytes).expect("JSON")
        };
        Ok(Self { status, headers, body, refused: 0 })
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn position(&self) -> i64 {
        self.header("portal-position").parse().expect("a Portal-Position")
    }

    /// Whether a command need not be repeated: 503 leaves open whether it was carried out, and a
    /// repetition may find the first one still under way.
    pub fn says_what_became_of_it(&self) -> bool {
        self.status != 503 && self.body["type"] != "/problems/in-progress"
    }

    /// Asserts an error of this status and type, in the form that every error has.
    pub fn is_problem(&self, status: u16, kind: &str) {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.body["type"], format!("/problems/{kind}"), "{}", self.body);
        assert_eq!(self.body["status"], status);
        assert!(self.body["title"].is_string() && self.body["detail"].is_string());
        assert!(!self.header("x-request-id").is_empty());
    }
}

/// The section of a home page.
pub fn section<'a>(home: &'a Value, category: &str) -> &'a Value {
    let sections = home["sections"].as_array().expect("sections");
    sections.iter().find(|section| section["category"] == category).expect("the section")
}
