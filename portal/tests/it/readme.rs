//! The README's commands, as printed, and those of docs/recipes.md.

use std::process::Command;

use crate::support::walk::{commands, walk};
use crate::support::{Portal, Wiring};

const README: &str = "README.md";

#[tokio::test]
async fn the_walk_works_as_printed_and_history_survives_a_restart() {
    let mut portal = Portal::start(Wiring::Embedded).await;
    let statuses = walk(&portal, README).await;
    assert_eq!(
        statuses,
        ["200", "200", "200", "401", "428", "412", "200", "200", "200", "200", "200", "410"]
    );

    let before = portal.tool(&["events", "--json"]);
    assert_eq!(before.matches("Bridge opens").count(), 2, "{before}");
    assert_eq!(portal.terminate("portal"), Some(0));
    portal.spawn("portal");
    assert_eq!(portal.tool(&["events", "--json"]), before);
    portal.verifies().await;
}

#[tokio::test]
async fn the_recipes_work_as_printed() {
    let portal = Portal::start(Wiring::Embedded).await;
    let statuses = walk(&portal, "docs/recipes.md").await;
    assert!(statuses.len() > 15, "{statuses:?}");
    portal.verifies().await;
}

#[test]
fn a_bench_prints_its_figures() {
    prints_its_figures("scripts/bench append");
}

mod thorough {
    use super::*;

    #[test]
    fn every_bench_prints_its_figures() {
        let benches = commands(README).into_iter().filter(|line| line.starts_with("scripts/bench"));
        let benches: Vec<_> = benches.collect();
        assert!(benches.len() >= 2, "{benches:?}");
        benches.iter().for_each(|bench| prints_its_figures(bench));
    }
}

/// Runs a bench for a moment: what it prints, not how much that is.
fn prints_its_figures(line: &str) {
    let command = line.split('#').next().unwrap_or_default().trim();
    let mut bash = Command::new("bash");
    bash.args(["-c", command]).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    bash.env("BENCH_PORTAL", env!("CARGO_BIN_EXE_portal"));
    bash.envs([("BENCH_SECONDS", "1"), ("BENCH_ROUNDS", "1")]);
    bash.envs([("BENCH_EVENTS", "2000"), ("BENCH_RATE", "20"), ("BENCH_CLIENTS", "50")]);
    let output = bash.output().expect("bash");
    let text = String::from_utf8_lossy(&output.stdout);
    let name = command.rsplit(' ').next().unwrap_or_default();
    assert!(output.status.success(), "{command}: {output:?}");
    assert!(text.contains(&format!("{name}: ")), "{command}: {text}");
}
