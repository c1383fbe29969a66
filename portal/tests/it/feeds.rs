//! Feeds and the sitemap of news, as programs of others read them.

use std::collections::BTreeSet;

use crate::support::checkers::check;
use crate::support::{Environment, Portal, Wiring, eventually};
use reqwest::{Method, Response};
use serde_json::{Value, json};

journeys! {
    embedded {
        a_reader_walks_every_feed_to_its_end
        what_is_taken_back_leaves_every_feed_and_atom_says_why
        who_has_a_feed_is_told_so_until_something_changes
        the_sitemap_has_the_newest_thousand_of_two_days
    }
}

/// What breaks out of a markup that is not written with care, or may not be in it at all.
const ODD: &str = "a]]>b\u{8}c & <script>alert(1)</script> \u{1f5de} \u{ffff}\"'é";
/// The same as far as XML can say it.
const ODD_IN_XML: &str = "a]]>bc & <script>alert(1)</script> \u{1f5de} \"'é";

/// What an independent reader finds.
fn read(portal: &Portal, feed: &str) -> Value {
    let url = format!("{}/feeds/{feed}", portal.door().url);
    serde_json::from_str(&check("feed.py", &[&url], "")).expect("JSON")
}

fn texts(entries: &Value, field: &str) -> Vec<String> {
    let entries = entries["entries"].as_array().expect("entries");
    entries.iter().map(|entry| entry[field].as_str().expect("a text").to_owned()).collect()
}

/// The articles of a list, from page to page.
async fn listed(portal: &Portal, list: &str) -> Vec<String> {
    let (mut ids, mut next) = (Vec::new(), Some(String::new()));
    while let Some(after) = next {
        let page = portal.get(&format!("{list}?limit=100{after}")).await.body;
        let items = page["items"].as_array().expect("items").iter();
        ids.extend(items.map(|item| format!("urn:uuid:{}", item["id"].as_str().expect("an id"))));
        next = page["next"].as_str().map(|next| format!("&after={next}"));
    }
    ids
}

/// Publishes in every category; all of the log up to here is in the feeds then.
async fn settle(portal: &Portal) {
    for category in ["famous", "politics", "sports"] {
        let (_, position) = portal.publish(category, "Settled").await;
        let feed = portal.get_at(&format!("/feeds/{category}.json"), position).await;
        assert_eq!(feed.body["items"][0]["title"], "Settled", "{}", feed.body);
    }
    eventually("the feed of all", async || {
        let feed = portal.get("/feeds/all.json").await.body;
        let newest: Vec<_> = (0..3).map(|at| feed["items"][at]["title"].as_str()).collect();
        (newest == [Some("Settled"); 3]).then_some(())
    })
    .await;
}

async fn a_reader_walks_every_feed_to_its_end(portal: Portal) {
    portal.has_a_past_of(600).await;
    let odd = json!({"title": ODD, "summary": ODD, "content": ODD, "tags": [ODD], "byline": ODD});
    assert_eq!(portal.post("/v1/news/sports", odd).await.status, 201);
    settle(&portal).await;
    for (feed, list, least) in [("sports", "/v1/news/sports", 150), ("all", "/v1/news", 450)] {
        let expected = listed(&portal, list).await;
        assert!(expected.len() > least, "{}", expected.len());
        for format in ["rss", "atom", "json"] {
            let found = read(&portal, &format!("{feed}.{format}"));
            assert_eq!(texts(&found, "id"), expected, "{feed}.{format}");
            assert_eq!(found["pages"], expected.len().div_ceil(50), "{feed}.{format}");
            let url = format!("{}/v1/news/", portal.door().url);
            assert!(texts(&found, "url").iter().all(|link| link.starts_with(&url)), "{url}");
        }
    }
    for (feed, odd) in [("sports.atom", ODD_IN_XML), ("sports.json", ODD)] {
        let found = read(&portal, feed);
        assert!(texts(&found, "title").contains(&odd.to_owned()), "{feed}");
        assert!(texts(&found, "text").contains(&odd.to_owned()), "{feed}");
    }
    // A reader of RSS takes the description for HTML: what looks like a script is a text there.
    let rss = texts(&read(&portal, "sports.rss"), "text");
    assert!(rss.iter().any(|text| text.contains("&lt;script&gt;alert(1)")), "{rss:?}");
    for (wrong, status, kind) in [
        ("/feeds/sports", 404, "not-found"),
        ("/feeds/sports.xml", 404, "not-found"),
        ("/feeds/nowhere.rss", 404, "not-found"),
        ("/feeds/sports.rss?limit=3", 422, "invalid-fields"),
        ("/feeds/sports.rss?after=x", 422, "invalid-fields"),
    ] {
        portal.get(wrong).await.is_problem(status, kind);
    }
}

