//! The README's commands, as printed. A comment `# 200` after a command is the status that it must
//! answer.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::process::{Command, Output};

use support::{Portal, Wiring, eventually};

fn readme() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    std::fs::read_to_string(path).expect("README.md")
}

/// The command lines of all `sh` blocks.
fn commands() -> Vec<String> {
    let readme = readme();
    let blocks = readme.split("```sh\n").skip(1).filter_map(|block| block.split("```").next());
    blocks.flat_map(str::lines).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// The variable that a line sets, if it does nothing else.
fn assigned(line: &str) -> Option<&str> {
    let (variable, _) = line.split_once('=')?;
    variable.chars().all(|c| c.is_ascii_lowercase()).then_some(variable)
}

/// A shell in which `cargo run` is the binary that was built for this test, and `localhost:8080`
/// the portal that it started.
struct Shell<'a> {
    portal: &'a Portal,
    variables: String,
}

impl Shell<'_> {
    fn run(&self, line: &str) -> Output {
        let door = self.portal.url("portal", "");
        let line = line.replace("localhost:8080", door.trim_start_matches("http://"));
        let cargo = "cargo() { shift; [ \"${1:-}\" != -- ] || shift; \"$PORTAL\" \"$@\"; }";
        let script = format!("set -eo pipefail\n{cargo}\n{}\n{line}\n", self.variables);
        let mut command = Command::new("bash");
        command.arg("-c").arg(script).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        command.env("PORTAL", env!("CARGO_BIN_EXE_portal"));
        command.env("PORTAL_DATA_DIR", self.portal.data_file("")).env("PORTAL_LOG", "warn");
        for variable in ["PORTAL_EVENT_LOG", "PORTAL_BUS", "PORTAL_VIEW_STORE"] {
            command.env_remove(variable);
        }
        command.output().expect("bash")
    }
}

#[tokio::test]
async fn the_walk_works_as_printed_and_history_survives_a_restart() {
    let mut portal = Portal::start(Wiring::Embedded).await;
    let mut shell = Shell { portal: &portal, variables: String::new() };
    let mut statuses = Vec::new();
    for line in commands() {
        let (command, expected) = match line.rsplit_once('#') {
            Some((command, comment)) => (command.trim().to_owned(), comment.trim().to_owned()),
            None => (line, String::new()),
        };
        if command == "cargo run" || command.starts_with("scripts/") {
            continue; // The first is running; the others have tests of their own.
        }
        if let Some(variable) = assigned(&command) {
            let output = shell.run(&format!("{command}\necho \"${variable}\""));
            let value = String::from_utf8(output.stdout).expect("a text").trim().to_owned();
            assert!(!value.is_empty(), "{command}: {:?}", output.stderr);
            let quoted = value.replace('\'', "'\\''");
            shell.variables += &format!("{variable}='{quoted}'\n");
        } else if expected.parse::<u16>().is_ok() {
            // The view may be milliseconds behind the command before, as for a quick reader.
            eventually(&command, async || {
                let output = String::from_utf8(shell.run(&command).stdout).expect("a text");
                output.contains(&format!("HTTP/1.1 {expected} ")).then_some(())
            })
            .await;
            statuses.push(expected);
        } else {
            let output = shell.run(&command);
            assert!(output.status.success(), "{command}: {output:?}");
            assert!(!output.stdout.is_empty(), "{command} says nothing");
        }
    }
    assert_eq!(statuses, ["200", "200", "401", "428", "412", "200", "200", "200", "200", "410"]);

    let before = portal.tool(&["events", "--json"]);
    assert_eq!(before.matches("Bridge opens").count(), 2, "{before}");
    assert_eq!(portal.terminate("portal"), Some(0));
    portal.spawn("portal");
    assert_eq!(portal.tool(&["events", "--json"]), before);
    portal.verifies().await;
}

#[test]
fn the_benches_print_their_figures() {
    let benches: Vec<_> =
        commands().into_iter().filter(|line| line.starts_with("scripts/bench")).collect();
    assert!(benches.len() >= 2, "{benches:?}");
    for line in benches {
        let command = line.split('#').next().unwrap_or_default().trim().to_owned();
        let mut bash = Command::new("bash");
        bash.args(["-c", &command]).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        bash.env("BENCH_PORTAL", env!("CARGO_BIN_EXE_portal"));
        bash.envs([("BENCH_SECONDS", "1"), ("BENCH_ROUNDS", "1")]);
        bash.envs([("BENCH_EVENTS", "2000"), ("BENCH_RATE", "20")]);
        let output = bash.output().expect("bash");
        let text = String::from_utf8_lossy(&output.stdout);
        let name = command.rsplit(' ').next().unwrap_or_default();
        assert!(output.status.success(), "{command}: {output:?}");
        assert!(text.contains(&format!("{name}: ")), "{command}: {text}");
    }
}
