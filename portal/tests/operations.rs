//! The commands of the operations guide, as printed.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::path::Path;
use std::process::Command;

use reqwest::Method;
use serde_json::json;
use support::accounts::Account;
use support::stores::{fresh_stores, required};
use support::{Portal, Wiring};

/// The `sh` block of this name.
fn block(name: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md");
    let guide = std::fs::read_to_string(path).expect("the guide");
    let (_, rest) = guide.split_once(&format!("```sh {name}\n")).expect("the block");
    rest.split("```").next().expect("its end").to_owned()
}

/// Runs a block with the settings of a portal, in a folder.
fn run(portal: &Portal, name: &str, folder: &Path) {
    let script = format!("set -euo pipefail\nportal() {{ \"$PORTAL\" \"$@\"; }}\n{}", block(name));
    let mut command = Command::new("bash");
    command.args(["-c", &script]).current_dir(folder).envs(&portal.environment);
    command.env("PORTAL", env!("CARGO_BIN_EXE_portal"));
    command.env("PORTAL_DATA_DIR", portal.data_file("")).env("PORTAL_LOG", "warn");
    let output = command.output().expect("bash");
    assert!(output.status.success(), "{name}: {output:?}");
}

#[tokio::test]
async fn a_restored_log_has_every_fact_and_every_name_but_those_of_the_erased() {
    let folder = tempfile::tempdir().expect("a folder");
    let portal = Portal::start(Wiring::Servers).await;
    let author = portal.register_as("author", "Ada", "ada@example.org").await;
    let erased = portal.register_as("author", "Bob", "bob@example.org").await;
    let mut articles = Vec::new();
    for account in [&author, &erased] {
        let draft = json!({ "title": "T", "content": "C", "status": "draft", "byline": "By me" });
        let draft = account.door.post("/v1/news/sports", draft).await;
        assert_eq!(draft.status, 201, "{}", draft.body);
        let path = draft.header("location").to_owned();
        let published = format!("{path}/publish");
        portal.editor().change(Method::POST, &published, 1, json!({})).await;
        articles.push(path);
    }
    let last = erased.door.delete(&erased.path).await.position();
    portal.get_at(&articles[0], last).await;
    run(&portal, "backup", folder.path());
    let events = portal.events();

    let mut restored = Portal::not_started(Wiring::Servers, fresh_stores(&required).await);
    run(&restored, "restore", folder.path());
    assert_eq!(restored.events(), events);
    restored.spawn_all();
    restored.verifies().await;
    for (path, byline) in articles.iter().zip([json!("By me"), json!("former contributor")]) {
        assert_eq!(restored.get(path).await.body["byline"], byline);
    }
    // Who could sign in still can, and the log goes on where it ended.
    let author = Account { door: restored.door(), ..author };
    assert_eq!(author.signs_in().await.status, 201);
    let (_, position) = restored.publish("sports", "After the restore").await;
    assert_eq!(Some(position - 1), events.last().and_then(|event| event["position"].as_i64()));
    restored.verifies().await;
}
