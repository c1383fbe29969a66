//! `portal verify` sees what somebody did behind the portal's back. On the embedded stores, whose
//! files a test can open.

use reqwest::Method;
use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, SqliteConnection};

use crate::support::{Portal, Wiring};

pub(super) async fn open(portal: &Portal, file: &str) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(portal.data_file(file));
    options.connect().await.expect("the file of an embedded store")
}

pub(super) async fn execute(connection: &mut SqliteConnection, statement: String) {
    let done = sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await;
    assert_eq!(done.expect("a statement").rows_affected(), 1);
}

/// What only the owner of the database can do.
pub(super) async fn without_triggers(log: &mut SqliteConnection) {
    let triggers = sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'trigger'");
    let triggers: Vec<String> = triggers.fetch_all(&mut *log).await.expect("triggers");
    assert!(!triggers.is_empty());
    for trigger in triggers {
        let drop = AssertSqlSafe(format!("DROP TRIGGER {trigger}"));
        sqlx::raw_sql(drop).execute(&mut *log).await.expect("no trigger");
    }
}

/// What a tool that must find something printed.
fn finds(portal: &Portal, arguments: &[&str]) -> String {
    let output = portal.run(arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    text
}

async fn portal_with_articles(count: usize) -> (Portal, Vec<String>) {
    let portal = Portal::start(Wiring::Embedded).await;
    let mut ids = Vec::new();
    for number in 0..count {
        let (article, _) = portal.publish("sports", &format!("Article {number}")).await;
        ids.push(article["id"].as_str().expect("an id").to_owned());
    }
    portal.verifies().await;
    (portal, ids)
}

#[tokio::test]
async fn a_document_that_was_changed_removed_or_added_is_named_and_a_replay_repairs_it() {
    let (portal, ids) = portal_with_articles(3).await;
    let stranger = "00000000-0000-7000-8000-000000000000";
    let mut views = open(&portal, "views.db").await;
    let here = "view = 'articles_sports'";
    let change = "UPDATE documents SET body = json_set(body, '$.title', 'Forged')";
    execute(&mut views, format!("{change} WHERE {here} AND id = '{}'", ids[0])).await;
    let add = "INSERT INTO documents SELECT view, generation, ";
    let of = format!("version, listed_at, body FROM documents WHERE {here} AND id = '{}'", ids[1]);
    execute(&mut views, format!("{add} '{stranger}', {of}")).await;
    execute(&mut views, format!("DELETE FROM documents WHERE {here} AND id = '{}'", ids[2])).await;

    for tool in [&["verify"][..], &["replay", "--dry-run"]] {
        let text = finds(&portal, tool);
        for (id, difference) in [
            (&ids[0][..], "is not what its events say"),
            (stranger, "is in the view and not in the log"),
            (&ids[2], "is in the log and not in the view"),
        ] {
            let line = format!("articles_sports: {id} {difference}\n");
            assert!(text.contains(&line), "{line} is not in {text}");
        }
        assert!(text.contains("articles_famous: 0 documents"), "{text}");
    }
    portal.tool(&["replay", "--category", "sports"]);
    portal.verifies().await;
    let article = portal.get(&format!("/v1/news/sports/{}", ids[0])).await;
    assert_eq!(article.body["title"], "Article 0");
    assert_eq!(portal.get(&format!("/v1/news/sports/{}", ids[2])).await.status, 200);
    assert_eq!(portal.get(&format!("/v1/news/sports/{stranger}")).await.status, 404);
}

#[tokio::test]
async fn an_event_that_was_removed_or_changed_is_found() {
    let (portal, ids) = portal_with_articles(3).await;
    let path = format!("/v1/news/sports/{}", ids[0]);
    let correction = json!({"title": "Again", "content": "Text.", "correction_note": "Why."});
    assert_eq!(portal.change(Method::PUT, &path, 1, correction).await.status, 200);
    portal.publish("famous", "Last").await;
    portal.verifies().await;

    let mut log = open(&portal, "events.db").await;
    without_triggers(&mut log).await;
    let forge = "UPDATE events SET data = json_set(data, '$.title', 'Forged')";
    execute(&mut log, format!("{forge} WHERE stream_id = 'article-{}'", ids[1])).await;
    let text = finds(&portal, &["verify"]);
    assert!(text.contains("event log: 5 events, complete"), "{text}");
    assert!(text.contains(&format!("{} is not what its events say", ids[1])), "{text}");

    execute(&mut log, "DELETE FROM events WHERE position = 1".to_owned()).await;
    let text = finds(&portal, &["verify"]);
    assert!(text.contains("event log: position 1 is missing"), "{text}");
    let stream = format!("event log: stream article-{} lacks a version", ids[0]);
    assert!(text.contains(&stream), "{text}");
}