async fn what_is_taken_back_leaves_every_feed_and_atom_says_why(portal: Portal) {
    let (untrue, _) = portal.publish("sports", "Untrue").await;
    let (_, position) = portal.publish("sports", "True").await;
    let feeds = ["sports.rss", "sports.atom", "sports.json", "all.rss", "all.atom", "all.json"];
    for feed in feeds {
        let before = portal.get_at(&format!("/feeds/{feed}"), position).await;
        assert!(before.body.to_string().contains("Untrue"), "{feed}: {}", before.body);
    }
    let path = format!("/v1/news/sports/{}", untrue["id"].as_str().expect("an id"));
    let reason = json!({"reason": "There was <no> match."});
    let retracted = portal.change(Method::POST, &format!("{path}/retract"), 1, reason).await;
    assert_eq!(retracted.status, 200, "{}", retracted.body);
    // For who has seen it at once, and then in its own time for everybody.
    let seen = portal.get_at("/feeds/sports.json", retracted.position()).await;
    assert!(!seen.body.to_string().contains("Untrue"), "{}", seen.body);
    for feed in feeds {
        let expects_notice = feed.contains("atom");
        let found = eventually(feed, async || {
            let found = read(&portal, feed);
            let is_told = !expects_notice || found["deleted"] != json!([]);
            (texts(&found, "title") == ["True"] && is_told).then_some(found)
        })
        .await;
        let id = format!("urn:uuid:{}", untrue["id"].as_str().expect("an id"));
        let (when, comment) = (&retracted.body["updated_at"], "There was <no> match.");
        let notice = json!([{"ref": id, "when": when, "comment": comment}]);
        assert_eq!(found["deleted"], if expects_notice { notice } else { json!([]) }, "{feed}");
    }
}

async fn ask(portal: &Portal, path: &str, headers: &[(&str, &str)]) -> Response {
    let request = portal.door().request(Method::GET, path);
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.send().await.expect("an answer")
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().expect("a text"))
}

async fn who_has_a_feed_is_told_so_until_something_changes(portal: Portal) {
    let (article, position) = portal.publish("sports", "First").await;
    let pages = ["/feeds/sports.rss", "/feeds/sports.atom", "/feeds/all.json", "/sitemap-news.xml"];
    let mut tags = Vec::new();
    for page in pages {
        assert_eq!(portal.get_at(page, position).await.status, 200, "{page}");
        settled(&portal, page, "First").await;
        let mut of_encodings = BTreeSet::new();
        for encoding in ["identity", "gzip", "br"] {
            let answer = whole(&portal, page, &[("accept-encoding", encoding)]).await;
            let encoded = if encoding == "identity" { "" } else { encoding };
            assert_eq!(header(&answer, "content-encoding"), encoded, "{page}");
            assert!(header(&answer, "cache-control").starts_with("public, max-age=1"), "{page}");
            assert!(header(&answer, "vary").contains("accept-encoding"), "{page}");
            let tag = header(&answer, "etag").to_owned();
            assert!(tag.starts_with('"'), "strong: {tag}");
            let known = [("accept-encoding", encoding), ("if-none-match", &tag)];
            assert_eq!(ask(&portal, page, &known).await.status(), 304, "{page} {encoding}");
            of_encodings.insert(tag);
        }
        assert_eq!(of_encodings.len(), 3, "{of_encodings:?}");
        tags.push(of_encodings.into_iter().collect::<Vec<_>>().join(", "));
    }
    let path = format!("/v1/news/sports/{}", article["id"].as_str().expect("an id"));
    let text = json!({"title": "Second", "content": "Text.", "correction_note": "Why."});
    assert_eq!(portal.change(Method::PUT, &path, 1, text).await.status, 200);
    for (page, tags) in pages.into_iter().zip(tags) {
        settled(&portal, page, "Second").await;
        assert_eq!(ask(&portal, page, &[("if-none-match", &tags)]).await.status(), 200, "{page}");
    }
}

/// A page that has all of its parts, as one has unless one of them was late.
async fn whole(portal: &Portal, page: &str, headers: &[(&str, &str)]) -> Response {
    eventually(page, async || {
        let answer = ask(portal, page, headers).await;
        (header(&answer, "cache-control") != "no-store").then_some(answer)
    })
    .await
}

/// Until everybody gets it.
async fn settled(portal: &Portal, page: &str, title: &str) {
    let has = async || portal.get(page).await.body.to_string().contains(title).then_some(());
    eventually(page, has).await;
}

