//! Full text over HTTP, on both wirings: what a reader finds, in which order, and what not.

use std::path::Path;

use crate::support::http::{Answer, Door};
use crate::support::{Environment, Portal};
use reqwest::Method;
use serde_json::{Value, json};

journeys! {
    both {
        a_corpus_is_searched_and_a_replay_changes_nothing
    }
    embedded {
        an_article_is_found_by_its_words_the_most_relevant_first
        a_search_finds_what_an_article_says_now
        lists_and_searches_are_narrowed_by_category_tag_byline_and_time
        pages_neither_repeat_nor_skip_while_articles_are_published
    }
}

/// Publishes an article; where it is, and its position.
async fn publish(portal: &Portal, category: &str, article: Value) -> (String, i64) {
    let answer = portal.post(&format!("/v1/news/{category}"), article).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    (answer.header("location").to_owned(), answer.position())
}

fn text(title: &str, summary: &str, content: &str) -> Value {
    json!({"title": title, "summary": summary, "content": content})
}

/// A question as it stands in an address.
fn escaped(question: &str) -> String {
    question.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

fn titles(answer: &Answer) -> Vec<&str> {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let items = answer.body["items"].as_array().expect("items");
    items.iter().map(|item| item["title"].as_str().expect("a title")).collect()
}

async fn an_article_is_found_by_its_words_the_most_relevant_first(portal: Portal) {
    let written = [
        ("sports", text("In the text", "Nothing", "They went to the Café by train.")),
        ("politics", text("In the Café", "Nothing", "Text.")),
        ("famous", text("In the summary", "A train to the café", "Text.")),
        ("sports", text("By train to the CAFE\u{301}", "Nothing", "Text.")),
        ("sports", text("Elsewhere", "Cafes and trains", "cafe-s")),
    ];
    let mut last = 0;
    for (category, article) in written {
        last = publish(&portal, category, article).await.1;
    }
    let found = async |path: &str, question: &str| {
        portal.get_at(&format!("{path}?q={}", escaped(question)), last).await
    };
    let by_relevance = [
        "By train to the CAFE\u{301}",
        "In the Café",
        "In the summary",
        "Elsewhere",
        "In the text",
    ];
    for question in ["cafe", "CAFÉ", "cafe\u{301}"] {
        assert_eq!(titles(&found("/v1/news", question).await), by_relevance, "{question}");
    }
    let both = ["By train to the CAFE\u{301}", "In the summary", "In the text"];
    assert_eq!(titles(&found("/v1/news", "train café").await), both);
    assert_eq!(titles(&found("/v1/news/sports", "café TRAIN").await), [both[0], both[2]]);
    assert!(titles(&found("/v1/news", "caf").await).is_empty());

    let answer = found("/v1/news", "train").await;
    assert_eq!(answer.body["next"], Value::Null);
    let first = answer.body["items"][0].as_object().expect("a summary");
    assert!(!first.contains_key("content") && !first.contains_key("relevance"), "{first:?}");
    assert_eq!(
        titles(&found("/v1/news", "train -cafe \"to the\" NEAR(").await),
        Vec::<&str>::new()
    );
    for harmless in ["\"", "*", "(", "title:*", "a\" OR \"b", "{$ne: 1}", "-", "\0", "'; DROP"] {
        assert_eq!(titles(&found("/v1/news", harmless).await), Vec::<&str>::new(), "{harmless}");
    }
    for refused in ["", &"x".repeat(201), "a b c d e f g h i j k"] {
        found("/v1/news", refused).await.is_problem(422, "invalid-fields");
    }
    let status = "/v1/news?q=cafe&status=published";
    portal.editor().get(status).await.is_problem(422, "invalid-fields");
}

async fn a_search_finds_what_an_article_says_now(portal: Portal) {
    let (path, _) = publish(&portal, "sports", text("First", "", "On Tuesday.")).await;
    let draft = json!({"title": "Later", "content": "On Tuesday.", "status": "draft"});
    publish(&portal, "sports", draft).await;
    let found = async |question: &str, position: i64| {
        let answer = portal.get_at(&format!("/v1/news?q={question}"), position).await;
        titles(&answer).len()
    };
    let mut corrected = text("Second", "", "On Monday.");
    corrected["correction_note"] = json!("It was Monday.");
    let corrected = portal.change(Method::PUT, &path, 1, corrected).await.position();
    assert_eq!(found("tuesday", corrected).await, 0);
    assert_eq!(found("first", corrected).await, 0);
    assert_eq!(found("second%20monday", corrected).await, 1);

    let moved = json!({"category": "politics"});
    let moved = portal.change(Method::POST, &format!("{path}/move"), 2, moved).await;
    let path = path.replace("sports", "politics");
    assert_eq!(found("monday", moved.position()).await, 1);
    let elsewhere = portal.get_at("/v1/news/sports?q=monday", moved.position()).await;
    assert!(titles(&elsewhere).is_empty());
    let retracted = json!({"reason": "There was no day."});
    let retracted = portal.change(Method::POST, &format!("{path}/retract"), 4, retracted).await;
    assert_eq!(retracted.status, 200, "{}", retracted.body);
    for gone in ["monday", "second", "day"] {
        assert_eq!(found(gone, retracted.position()).await, 0, "{gone}");
    }
    portal.verifies().await;
}

async fn lists_and_searches_are_narrowed_by_category_tag_byline_and_time(portal: Portal) {
    let ada = portal.register_as("editor", "Ada", "ada@example.org").await;
    let article = |title: &str, tag: &str, byline: &str| json!({"title": title, "content": "The cup.", "tags": [tag], "byline": byline});
    publish(&portal, "sports", article("One", "cup", "Agency")).await;
    publish(&portal, "politics", article("Two", "vote", "Agency")).await;
    let own = ada.door.post("/v1/news/sports", article("Three", "cup", "Ada")).await;
    assert_eq!(own.status, 201, "{}", own.body);
    let (path, last) = publish(&portal, "sports", article("Four", "cup", "agency")).await;
    let published = portal.get_at(&path, last).await.body["published_at"].clone();
    let published = published.as_str().expect("a time");
    let found = async |query: &str| {
        let listed = portal.get_at(&format!("/v1/news?{query}"), last).await;
        let found = portal.get_at(&format!("/v1/news?q=cup&{query}"), last).await;
        assert_eq!(titles(&listed), titles(&found), "{query}");
        titles(&listed).join(" ")
    };
    assert_eq!(found("limit=9").await, "Four Three Two One");
    assert_eq!(found("category=sports").await, "Four Three One");
    assert_eq!(found("tag=cup").await, "Four Three One");
    assert_eq!(found("byline=Agency").await, "Two One");
    assert_eq!(found("byline=Agency&category=sports&tag=cup").await, "One");
    assert_eq!(found(&format!("author={}", ada.id)).await, "Three");
    // Whose name it is has an account: it is in no view in clear, and found by the author.
    assert_eq!(found("byline=Ada").await, "");
    assert_eq!(found(&format!("from={published}")).await, "Four");
    assert_eq!(found(&format!("to={published}")).await, "Three Two One");
    assert_eq!(found(&format!("from={published}&to={published}")).await, "");
    portal.get("/v1/news?from=yesterday").await.is_problem(422, "invalid-fields");
}

/// All pages of an address, and before each something is published.
async fn pages(
    door: &Door,
    address: &str,
    position: i64,
    before_each: impl AsyncFn(),
) -> Vec<String> {
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        before_each().await;
        let answer = door.read(&format!("{address}{after}"), position).await;
        seen.extend(titles(&answer).into_iter().map(str::to_owned));
        let Some(next) = answer.body["next"].as_str() else { return seen };
        after = format!("&after={next}");
    }
}

