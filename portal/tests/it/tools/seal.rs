//! `portal seal` and `portal verify --seal`: what nobody but the database's owner can do is found.

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::tampering::{execute, open, without_triggers};
use crate::support::{Portal, Wiring};

journeys! {
    by wiring;
    both {
        the_log_goes_on_and_the_seals_hold_also_after_an_erasure
    }
}

fn file() -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("seals.jsonl").display().to_string();
    (folder, path)
}

/// What `portal verify --json` says of a subject, and whether all is good.
fn verified(portal: &Portal, seals: &str, subject: &str) -> (bool, Value) {
    let output = portal.run(&["verify", "--seal", seals, "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {output:?}"));
    assert_eq!(output.status.success(), report["good"] == true, "{report}");
    let findings = report["findings"].as_array().expect("findings").clone();
    let found = findings.into_iter().find(|finding| finding["subject"] == subject);
    (output.status.success(), found.unwrap_or_else(|| panic!("no {subject} in {report}")))
}

async fn the_log_goes_on_and_the_seals_hold_also_after_an_erasure(wiring: Wiring) {
    let (portal, (_folder, seals)) = (Portal::start(wiring).await, file());
    let ada = portal.register("Ada", "ada@example.org").await;
    portal.publish("sports", "First").await;
    assert!(portal.tool(&["seal", &seals]).contains("sealed up to position 2: "));
    let first = std::fs::read_to_string(&seals).expect("seals");
    assert_eq!(first.lines().count(), 1);
    portal.tool(&["seal", &seals]);
    assert_eq!(std::fs::read_to_string(&seals).expect("seals"), first, "nothing new");

    portal.publish("famous", "Second").await;
    assert_eq!(ada.door.delete(&ada.path).await.status, 204);
    portal.tool(&["seal", &seals]);
    portal.verifies().await;
    let (good, finding) = verified(&portal, &seals, "seal");
    assert!(good && finding["position"] == 4 && finding["differences"] == json!([]), "{finding}");
    // One line that was kept elsewhere is enough.
    std::fs::write(&seals, &first).expect("seals");
    assert!(verified(&portal, &seals, "seal").0);
    assert!(
        portal.tool(&["verify", "--seal", &seals]).contains("seal: 2 events, as they were sealed")
    );
    std::fs::write(&seals, "no seal").expect("seals");
    let output = portal.run(&["verify", "--seal", &seals]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("line 1: not a seal"), "{output:?}");
}

#[tokio::test]
async fn an_event_that_its_owner_changed_in_all_places_is_found() {
    let (_folder, seals) = file();
    let portal = Portal::start(Wiring::Embedded).await;
    for number in 0..5 {
        portal.publish("sports", &format!("Article {number}")).await;
        portal.tool(&["seal", &seals]);
    }
    portal.verifies().await;
    let mut log = open(&portal, "events.db").await;
    without_triggers(&mut log).await;
    let forge = "UPDATE events SET data = json_set(data, '$.title', 'Forged') WHERE position = 3";
    execute(&mut log, forge.to_owned()).await;
    portal.tool(&["replay"]);
    assert!(portal.tool(&["verify"]).contains("event log: 5 events, complete"), "well forged");
    let (good, finding) = verified(&portal, &seals, "seal");
    let difference = "the events from 3 to 3 are not those that were sealed";
    assert!(!good && finding["differences"] == json!([difference]), "{finding}");
    let refused = portal.run(&["seal", &seals]);
    let reason = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && reason.contains("nothing was sealed"), "{reason}");

    // The end of the log, which leaves no hole, was cut off.
    execute(&mut log, "DELETE FROM events WHERE position = 5".to_owned()).await;
    let one_line = std::fs::read_to_string(&seals).expect("seals");
    let last = one_line.lines().last().expect("a seal");
    std::fs::write(&seals, last).expect("seals");
    let (good, finding) = verified(&portal, &seals, "seal");
    let difference = "the log ends at position 4 and was sealed up to 5 and beyond";
    assert!(!good && finding["differences"] == json!([difference]), "{finding}");
}

#[tokio::test]
async fn long_logs_are_sealed_in_links_and_only_what_is_new_is_read() {
    let (folder, seals) = file();
    let portal = Portal::start(Wiring::Embedded).await;
    let line = |number| {
        json!({"category": "sports", "title": format!("A{number}"), "content": "C"}).to_string()
    };
    let articles = folder.path().join("articles.jsonl");
    let lines: Vec<_> = (0..2_300).map(line).collect();
    std::fs::write(&articles, lines.join("\n")).expect("articles");
    portal.tool(&["import", &articles.display().to_string()]);
    portal.tool(&["seal", &seals]);
    let text = std::fs::read_to_string(&seals).expect("seals");
    let positions: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a seal")["position"].clone())
        .collect();
    assert_eq!(positions, [1_000, 2_000, 2_300]);
    let (article, _) = portal.publish("sports", "One more").await;
    portal.tool(&["seal", &seals]);
    assert!(verified(&portal, &seals, "seal").0);
    let path = format!("/v1/news/sports/{}", article["id"].as_str().expect("an id"));
    let reason = json!({"reason": "Why."});
    let retract = format!("{path}/retract");
    assert_eq!(portal.change(Method::POST, &retract, 1, reason).await.status, 200);
    assert!(verified(&portal, &seals, "seal").0, "what came since is not in it");
}