async fn the_sitemap_has_the_newest_thousand_of_two_days(portal: Portal) {
    portal.has_a_past_of(8).await;
    let line = |number: usize| {
        let category = ["famous", "politics", "sports"][number % 3];
        let title = format!("New {number}");
        let source_id = number.to_string();
        json!({"source_id": source_id, "category": category, "title": title, "content": "Text."})
            .to_string()
    };
    let lines: Vec<_> = (0..1_050).map(line).collect();
    let file = portal.data_file("new.jsonl");
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    std::fs::write(&file, lines.join("\n")).expect("a file");
    portal.tool(&["import", file.to_str().expect("a path")]);
    settle(&portal).await;
    let odd = json!({"title": ODD, "content": "Text."});
    let last = portal.post("/v1/news/sports", odd).await;
    let sitemap = portal.get_at("/sitemap-news.xml", last.position()).await;
    assert_eq!(sitemap.status, 200, "{}", sitemap.body);
    let found = check("sitemap.py", &[], sitemap.body.as_str().expect("a text"));
    let found: Vec<Value> = serde_json::from_str(&found).expect("JSON");
    assert_eq!(found.len(), 1_000);
    let url = format!("{}{}", portal.door().url, last.header("location"));
    assert_eq!(found[0], json!({"loc": url, "title": ODD_IN_XML}));
    // What is older than two days is in every list, but no news.
    assert!(!sitemap.body.to_string().contains("Title "));
    let old = portal.get("/v1/news/sports?to=2026-02-01T00:00:00Z").await.body;
    assert!(old["items"][0]["title"].as_str().is_some_and(|title| title.starts_with("Title ")));
}

#[tokio::test]
async fn links_begin_where_the_operator_says_and_never_where_a_request_does() {
    let settings = [
        ("PORTAL_PUBLIC_URL", "https://news.example/portal/"),
        ("PORTAL_SITE_NAME", "The Daily & Co"),
        ("PORTAL_LANGUAGE", "de-AT"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let portal = Portal::start_with(Wiring::Embedded, Environment::from(settings)).await;
    let (article, position) = portal.publish("sports", "At home").await;
    let path = format!("/v1/news/sports/{}", article["id"].as_str().expect("an id"));
    let address = format!("https://news.example/portal{path}");
    let position = position.to_string();
    let strange = [("host", "evil.example"), ("portal-min-position", &*position)];
    for page in ["/feeds/all.rss", "/feeds/all.atom", "/feeds/all.json", "/sitemap-news.xml"] {
        let text = ask(&portal, page, &strange).await.text().await.expect("a text");
        assert!(text.contains(&address) && text.contains("The Daily &"), "{page}: {text}");
        let language = if page == "/sitemap-news.xml" { ">de<" } else { "de-AT" };
        assert!(text.contains(language), "{page}: {text}");
        assert!(!text.contains("evil") && !text.contains("127.0.0.1"), "{page}: {text}");
    }
    let accept = ("accept", "application/ld+json");
    let document = ask(&portal, &path, &[strange[0], strange[1], accept]).await;
    let document: Value = document.json().await.expect("JSON");
    assert_eq!(document["url"], address);
}

#[tokio::test]
async fn feeds_are_there_while_their_articles_cannot_be_asked_for() {
    let mut portal = Portal::start(Wiring::Servers).await;
    let (_, position) = portal.publish("sports", "Known").await;
    let feeds = ["/feeds/sports.rss", "/feeds/all.atom", "/feeds/all.json"];
    for feed in feeds {
        assert_eq!(portal.get_at(feed, position).await.status, 200, "{feed}");
        settled(&portal, feed, "Known").await;
    }
    ["query-stack-1", "query-stack-2"].into_iter().for_each(|stack| portal.kill(stack));
    for feed in feeds {
        eventually(feed, async || {
            let answer = portal.get(feed).await;
            assert_eq!(answer.status, 200, "{feed}: {}", answer.body);
            assert!(answer.body.to_string().contains("Known"), "{feed}: {}", answer.body);
            // As it was: nobody may keep it.
            (answer.header("cache-control") == "no-store").then_some(())
        })
        .await;
    }
    // A part of these would look like the whole.
    let after =
        "MjAyNi0xMS0yMVQwNzowMDowMC4wMDBaIDAwMDAwMDAwLTAwMDAtMDAwMC0wMDAwLTAwMDAwMDAwMDAwMA";
    for page in ["/sitemap-news.xml", &format!("/feeds/sports.rss?after={after}")] {
        portal.door().get_once(page).await.is_problem(503, "unavailable");
    }
}
