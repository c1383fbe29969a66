//! A running portal, as a user and an operator see it: processes, HTTP and the command line.
//!
//! [`Wiring::Embedded`] is one process on SQLite; [`Wiring::Servers`] is a process per service on
//! the PostgreSQL, RabbitMQ and MongoDB that `scripts/services env` names, each test with a
//! database, a vhost and a view database of its own.
#![expect(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

pub mod accounts;
pub mod certificates;
pub mod health;
pub mod http;
pub mod newsroom;
pub mod past;
pub mod stores;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Lines};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::Value;
use tempfile::TempDir;

use self::stores::{fresh_stores, remove_queues, required};

/// Runs each journey on both wirings.
#[macro_export]
macro_rules! on_both_wirings {
    ($($journey:ident)*) => {
        mod embedded {
            $(#[tokio::test] async fn $journey() {
                super::$journey($crate::support::Portal::start($crate::support::Wiring::Embedded).await).await
            })*
        }
        mod servers {
            $(#[tokio::test] async fn $journey() {
                super::$journey($crate::support::Portal::start($crate::support::Wiring::Servers).await).await
            })*
        }
    };
}
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
    /// What the environment is besides for one of the services.
    pub of_service: BTreeMap<&'static str, Environment>,
    services: BTreeMap<&'static str, Service>,
    client: Client,
    editor: OnceLock<String>,
    folder: TempDir,
}

struct Service {
    process: Child,
    scheme: &'static str,
    address: String,
    arguments: Vec<String>,
}

/// What a process prints, line by line.
type Printed = Lines<BufReader<ChildStdout>>;

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
        let mut portal = Self::not_started(wiring, environment);
        portal.tool(&["migrate"]);
        portal.spawn_all();
        portal
    }

    /// A portal of which nothing runs yet, and that has no tables.
    pub fn not_started(wiring: Wiring, environment: Environment) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (services, client, editor) = (BTreeMap::new(), new_client(), OnceLock::new());
        let of_service = BTreeMap::new();
        Self { environment, wiring, of_service, services, client, editor, folder }
    }

    /// Starts every service, in an order in which each finds the addresses of those before it.
    pub fn spawn_all(&mut self) {
        match self.wiring {
            Wiring::Embedded => self.spawn("portal"),
            Wiring::Servers => SERVICES.into_iter().for_each(|service| self.spawn(service)),
        }
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
        self.signal(service, "TERM");
        self.exit_code(service)
    }

    pub fn signal(&self, service: &'static str, signal: &str) {
        let pid = self.pid(service).to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().expect("kill").success());
        let began = Instant::now();
        while signal == "STOP" && !is_stopped(&pid) {
            assert!(began.elapsed() < DEADLINE, "{service} does not stop");
            std::thread::yield_now();
        }
    }

    /// Waits for the end of a service.
    pub fn exit_code(&mut self, service: &'static str) -> Option<i32> {
        let service = self.services.get_mut(service).expect("a running service");
        service.process.wait().expect("its end").code()
    }

    /// Asks every service to stop, which each does cleanly, and starts all of them again.
    pub fn restart(&mut self) {
        for service in self.service_names() {
            assert_eq!(self.terminate(service), Some(0), "{service}");
        }
        self.spawn_all();
    }

    /// Starts a service, or starts it again at the address that it had.
    pub fn spawn(&mut self, name: &'static str) {
        let known = self.services.get(name).map(|service| service.arguments.clone());
        let arguments = match name {
            "portal" => vec![],
            "query-stack-1" => vec!["query-stack".to_owned(), "--categories=famous".to_owned()],
            "query-stack-2" => vec!["query-stack".to_owned(), self.other_categories()],
            "orchestrator" => self.orchestrator_arguments(),
            service => known.unwrap_or_else(|| vec![service.to_owned()]),
        };
        self.spawn_as(name, arguments);
    }

    /// Starts one of several services of a kind, under a name of its own.
    pub fn spawn_as(&mut self, name: &'static str, arguments: Vec<String>) {
        let address = self.services.remove(name).map(|service| service.address);
        let address = address.as_deref().unwrap_or("127.0.0.1:0");
        let (process, mut lines) = self.launch(name, &arguments, address);
        let first = lines.next().and_then(Result::ok).unwrap_or_else(|| panic!("{name} ended"));
        let (scheme, address) =
            first.split_once("://").unwrap_or_else(|| panic!("{name}: {first}"));
        let (scheme, address) = (with_or_without_tls(scheme), address.to_owned());
        // Or the process would block once the pipe is full.
        std::thread::spawn(move || lines.for_each(drop));
        self.services.insert(name, Service { process, scheme, address, arguments });
        // The old one could send a request into a connection to the process before.
        self.client = new_client();
    }

    /// Starts a service at this address and does not wait for it: what it needs may be down.
    pub fn begin(&mut self, name: &'static str, arguments: Vec<String>, address: String) {
        let (process, lines) = self.launch(name, &arguments, &address);
        std::thread::spawn(move || lines.for_each(drop));
        self.services.insert(name, Service { process, scheme: "http", address, arguments });
    }

    /// Starts a service that ran before, likewise.
    pub fn begin_again(&mut self, name: &'static str) {
        let Service { address, arguments, .. } = self.services.remove(name).expect("a service");
        self.begin(name, arguments, address);
    }

    fn launch(&self, name: &str, arguments: &[String], address: &str) -> (Child, Printed) {
        let mut command = self.command();
        command.args(arguments).args(["--listen", address]);
        command.envs(self.of_service.get(name).into_iter().flatten());
        std::fs::create_dir_all(self.logs()).expect("a folder for what is logged");
        let log = self.logs().join(format!("{name}.log"));
        let log = OpenOptions::new().create(true).append(true).open(log);
        command.stderr(log.expect("a file for what is logged"));
        let mut process = command.stdout(Stdio::piped()).spawn().expect("a process");
        let lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        (process, lines)
    }

    /// How a service ended, if it has.
    pub fn ended(&mut self, name: &str) -> Option<ExitStatus> {
        let service = self.services.get_mut(name).expect("a service");
        service.process.try_wait().expect("a process of ours")
    }

    fn other_categories(&self) -> String {
        let all = self.environment.get("PORTAL_CATEGORIES");
        let all = all.map_or("famous,politics,sports", String::as_str);
        let others: Vec<_> = all.split(',').filter(|category| *category != "famous").collect();
        format!("--categories={}", others.join(","))
    }

    fn orchestrator_arguments(&self) -> Vec<String> {
        let address = |name| self.url(name, "");
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

    /// The program, with the settings of this portal.
    pub fn command(&self) -> Command {
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
        let Service { scheme, address, .. } = &self.services[service];
        format!("{scheme}://{address}{path}")
    }

    /// What all services have logged.
    pub fn logged(&self) -> String {
        let files = std::fs::read_dir(self.logs()).into_iter().flatten().flatten();
        files.map(|file| std::fs::read_to_string(file.path()).unwrap_or_default()).collect()
    }

    /// Where each service has a file for what it logs.
    pub fn logs(&self) -> PathBuf {
        self.folder.path().with_extension("logs")
    }

    /// A file in the data directory of the embedded stores.
    pub fn data_file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The log, as `portal events` shows it.
    pub fn events(&self) -> Vec<Value> {
        let lines = self.tool(&["events", "--json"]);
        lines.lines().map(|line| serde_json::from_str(line).expect("an event")).collect()
    }

    /// `portal verify` passes, and goes on to pass until every view has all of the log.
    pub async fn verifies(&self) {
        let events = self.events();
        let mut expected = vec![format!("event log: {} events, complete", events.len())];
        let ends = events.iter().map(|event| (event["source"].as_str(), &event["position"]));
        for (partition, end) in ends.collect::<BTreeMap<_, _>>() {
            let views = match partition.and_then(|partition| partition.strip_prefix("news.")) {
                Some(category) => vec![format!("articles_{category}"), format!("desk_{category}")],
                None => vec!["users".to_owned()],
            };
            let line = |view| format!("{view}: * at position {end}, equal to the log");
            expected.extend(views.into_iter().map(line));
        }
        eventually("every view has all of the log", async || {
            let text = self.tool(&["verify"]);
            expected.iter().all(|line| has_line(&text, line)).then_some(())
        })
        .await;
    }
}

