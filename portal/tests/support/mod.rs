//! A running portal, as a user and an operator see it: processes, HTTP and the command line.
//!
//! [`Wiring::Embedded`] is one process on SQLite; [`Wiring::Servers`] is a process per service on
//! the PostgreSQL, RabbitMQ and MongoDB that `scripts/services env` names, each test with a
//! database, a vhost and a view database of its own.
#![expect(unreachable_pub, reason = "two test programs use it")]

pub mod accounts;
pub mod certificates;
pub mod checkers;
pub mod collector;
pub mod health;
pub mod http;
pub mod live;
pub mod newsroom;
pub mod past;
pub mod processes;
pub mod receiver;
pub mod stores;
pub mod walk;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::Value;
use tempfile::TempDir;

use self::processes::Service;
use self::stores::{migrated_stores, remove_queues, required};

/// Makes a test of each journey: on both wirings where it can fail differently on the real servers, on
/// the embedded wiring where it cannot (docs/testing.md says which and why). A journey takes a running
/// portal, `with` these settings, or, `by wiring`, the wiring alone.
#[macro_export]
macro_rules! journeys {
    (@ by $wiring:ident $journey:ident) => {
        #[tokio::test(flavor = "multi_thread")]
        async fn $journey() {
            super::$journey($crate::support::Wiring::$wiring).await
        }
    };
    (@ $settings:block $wiring:ident $journey:ident) => {
        #[tokio::test]
        async fn $journey() {
            let wiring = $crate::support::Wiring::$wiring;
            super::$journey($crate::support::Portal::start_with(wiring, $settings).await).await
        }
    };
    (@ all $how:tt $(both { $($both:ident)* })? $(embedded { $($only:ident)* })?) => {
        mod embedded {
            $($($crate::journeys!(@ $how Embedded $both);)*)?
            $($($crate::journeys!(@ $how Embedded $only);)*)?
        }
        $(mod servers {
            $($crate::journeys!(@ $how Servers $both);)*
        })?
    };
    (by wiring; $($journeys:tt)*) => { $crate::journeys!(@ all by $($journeys)*); };
    (with $settings:block; $($journeys:tt)*) => { $crate::journeys!(@ all $settings $($journeys)*); };
    ($($journeys:tt)*) => {
        $crate::journeys!(@ all { $crate::support::Environment::new() } $($journeys)*);
    };
}

/// Longer than anything takes on a busy machine: only a failure lasts so long.
pub const DEADLINE: Duration = Duration::from_mins(2);

/// One value for `scripts/test`, another for `scripts/test thorough`.
pub fn by_depth<T>(short: T, thorough: T) -> T {
    if std::env::var_os("PORTAL_TEST_THOROUGH").is_some() { thorough } else { short }
}

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

impl Portal {
    /// A portal with the default categories.
    pub async fn start(wiring: Wiring) -> Self {
        Self::start_with(wiring, Environment::new()).await
    }

    /// A portal with further settings.
    pub async fn start_with(wiring: Wiring, settings: Environment) -> Self {
        let mut environment = match wiring {
            Wiring::Embedded => Environment::new(),
            Wiring::Servers => migrated_stores(&required).await,
        };
        environment.extend(settings);
        Self::start_on(wiring, environment)
    }

    /// A portal on stores that have the tables of the log; embedded ones get them at the start.
    pub fn start_on(wiring: Wiring, environment: Environment) -> Self {
        let mut portal = Self::not_started(wiring, environment);
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

    /// The program, with the settings of this portal.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portal"));
        let is_setting = |name: &str| name.starts_with("PORTAL_") || name.starts_with("OTEL_");
        for (variable, _) in std::env::vars().filter(|(name, _)| is_setting(name)) {
            command.env_remove(variable);
        }
        command.env("PORTAL_LOG", "warn").env("PORTAL_DATA_DIR", self.folder.path());
        // A test asks for more than anybody would, from one address.
        command.env("PORTAL_CLIENT_RATE_LIMIT", "0").env("PORTAL_USER_RATE_LIMIT", "0");
        command.envs(&self.environment);
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
                Some(category) => {
                    let view = |projection| format!("{projection}_{category}");
                    ["articles", "desk", "search"].map(view).to_vec()
                }
                None if partition == Some("front") => vec!["front".to_owned()],
                None => vec!["users".to_owned()],
            };
            let line = |view| format!("{view}: * at position {end}, equal to the log");
            expected.extend(views.into_iter().map(line));
        }
        eventually("every view has all of the log", async || {
            let output = self.run(&["verify"]);
            let text = String::from_utf8_lossy(&output.stdout);
            // It waits for a view as long as an operator would, which is not as long as a test.
            let is_behind = text.contains("behind the log");
            assert!(output.status.success() || is_behind, "portal verify: {text}");
            expected.iter().all(|line| has_line(&text, line)).then_some(())
        })
        .await;
    }
}

/// Closes idle connections before the portal does, after 20 s: a request must not meet that end.
fn new_client() -> Client {
    let client = Client::builder().timeout(DEADLINE).pool_idle_timeout(Duration::from_secs(5));
    client.build().expect("a client")
}

impl Drop for Portal {
    fn drop(&mut self) {
        self.kill_all();
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
