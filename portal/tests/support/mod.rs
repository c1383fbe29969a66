//! A running portal, as a user and an operator see it: processes, HTTP and the command line.
//!
//! [`Wiring::Embedded`] is one process on SQLite; [`Wiring::Servers`] is a process per service on
//! the PostgreSQL, RabbitMQ and MongoDB that `scripts/services env` names, each test with a
//! database, a vhost and a view database of its own.
#![expect(dead_code, reason = "each test binary uses a part of it")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;
use uuid::Uuid;

/// Longer than anything takes on a busy machine, so that only a failure lasts so long.
pub const DEADLINE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wiring {
    Embedded,
    Servers,
}

/// The environment of a portal: which stores, and which categories.
pub type Environment = BTreeMap<String, String>;

pub struct Portal {
    pub environment: Environment,
    pub wiring: Wiring,
    services: BTreeMap<&'static str, Service>,
    client: Client,
    folder: TempDir,
}

struct Service {
    process: Child,
    address: String,
}

pub fn required(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: see `scripts/services env`"))
}

/// A database, a vhost and a view database that nobody else uses, at the servers that the
/// environment names.
pub async fn fresh_stores(servers: &dyn Fn(&str) -> String) -> Environment {
    let name = format!("t{}", Uuid::now_v7().simple());
    let postgres = servers("PORTAL_EVENT_LOG");
    let mut connection = PgConnection::connect(&postgres).await.expect("PostgreSQL");
    let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::raw_sql(create).execute(&mut connection).await.expect("a database");
    let api = servers("PORTAL_TEST_RABBITMQ_API");
    let made = Client::new().put(format!("{api}/api/vhosts/{name}")).send().await;
    assert!(made.expect("the management API").status().is_success());
    BTreeMap::from([
        ("PORTAL_EVENT_LOG".to_owned(), with_path(&postgres, &name)),
        ("PORTAL_BUS".to_owned(), with_path(&servers("PORTAL_BUS"), &name)),
        ("PORTAL_VIEW_STORE".to_owned(), with_path(&servers("PORTAL_VIEW_STORE"), &name)),
    ])
}

/// The same address with another path: `scheme://host/path?query`.
fn with_path(url: &str, path: &str) -> String {
    let (base, query) =
        url.split_once('?').map_or((url, None), |(base, query)| (base, Some(query)));
    let (server, _) = base.rsplit_once('/').expect("scheme://host/path");
    query.map_or_else(|| format!("{server}/{path}"), |query| format!("{server}/{path}?{query}"))
}

impl Portal {
    /// A portal with the default categories.
    pub async fn start(wiring: Wiring) -> Self {
        Self::start_with(wiring, Environment::new()).await
    }

    /// A portal with further settings.
    pub async fn start_with(wiring: Wiring, settings: Environment) -> Self {
        let mut environment = match wiring {
            Wiring::Embedded => Environment::new(),
            Wiring::Servers => fresh_stores(&required).await,
        };
        environment.extend(settings);
        Self::start_on(wiring, environment)
    }

