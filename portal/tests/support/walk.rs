//! Documents whose commands are run as printed. A comment `# 200` after a command is the status that
//! it must answer.

use std::process::{Command, Output};

use super::{Portal, eventually};

/// The command lines of all `sh` blocks of a document.
pub fn commands(document: &str) -> Vec<String> {
    let path = format!("{}/../{document}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("a document");
    let blocks = text.split("```sh\n").skip(1).filter_map(|block| block.split("```").next());
    blocks.flat_map(str::lines).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// Runs the commands of a document against this portal; the statuses that were promised and
/// answered.
pub async fn walk(portal: &Portal, document: &str) -> Vec<String> {
    let mut shell = Shell { portal, variables: String::new() };
    let mut statuses = Vec::new();
    for line in commands(document) {
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
    statuses
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
