//! What the program tells about itself: help, completions, the manual page and the version.

use std::process::{Command, Output};

use crate::support::{Environment, Portal, Wiring};

const REFERENCE: &str = "Common settings: `portal help settings`";

fn portal() -> Portal {
    Portal::not_started(Wiring::Embedded, Environment::new())
}

#[test]
fn the_help_of_a_command_shows_its_options_and_an_example_and_refers_to_the_settings() {
    let portal = portal();
    for (arguments, option, example) in [
        (&["replay", "--help"][..], "--dry-run", "portal replay --view articles"),
        (&["replay", "-h"], "--dry-run", "portal replay --view articles"),
        (&["help", "replay"], "--dry-run", "portal replay --view articles"),
        (&["dead-letters", "retry", "--help"], "--all", "portal dead-letters retry --all"),
        (&["doctor", "--help"], "--service", "portal doctor --service relay"),
        (&["migrate", "--help"], "--help", "portal migrate"),
    ] {
        let help = portal.tool(arguments);
        let example = format!("Example:\n  {example}");
        let [option, example, reference] =
            [option, &example, REFERENCE].map(|text| help.find(text));
        assert!(option.is_some() && option < example && example < reference, "{help}");
        for setting in ["PORTAL_", "OTEL_", "--listen ", "--categories ", "--tls-cert "] {
            let shown = help.lines().find(|line| line.trim_start().starts_with(setting));
            assert_eq!(shown, None, "{arguments:?}");
        }
        assert!(!help.contains("[env:"), "{help}");
    }
}

#[test]
fn the_common_settings_are_listed_with_their_variables_and_defaults() {
    let portal = portal();
    let settings = portal.tool(&["help", "settings"]);
    for text in [
        "--event-log <URL>",
        "[env: PORTAL_EVENT_LOG]",
        "--otlp-endpoint <URL>",
        "[default: 127.0.0.1:8080]",
        "the caller's sampling decision applies",
    ] {
        assert!(settings.contains(text), "{text}: {settings}");
    }
    assert_eq!(portal.tool(&["settings"]).trim_end(), settings.trim_end());
    // `portal --help` is the reference for both.
    let all = portal.tool(&["--help"]);
    let flag = |line: &str| line.trim_start().strip_prefix("--").map(str::to_owned);
    let flags: Vec<_> = settings.lines().filter_map(flag).collect();
    assert!(flags.len() > 20, "{settings}");
    for flag in flags {
        let name = flag.split_whitespace().next().expect("a name");
        assert!(all.contains(&format!("--{name}")), "--{name}: {all}");
    }
    assert!(all.contains("dead-letters") && all.contains("completions"), "{all}");
}

#[test]
fn no_help_shows_a_password_of_the_environment() {
    const SECRET: &str = "s3cret-0f-the-test";
    let portal = portal();
    for arguments in [&["--help"][..], &["help", "settings"], &["settings"], &["man"]] {
        let mut command = portal.command();
        for (variable, url) in [
            ("PORTAL_EVENT_LOG", "postgres://ada:SECRET@127.0.0.1:1/log"),
            ("PORTAL_BUS", "amqp://ada:SECRET@127.0.0.1:1/%2f"),
            ("PORTAL_VIEW_STORE", "mongodb://ada:SECRET@127.0.0.1:1/views"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://ada:SECRET@127.0.0.1:1"),
        ] {
            command.env(variable, url.replace("SECRET", SECRET));
        }
        let Output { stdout, stderr, status } =
            command.args(arguments).output().expect("a process");
        let said = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert!(status.success() && !said.concat().contains(SECRET), "{arguments:?}: {said:?}");
    }
}

#[test]
fn completions_and_manual_pages_know_the_commands() {
    let portal = portal();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = portal.tool(&["completions", shell]);
        assert!(script.contains("dead-letters") && script.contains("dry-run"), "{shell}: {script}");
    }
    let manual = portal.tool(&["man"]);
    assert!(manual.starts_with(".ie") && manual.contains(".TH portal 1"), "{manual}");
    for text in ["dead\\-letters", "PORTAL_LISTEN"] {
        assert!(manual.contains(text), "{text}: {manual}");
    }
    let of_command = portal.tool(&["man", "dead-letters", "retry"]);
    assert!(of_command.contains("\\-\\-all"), "{of_command}");
    let unknown = portal.run(&["man", "dead-letters", "resurrect"]);
    let error = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(!unknown.status.success() && error.contains("dead-letters resurrect"), "{error}");
}

#[test]
fn the_version_names_a_commit_of_this_repository() {
    let line = portal().tool(&["--version"]);
    let start = concat!("portal ", env!("CARGO_PKG_VERSION"), " (");
    let build = line.trim_end().strip_prefix(start).and_then(|rest| rest.strip_suffix(')'));
    let build = build.unwrap_or_else(|| panic!("{line}"));
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    if git(&["rev-parse", "HEAD"]).is_none() {
        assert_eq!(build, "unknown");
        return;
    }
    let (commit, date) = build.split_once(' ').expect("a commit and its date");
    assert!(commit.len() >= 9, "{commit}");
    assert_eq!(git(&["show", "-s", "--format=%cs", commit]).as_deref(), Some(date));
}
