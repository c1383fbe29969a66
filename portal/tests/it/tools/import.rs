//! `portal import`, and categories that are configured after their articles came.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::http::section;
use crate::support::{Environment, Portal, Wiring, eventually};

journeys! {
    by wiring;
    both {
        a_category_that_is_added_later_gets_its_past_from_the_log
    }
    embedded {
        good_lines_go_in_and_bad_ones_are_named_by_their_numbers
        a_source_id_stands_for_one_text
        a_corpus_goes_in_once_and_fills_every_section
    }
}

/// A file to import.
struct Lines {
    _folder: TempDir,
    path: PathBuf,
}

impl Lines {
    fn new(lines: &[String]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("articles.jsonl");
        std::fs::write(&path, lines.join("\n")).expect("a file");
        Self { _folder: folder, path }
    }
}

fn line(source_id: &str, category: &str, title: &str) -> String {
    json!({"source_id": source_id, "category": category, "title": title, "content": "Text."})
        .to_string()
}

/// What an import printed, and its exit code.
fn import(portal: &Portal, file: &Path) -> (String, Option<i32>) {
    let output = portal.run(&["import", file.to_str().expect("a path")]);
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
}

fn categories(names: &str) -> Environment {
    Environment::from([("PORTAL_CATEGORIES".to_owned(), names.to_owned())])
}

async fn home_with(portal: &Portal, articles: usize) -> Value {
    eventually("the home page with every article", async || {
        let home = portal.get("/v1/home?limit=100").await.body;
        let sections = home["sections"].as_array()?.iter();
        let found: usize = sections.filter_map(|one| Some(one["articles"].as_array()?.len())).sum();
        (found == articles).then_some(home)
    })
    .await
}

async fn good_lines_go_in_and_bad_ones_are_named_by_their_numbers(wiring: Wiring) {
    let portal = Portal::start(wiring).await;
    let unnamed = json!({"category": "famous", "title": "Third", "content": "Text.",
                         "author": "Ada", "rating": 5});
    let embargoed = json!({"category": "sports", "title": "Not yet", "content": "Text.",
                           "embargo_until": "2999-01-01T00:00:00Z"});
    let file = Lines::new(&[
        line("a-1", "sports", "First"),
        String::new(),
        r#"{"category": "sports", "title": "Broken"#.to_owned(),
        line("a-2", "weather", "Nowhere"),
        line("a-3", "sports", ""),
        line("a-4", "politics", "Second"),
        unnamed.to_string(),
        embargoed.to_string(),
    ]);
    let (text, code) = import(&portal, &file.path);
    assert_eq!(code, Some(1), "{text}");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert!(lines[0] == "line 3: column 39: the JSON ends too early", "{text}");
    assert!(lines[1].starts_with("line 4: ") && lines[1].contains("weather"), "{text}");
    let empty = "line 5: /title: is empty: must be a string of 1 to 200 characters";
    assert_eq!(lines[2], empty);
    assert_eq!(lines[3], "7 lines: 4 added, 0 already there, 3 refused");

    let (text, code) = import(&portal, &file.path);
    assert_eq!(code, Some(1));
    assert!(text.ends_with("7 lines: 0 added, 4 already there, 3 refused\n"), "{text}");
    let home = home_with(&portal, 3).await;
    assert_eq!(section(&home, "sports")["articles"][0]["title"], "First");
    assert_eq!(section(&home, "sports")["articles"].as_array().map(Vec::len), Some(1));
    assert_eq!(section(&home, "politics")["articles"][0]["title"], "Second");
    assert_eq!(section(&home, "famous")["articles"][0]["byline"], "Ada");
    assert!(portal.events().iter().all(|event| event["actor"] == "system:import"));
    portal.verifies().await;

    let missing = portal.run(&["import", "/nowhere/articles.jsonl"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("/nowhere/articles.jsonl"));
}

async fn a_source_id_stands_for_one_text(wiring: Wiring) {
    let portal = Portal::start(wiring).await;
    let title = |number| if number % 2 == 0 { "First" } else { "Other" };
    let lines: Vec<_> = (0..40).map(|number| line("a-1", "sports", title(number))).collect();
    let (text, code) = import(&portal, &Lines::new(&lines).path);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.starts_with("line 2: ") && text.contains("another text"), "{text}");
    assert!(text.ends_with("40 lines: 1 added, 19 already there, 20 refused\n"), "{text}");
    let corrected = Lines::new(&[line("a-1", "sports", "Corrected")]);
    let (text, code) = import(&portal, &corrected.path);
    assert_eq!(code, Some(1));
    assert!(text.ends_with("1 lines: 0 added, 0 already there, 1 refused\n"), "{text}");
    let same = Lines::new(&[line("a-1", "sports", "First")]);
    let (text, code) = import(&portal, &same.path);
    assert_eq!((text.as_str(), code), ("1 lines: 0 added, 1 already there, 0 refused\n", Some(0)));
    let titles: Vec<_> = portal.events().iter().map(|one| one["data"]["title"].clone()).collect();
    assert_eq!(titles, ["First"]);
}

async fn a_corpus_goes_in_once_and_fills_every_section(wiring: Wiring) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/bbc.jsonl");
    if !corpus.exists() {
        println!("{} is not on this machine", corpus.display());
        return;
    }
    let names = "business,famous,politics,sports,tech";
    let portal = Portal::start_with(wiring, categories(names)).await;
    for expected in ["100 added, 0 already there", "0 added, 100 already there"] {
        let (text, code) = import(&portal, &corpus);
        assert_eq!(text, format!("100 lines: {expected}, 0 refused\n"));
        assert_eq!(code, Some(0));
    }
    let home = home_with(&portal, 100).await;
    for category in names.split(',') {
        let section = section(&home, category);
        assert_eq!(section["status"], "ok");
        assert_eq!(section["articles"].as_array().map(Vec::len), Some(20), "{category}");
    }
    portal.verifies().await;
}

async fn a_category_that_is_added_later_gets_its_past_from_the_log(wiring: Wiring) {
    let mut portal = Portal::start_with(wiring, categories("famous,sports")).await;
    // Somebody imported it with settings that the services did not have yet.
    let file = Lines::new(&[line("a-1", "tech", "Early"), line("a-2", "sports", "Goal")]);
    let imported = portal
        .command()
        .args(["import", file.path.to_str().expect("a path")])
        .env("PORTAL_CATEGORIES", "famous,sports,tech")
        .status();
    assert!(imported.expect("portal import").success());
    home_with(&portal, 1).await;
    portal.get("/v1/news/tech").await.is_problem(404, "not-found");

    portal.environment.extend(categories("famous,sports,tech"));
    portal.restart();
    let home = home_with(&portal, 2).await;
    assert_eq!(section(&home, "tech")["articles"][0]["title"], "Early");
    let (_, position) = portal.publish("tech", "Late").await;
    let list = portal.get_at("/v1/news/tech", position).await;
    assert_eq!(list.body["items"][0]["title"], "Late", "{}", list.body);
    portal.verifies().await;
}