    /// A portal on stores that the caller has chosen.
    pub fn start_on(wiring: Wiring, environment: Environment) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let client = Client::builder().timeout(DEADLINE).build().expect("a client");
        let services = BTreeMap::new();
        let mut portal = Self { environment, wiring, services, client, folder };
        match wiring {
            Wiring::Embedded => portal.spawn("portal"),
            Wiring::Servers => {
                assert!(portal.run(&["migrate"]).status.success(), "portal migrate");
                for service in SERVICES {
                    portal.spawn(service);
                }
            }
        }
        portal
    }

    /// The services that run, by the names that `kill` and `spawn` take.
    pub fn service_names(&self) -> Vec<&'static str> {
        self.services.keys().copied().collect()
    }

    /// kill -9.
    pub fn kill(&mut self, service: &'static str) {
        let service = self.services.get_mut(service).expect("a running service");
        service.process.kill().expect("kill -9");
        service.process.wait().expect("its end");
    }

    /// SIGTERM, and its exit code.
    pub fn terminate(&mut self, service: &'static str) -> Option<i32> {
        let service = self.services.get_mut(service).expect("a running service");
        let pid = service.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
        service.process.wait().expect("its end").code()
    }

    /// Starts a service, or starts it again at the address that it had.
    pub fn spawn(&mut self, name: &'static str) {
        let address = self.services.remove(name).map(|service| service.address);
        let mut command = self.command();
        command.args(match name {
            "portal" => vec![],
            "query-stack-1" => vec!["query-stack".to_owned(), "--categories=famous".to_owned()],
            "query-stack-2" => vec!["query-stack".to_owned(), self.other_categories()],
            "orchestrator" => self.orchestrator_arguments(),
            service => vec![service.to_owned()],
        });
        command.arg("--listen").arg(address.as_deref().unwrap_or("127.0.0.1:0"));
        let mut process = command.stdout(Stdio::piped()).spawn().expect("a process");
        let mut lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let first = lines.next().and_then(Result::ok).unwrap_or_else(|| panic!("{name} ended"));
        let (_, address) = first.split_once("://").unwrap_or_else(|| panic!("{name}: {first}"));
        let address = address.to_owned();
        // Or the process would block once the pipe is full.
        std::thread::spawn(move || lines.for_each(drop));
        self.services.insert(name, Service { process, address });
    }

    fn other_categories(&self) -> String {
        let all = self.environment.get("PORTAL_CATEGORIES");
        let all = all.map_or("famous,politics,sports", String::as_str);
        let others: Vec<_> = all.split(',').filter(|category| *category != "famous").collect();
        format!("--categories={}", others.join(","))
    }

    fn orchestrator_arguments(&self) -> Vec<String> {
        let address = |name| format!("http://{}", self.services[name].address);
        let others = self.other_categories();
        let others = others.trim_start_matches("--categories=").split(',');
        let mut urls = vec![format!("famous={}", address("query-stack-1"))];
        urls.extend(others.map(|category| format!("{category}={}", address("query-stack-2"))));
        vec![
            "orchestrator".to_owned(),
            format!("--command-url={}", address("command-stack")),
            format!("--query-urls={}", urls.join(",")),
        ]
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portal"));
        for (variable, _) in std::env::vars().filter(|(name, _)| name.starts_with("PORTAL_")) {
            command.env_remove(variable);
        }
        command.envs(&self.environment).env("PORTAL_DATA_DIR", self.folder.path());
        command.env("PORTAL_LOG", "warn");
        command
    }

    /// A tool of the command line, with the settings of this portal.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().expect("a process")
    }

    /// A tool that must succeed; what it printed.
    pub fn tool(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "portal {arguments:?}: {text}{errors}");
        text
    }

    /// The process of a service, for what only the system knows of it.
    pub fn pid(&self, service: &str) -> u32 {
        self.services[service].process.id()
    }

    /// Where a service answers.
    pub fn url(&self, service: &str, path: &str) -> String {
        format!("http://{}{path}", self.services[service].address)
    }

    /// A request to the public door.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let door = if self.wiring == Wiring::Embedded { "portal" } else { "orchestrator" };
        self.client.request(method, self.url(door, path))
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(&body)).await
    }

    /// A change of the version that the client has seen.
    pub async fn change(&self, method: Method, path: &str, version: i64, body: Value) -> Answer {
        let request = self.request(method, path).json(&body);
        Answer::of(request.header("if-match", format!("\"{version}\""))).await
    }

    /// A query that sees everything up to a position.
    pub async fn get_at(&self, path: &str, position: i64) -> Answer {
        let request = self.request(Method::GET, path);
        Answer::of(request.header("portal-min-position", position)).await
    }

    /// Publishes an article; its JSON and the position of the event.
    pub async fn publish(&self, category: &str, title: &str) -> (Value, i64) {
        let body = json!({"title": title, "content": "Text.", "tags": ["test"]});
        let answer = self.post(&format!("/v1/news/{category}"), body).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let position = answer.position();
        (answer.body, position)
    }

    /// `portal verify` passes once the views have caught up.
    pub async fn verifies(&self) {
        let end = self.tool(&["events", "--json"]).lines().count();
        eventually("portal verify", async || {
            let text = self.tool(&["verify"]);
            text.contains(&format!("{end} events, complete")).then_some(())
        })
        .await;
    }
}

const SERVICES: [&str; 5] =
    ["command-stack", "relay", "query-stack-1", "query-stack-2", "orchestrator"];

impl Drop for Portal {
    fn drop(&mut self) {
        for service in self.services.values_mut() {
            let _ = service.process.kill();
            let _ = service.process.wait();
        }
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Answer {
    pub async fn of(request: RequestBuilder) -> Self {
        Self::try_of(request).await.expect("an answer")
    }

    pub async fn try_of(request: RequestBuilder) -> Result<Self, reqwest::Error> {
        let response: Response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await?;
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).expect("JSON")
        };
        Ok(Self { status, headers, body })
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn position(&self) -> i64 {
        self.header("portal-position").parse().expect("a Portal-Position")
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

/// Looks again and again until there is something, or fails at the deadline.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < DEADLINE, "not within {DEADLINE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The articles of a section of a home page.
pub fn section<'a>(home: &'a Value, category: &str) -> &'a Value {
    let sections = home["sections"].as_array().expect("sections");
    sections.iter().find(|section| section["category"] == category).expect("the section")
}