async fn pages_neither_repeat_nor_skip_while_articles_are_published(portal: Portal) {
    let article = |number: usize| {
        let title = format!("Number {number}");
        match number % 3 {
            0 => text(&format!("{title}: goal"), "", "Text."),
            1 => text(&title, "A goal", "Text."),
            _ => text(&title, "", "The goal."),
        }
    };
    let categories = ["sports", "politics", "famous"];
    let mut last = 0;
    for number in 0..17 {
        last = publish(&portal, categories[number % 2], article(number)).await.1;
    }
    let before_each = async || {
        publish(&portal, "famous", text("Late goal", "Goal", "Goal.")).await;
    };
    let door = portal.door();
    let seen = pages(&door, "/v1/news?q=goal&limit=4", last, before_each).await;
    let kept: Vec<_> = seen.iter().filter(|title| title.as_str() != "Late goal").collect();
    let expected = (0..3).flat_map(|relevance| (0..17).rev().filter(move |n| n % 3 == relevance));
    let expected = expected.map(|number| match number % 3 {
        0 => format!("Number {number}: goal"),
        _ => format!("Number {number}"),
    });
    assert_eq!(kept, expected.collect::<Vec<_>>().iter().collect::<Vec<_>>());
    assert!(seen.len() <= 18, "what comes before the place is not seen: {seen:?}");

    let search = portal.get_at("/v1/news?q=goal&limit=4", last).await;
    let next = search.body["next"].as_str().expect("a next page");
    portal.get(&format!("/v1/news?after={next}")).await.is_problem(422, "invalid-fields");
}

async fn a_corpus_is_searched_and_a_replay_changes_nothing(portal: Portal) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/bbc.jsonl");
    if !corpus.exists() {
        println!("{} is not on this machine", corpus.display());
        return;
    }
    let names = Environment::from([(
        "PORTAL_CATEGORIES".to_owned(),
        "business,famous,politics,sports,tech".to_owned(),
    )]);
    let portal = Portal::start_with(portal.wiring, names).await;
    portal.tool(&["import", corpus.to_str().expect("a path")]);
    portal.verifies().await;
    let lines = std::fs::read_to_string(&corpus).expect("a file");
    let articles: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("an article")).collect();
    for question in ["google", "the", "prime minister", "said film", "nowhere", "£600m"] {
        let words = |text: &Value| proto::words(text.as_str().unwrap_or_default());
        let asked = proto::words(question);
        let has = |article: &&Value| {
            let text = ["title", "summary", "content"].map(|field| words(&article[field])).concat();
            asked.iter().all(|word| text.contains(word))
        };
        let mut expected: Vec<_> = articles.iter().filter(has).map(|one| &one["title"]).collect();
        expected.sort_by_key(|title| title.as_str());
        let address = format!("/v1/news?limit=7&q={}", escaped(question));
        let before = pages(&portal.door(), &address, 0, async || {}).await;
        let mut found: Vec<_> = before.iter().collect();
        found.sort();
        assert_eq!(found, expected, "{question}");
        if question == "google" {
            portal.tool(&["replay"]);
        }
        assert_eq!(pages(&portal.door(), &address, 0, async || {}).await, before, "{question}");
    }
    portal.tool(&["replay", "--rollback"]);
    let answer = portal.get("/v1/news?limit=1&q=the").await;
    assert_eq!(titles(&answer).len(), 1);
}
