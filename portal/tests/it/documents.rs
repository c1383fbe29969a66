//! Articles as the documents that others have agreed on.

use crate::support::Portal;
use crate::support::checkers::check;
use crate::support::http::{Answer, Door};
use reqwest::Method;
use serde_json::{Value, json};

journeys! {
    embedded {
        a_corrected_article_is_read_as_linked_data
        ninjs_says_whether_an_article_may_be_used
        every_document_has_a_tag_of_its_own
    }
}

const LD: &str = "application/ld+json";
const NINJS: &str = "application/ninjs+json";

async fn read(door: &Door, path: &str, accept: &str, position: i64) -> Answer {
    Answer::of_patient(door.get_at(path, position).header("accept", accept)).await
}

async fn ninjs(door: &Door, path: &str, position: i64) -> Answer {
    let answer = read(door, path, NINJS, position).await;
    assert_eq!(answer.header("content-type"), NINJS, "{}", answer.body);
    check("ninjs.py", &[], &answer.body.to_string());
    answer
}

fn correction(content: &str, note: &str) -> Value {
    json!({"title": "Bridge </script> opens", "summary": "In short.", "content": content,
           "byline": "Ada", "tags": ["bridges"], "correction_note": note})
}

/// An article with two corrections: its address, and the position of the last.
async fn corrected(portal: &Portal) -> (String, i64) {
    let first = portal.post("/v1/news/sports", json!({"title": "Bridge", "content": "Tue."})).await;
    let path = first.header("location").to_owned();
    let second = correction("On <b>Monday</b>.", "The day was wrong.");
    assert_eq!(portal.change(Method::PUT, &path, 1, second).await.status, 200);
    let third = correction("On <b>Sunday</b>.", "It was \"Sunday\".");
    let third = portal.change(Method::PUT, &path, 2, third).await;
    assert_eq!(third.status, 200, "{}", third.body);
    (path, third.position())
}

async fn a_corrected_article_is_read_as_linked_data(portal: Portal) {
    let (path, position) = corrected(&portal).await;
    read(&portal.door(), &path, LD, position).await;
    let request = portal.door().request(Method::GET, &path).header("accept", LD);
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.headers()["content-type"], LD);
    // As it is: put into a page as it came, it must not end its script.
    let document = answer.text().await.expect("a text");
    let found = check("json_ld.py", &[], &document);
    let found: Vec<Value> = serde_json::from_str(&found).expect("JSON");
    let id = format!("urn:uuid:{}", path.rsplit('/').next().expect("an id"));
    let notes: Vec<_> = found.iter().map(|row| row["note"].as_str().expect("a note")).collect();
    assert_eq!(notes, ["The day was wrong.", "It was \"Sunday\"."]);
    for row in &found {
        assert_eq!((&row["article"], &row["name"]), (&json!(id), &json!("Portal")));
        assert_eq!(row["headline"], "Bridge </script> opens");
        assert_eq!(row["body"], "On <b>Sunday</b>.");
    }
    let article = portal.get(&path).await.body;
    assert_eq!(found[1]["at"], article["corrections"][0]["at"]);
    assert_eq!(found[0]["published"], article["published_at"]);
    // As it was, as well; and what was never corrected has no corrections.
    let before = read(&portal.door(), &format!("{path}?version=1"), LD, position).await.body;
    assert_eq!((&before["articleBody"], before.get("correction")), (&json!("Tue."), None));
}

async fn ninjs_says_whether_an_article_may_be_used(portal: Portal) {
    let (door, editor) = (portal.door(), portal.editor());
    let (path, position) = corrected(&portal).await;
    let usable = ninjs(&door, &path, position).await;
    assert_eq!((usable.status, &usable.body["pubStatus"]), (200, &json!("usable")));
    assert_eq!(usable.body["version"], "3");
    assert_eq!(usable.body["bodies"][0]["value"], "On <b>Sunday</b>.");
    assert_eq!(usable.body["bodies"][0]["wordCount"], 2);
    let descriptions = usable.body["descriptions"].as_array().expect("descriptions");
    let roles: Vec<_> = descriptions.iter().map(|it| it["role"].as_str()).collect();
    assert_eq!(roles, [Some("summary"), Some("correction"), Some("correction")]);

    let until = "2999-01-01T00:00:00.000Z";
    for hidden in [json!({"status": "draft"}), json!({"embargo_until": until})] {
        let mut body = json!({"title": "Not yet", "content": "Text."});
        body.as_object_mut().expect("an object").extend(hidden.as_object().expect("one").clone());
        let begun = portal.post("/v1/news/sports", body).await;
        let path = begun.header("location").to_owned();
        for accept in [NINJS, LD] {
            let public = read(&door, &path, accept, begun.position()).await;
            public.is_problem(404, "not-found");
        }
        let withheld = ninjs(&editor, &path, begun.position()).await;
        assert_eq!((withheld.status, &withheld.body["pubStatus"]), (200, &json!("withheld")));
        assert_eq!(withheld.body.get("embargoedUntil"), hidden.get("embargo_until"));
        assert_eq!(withheld.header("cache-control"), "no-store");
    }

    let reason = json!({"reason": "There is no bridge."});
    let retracted = portal.change(Method::POST, &format!("{path}/retract"), 3, reason).await;
    let canceled = ninjs(&door, &path, retracted.position()).await;
    assert_eq!((canceled.status, &canceled.body["pubStatus"]), (410, &json!("canceled")));
    assert_eq!(canceled.body["edNote"], "There is no bridge.");
    assert_eq!(canceled.body["uri"], usable.body["uri"]);
    assert!(!canceled.header("x-request-id").is_empty());
    assert!(!canceled.body.to_string().contains("Sunday"));
    read(&door, &path, LD, retracted.position()).await.is_problem(410, "retracted");
}

async fn every_document_has_a_tag_of_its_own(portal: Portal) {
    let (door, (path, position)) = (portal.door(), corrected(&portal).await);
    let mut tags = Vec::new();
    for accept in ["application/json", LD, NINJS] {
        let answer = read(&door, &path, accept, position).await;
        let varies: Vec<_> = answer.headers.get_all("vary").iter().collect();
        assert!(varies.iter().any(|it| *it == "accept"), "{varies:?}");
        assert!(varies.iter().any(|it| *it == "authorization"), "{varies:?}");
        assert_eq!((answer.status, answer.header("cache-control")), (200, "no-cache"));
        tags.push((accept, answer.header("etag").to_owned()));
    }
    assert_eq!(tags[0].1, "\"3\"", "the version, for who changes it");
    for (accept, _) in &tags {
        for (of, tag) in &tags {
            let request = door.get_at(&path, position).header("accept", *accept);
            let answer = Answer::of_patient(request.header("if-none-match", tag)).await;
            assert_eq!(answer.status, if accept == of { 304 } else { 200 }, "{accept} {of}");
        }
    }
    // Only the tag of the resource names a version.
    let text = correction("Again.", "Again.");
    for (of, tag) in tags.iter().rev() {
        let put = portal.request(Method::PUT, &path).json(&text).header("if-match", tag);
        let status = if *of == "application/json" { 200 } else { 412 };
        assert_eq!(Answer::of(put).await.status, status, "{of}");
    }
}
