//! Secrets: they can come from files, and nothing that is printed or logged has one in it.

use std::process::Output;
use std::time::Duration;

use reqwest::Client;

use crate::support::stores::required;
use crate::support::{Environment, Portal, Wiring, eventually};

const SECRET: &str = "s3cret-0f-the-test";

fn everything(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

#[test]
fn an_address_can_stand_in_a_file_but_not_in_two_places() {
    let portal = Portal::not_started(Wiring::Embedded, Environment::new());
    let file = portal.data_file("address");
    let log = portal.data_file("elsewhere.db");
    let with = |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = portal.command();
        command.envs(variables.iter().copied()).args(arguments).output().expect("a process")
    };
    let path = file.to_str().expect("a path");
    let of_file = ("PORTAL_EVENT_LOG_FILE", path);
    std::fs::write(&file, format!("sqlite:{}\n", log.display())).expect("a file");
    assert!(with(&[of_file], &["migrate"]).status.success());
    assert!(log.exists(), "the log is where the file says");
    assert!(with(&[], &["verify", "--event-log-file", path]).status.success());

    let twice = with(&[of_file, ("PORTAL_EVENT_LOG", "sqlite:x")], &["verify"]);
    let error = everything(&twice);
    assert!(!twice.status.success() && error.contains("--event-log-file"), "{error}");
    assert!(error.contains("--event-log <URL>"), "{error}");
    for (variable, flag) in [
        ("PORTAL_EVENT_LOG_FILE", "--event-log-file"),
        ("PORTAL_BUS_FILE", "--bus-file"),
        ("PORTAL_VIEW_STORE_FILE", "--view-store-file"),
    ] {
        std::fs::write(&file, format!("mysql://ada:{SECRET}@db/x")).expect("a file");
        let wrong = with(&[(variable, path)], &["verify"]);
        let error = everything(&wrong);
        assert!(!wrong.status.success() && error.contains(flag), "{error}");
        assert!(error.contains(path) && !error.contains(SECRET), "{error}");
        let missing = everything(&with(&[(variable, "/nowhere")], &["verify"]));
        assert!(missing.contains(flag) && missing.contains("/nowhere"), "{missing}");
    }
}

#[test]
fn a_password_on_the_command_line_is_warned_of_and_not_repeated() {
    let portal = Portal::not_started(Wiring::Embedded, Environment::new());
    let url = format!("postgres://ada:{SECRET}@127.0.0.1:1/log");
    let output = everything(&portal.run(&["verify", "--event-log", &url]));
    assert!(output.contains("on the command line") && !output.contains(SECRET), "{output}");
    let mut command = portal.command();
    let output = command.env("PORTAL_EVENT_LOG", &url).arg("verify").output().expect("a process");
    assert!(!everything(&output).contains("on the command line"));
}

/// The addresses of servers with a wrong user and password.
fn addresses(server: impl Fn(&str) -> String) -> Environment {
    ["PORTAL_EVENT_LOG", "PORTAL_BUS", "PORTAL_VIEW_STORE"]
        .map(|variable| {
            let url = server(variable);
            let (scheme, rest) = url.split_once("://").expect("a URL");
            let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
            (variable.to_owned(), format!("{scheme}://ada:{SECRET}@{rest}"))
        })
        .into()
}

/// Everything that services and tools say while nobody lets them in, with all that they can log.
async fn says_no_secret(environment: Environment) {
    let mut portal = Portal::not_started(Wiring::Servers, environment);
    let mut said = String::new();
    for tool in ["migrate", "verify", "replay", "events", "health", "doctor"] {
        let mut command = portal.command();
        // Not the usual address: somebody may have a portal there, whose health is good.
        command.envs([("PORTAL_LOG", "debug"), ("PORTAL_LISTEN", "127.0.0.1:1")]).arg(tool);
        let output = command.output().expect("a process");
        assert!(!output.status.success(), "{tool}");
        said += &everything(&output);
    }
    let debug = Environment::from([("PORTAL_LOG".to_owned(), "debug".to_owned())]);
    // The command-stack and the query-stack refuse to start when the log does not let them in.
    for service in ["command-stack", "relay", "query-stack"] {
        let mut command = portal.command();
        command.envs(&debug).args([service, "--listen", "127.0.0.1:0"]);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut process = command.spawn().expect("a process");
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let _ = process.kill();
        said += &everything(&process.wait_with_output().expect("what it said"));
    }
    // With a log that lets them in, the others have their say.
    let own = Environment::from([(
        "PORTAL_EVENT_LOG".to_owned(),
        format!("sqlite:{}", portal.data_file("events.db").display()),
    )]);
    for service in ["relay", "query-stack-1"] {
        let environment = own.clone().into_iter().chain(debug.clone()).collect();
        portal.of_service.insert(service, environment);
        portal.spawn(service);
        let url = portal.url(service, "/health/ready");
        assert!(!Client::new().get(url).send().await.expect("an answer").status().is_success());
    }
    eventually("both have tried", async || {
        let log = portal.logged();
        ["the bus is interrupted", "starts over"].iter().all(|w| log.contains(w)).then_some(())
    })
    .await;
    said += &portal.logged();
    assert!(said.contains("DEBUG"), "it was all that they can log");
    let at = said.find(SECRET);
    let around = at.map(|at| said.get(at.saturating_sub(300)..at + 30));
    assert_eq!(around, None);
    assert!(!portal.logged().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_are_not_there_bring_no_password_into_the_log() {
    let nowhere = |variable: &str| match variable {
        "PORTAL_EVENT_LOG" => "postgres://127.0.0.1:1/log".to_owned(),
        "PORTAL_BUS" => "amqp://127.0.0.1:1/%2f".to_owned(),
        _ => "mongodb://127.0.0.1:1/views".to_owned(),
    };
    says_no_secret(addresses(nowhere)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_refuse_a_password_bring_it_into_no_log() {
    says_no_secret(addresses(required)).await;
}
