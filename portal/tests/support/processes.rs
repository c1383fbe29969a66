//! The processes of a portal: started, paused, stopped, killed, and started again.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Instant;

use super::{DEADLINE, Portal, Wiring, new_client};

const SERVICES: [&str; 5] =
    ["command-stack", "relay", "query-stack-1", "query-stack-2", "orchestrator"];

/// One process of a portal.
pub(super) struct Service {
    process: Child,
    scheme: &'static str,
    address: String,
    arguments: Vec<String>,
}

/// What a process prints, line by line.
type Printed = Lines<BufReader<ChildStdout>>;

impl Portal {
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

    pub fn orchestrator_arguments(&self) -> Vec<String> {
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

    /// Every process, at the end.
    pub(super) fn kill_all(&mut self) {
        for service in self.services.values_mut() {
            let _ = service.process.kill();
            let _ = service.process.wait();
        }
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
