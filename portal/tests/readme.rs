//! The README's commands, as printed, and those of docs/recipes.md.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::process::Command;

use support::walk::{commands, walk};
use support::{Portal, Wiring};

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
fn every_second_bench_prints_its_figures() {
    benches_print_their_figures(0);
}

#[test]
fn and_so_do_those_between() {
    benches_print_their_figures(1);
}

/// Two tests, which may run side by side: one after the other all take a minute.
fn benches_print_their_figures(first: usize) {
    let benches: Vec<_> =
        commands(README).into_iter().filter(|line| line.starts_with("scripts/bench")).collect();
    assert!(benches.len() >= 2, "{benches:?}");
    for line in benches.iter().skip(first).step_by(2) {
        let command = line.split('#').next().unwrap_or_default().trim().to_owned();
        let mut bash = Command::new("bash");
        bash.args(["-c", &command]).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        bash.env("BENCH_PORTAL", env!("CARGO_BIN_EXE_portal"));
        bash.envs([("BENCH_SECONDS", "1"), ("BENCH_ROUNDS", "1")]);
        bash.envs([("BENCH_EVENTS", "2000"), ("BENCH_RATE", "20"), ("BENCH_CLIENTS", "50")]);
        let output = bash.output().expect("bash");
        let text = String::from_utf8_lossy(&output.stdout);
        let name = command.rsplit(' ').next().unwrap_or_default();
        assert!(output.status.success(), "{command}: {output:?}");
        assert!(text.contains(&format!("{name}: ")), "{command}: {text}");
    }
}