/// Whether every thread stands still: a signal returns before it has reached them all.
fn is_stopped(pid: &str) -> bool {
    let mut threads =
        std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let state = |thread: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        // The name before it may hold anything, also a bracket.
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    };
    threads.all(state)
}

fn with_or_without_tls(listening: &str) -> &'static str {
    match listening {
        "listening on http" | "listening on grpc" => "http",
        "listening on https" | "listening on grpcs" => "https",
        other => panic!("{other}"),
    }
}

fn new_client() -> Client {
    Client::builder().timeout(DEADLINE).build().expect("a client")
}

const SERVICES: [&str; 5] =
    ["command-stack", "relay", "query-stack-1", "query-stack-2", "orchestrator"];

impl Drop for Portal {
    fn drop(&mut self) {
        for service in self.services.values_mut() {
            let _ = service.process.kill();
            let _ = service.process.wait();
        }
        // Who looks into a failure wants to see what was logged, and what is in the stores.
        if std::thread::panicking() {
            eprintln!("{}", self.logged());
        }
        let _ = std::fs::remove_dir_all(self.logs());
        if self.wiring == Wiring::Servers && !std::thread::panicking() {
            let environment = std::mem::take(&mut self.environment);
            let _ = std::thread::spawn(|| {
                let runtime = tokio::runtime::Runtime::new().expect("a runtime");
                runtime.block_on(async move { remove_queues(&environment).await });
            })
            .join();
        }
    }
}

/// Looks again and again until there is something, or fails at the deadline.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let patience = Patience::new(what);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        patience.pause().await;
    }
}

/// The pauses between one look and the next, until the deadline.
pub struct Patience<'a> {
    what: &'a str,
    began: Instant,
}

impl<'a> Patience<'a> {
    pub fn new(what: &'a str) -> Self {
        Self { what, began: Instant::now() }
    }

    pub async fn pause(&self) {
        assert!(self.began.elapsed() < DEADLINE, "not within {DEADLINE:?}: {}", self.what);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether there is a line of this form, in which `*` stands for anything.
fn has_line(text: &str, form: &str) -> bool {
    let (start, end) = form.split_once('*').unwrap_or((form, ""));
    text.lines().any(|line| line.starts_with(start) && line.ends_with(end))
}
