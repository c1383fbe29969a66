//! The commands of the operations guide, as printed.

use std::path::Path;
use std::process::Command;

use crate::support::accounts::Account;
use crate::support::stores::PrivateServers;
use crate::support::{Portal, Wiring, eventually};
use reqwest::Method;
use serde_json::json;

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

/// An article of theirs that readers see.
async fn publish(portal: &Portal, author: &Account) -> String {
    let draft = json!({ "title": "T", "content": "C", "status": "draft", "byline": "By me" });
    let draft = author.door.post("/v1/news/sports", draft).await;
    assert_eq!(draft.status, 201, "{}", draft.body);
    let path = draft.header("location").to_owned();
    portal.editor().change(Method::POST, &format!("{path}/publish"), 1, json!({})).await;
    path
}

#[tokio::test]
async fn on_a_new_server_a_restored_log_has_every_fact_and_every_name_but_those_of_the_erased() {
    let folder = tempfile::tempdir().expect("a folder");
    let portal = Portal::start(Wiring::Servers).await;
    let author = portal.register_as("author", "Ada", "ada@example.org").await;
    let erased = portal.register_as("author", "Bob", "bob@example.org").await;
    let erased_later = portal.register_as("author", "Cyd", "cyd@example.org").await;
    let mut articles = Vec::new();
    for account in [&author, &erased, &erased_later] {
        articles.push(publish(&portal, account).await);
    }
    let last = erased.door.delete(&erased.path).await.position();
    portal.get_at(&articles[0], last).await;
    run(&portal, "backup", folder.path());
    let events = portal.events();
    assert_eq!(erased_later.door.delete(&erased_later.path).await.status, 204);

    // Where none of our roles has ever been.
    let servers = PrivateServers::up(&["postgres"]);
    let mut restored = Portal::not_started(Wiring::Servers, servers.fresh_stores().await);
    run(&restored, "restore", folder.path());
    assert_eq!(restored.events(), events);
    restored.spawn_all();
    restored.verifies().await;
    let bylines = ["By me", "former contributor", "By me"];
    for (path, byline) in articles.iter().zip(bylines) {
        assert_eq!(restored.get(path).await.body["byline"], byline);
    }
    // Who could sign in still can, and the log goes on where it ended.
    let author = Account { door: restored.door(), ..author };
    assert_eq!(author.signs_in().await.status, 201);
    let (_, position) = restored.publish("sports", "After the restore").await;
    assert_eq!(Some(position - 1), events.last().and_then(|event| event["position"].as_i64()));
    // An erasure that the backup does not know is asked for again.
    assert_eq!(restored.with_role("admin").delete(&erased_later.path).await.status, 204);
    eventually("nobody trusts the destroyed key any more", async || {
        let article = restored.get(&articles[2]).await;
        (article.body["byline"] == "former contributor").then_some(())
    })
    .await;
    restored.verifies().await;
}
