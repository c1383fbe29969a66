//! The front page: instant, and never older than what its reader has seen.

use crate::support::http::{Answer, Door, section};
use crate::support::{Portal, Wiring, eventually};
use reqwest::Method;
use serde_json::{Value, json};

journeys! {
    both {
        a_change_is_on_every_front_page_and_nobody_sees_an_older_one
    }
    embedded {
        the_front_page_of_the_past_is_as_readers_had_it
        the_page_stays_the_same_until_something_changes
        what_the_editors_want_stands_first_and_nothing_stands_twice
        who_is_signed_in_finds_something_to_read_and_why
    }
}

/// The titles of a section.
fn titles(home: &Value, category: &str) -> Vec<String> {
    let articles = section(home, category)["articles"].as_array().expect("articles");
    articles.iter().map(|article| article["title"].as_str().expect("a title").to_owned()).collect()
}

impl Portal {
    /// Every public door; a second one is opened where there can be two.
    fn doors(&mut self) -> Vec<Door> {
        let first = self.door();
        if self.wiring == Wiring::Embedded {
            return vec![first];
        }
        self.spawn_as("orchestrator-2", self.orchestrator_arguments());
        let url = self.url("orchestrator-2", "");
        // Starting a service forgets the connections of before.
        vec![self.door(), Door { url, ..self.door() }]
    }
}

async fn a_change_is_on_every_front_page_and_nobody_sees_an_older_one(mut portal: Portal) {
    let doors = portal.doors();
    let (article, mut position) = portal.publish("sports", "Version 1").await;
    let path = format!("/v1/news/sports/{}", article["id"].as_str().expect("an id"));
    for version in 1..=20 {
        let title = format!("Version {version}");
        for door in &doors {
            let seen = door.read("/v1/home", position).await;
            assert_eq!(seen.status, 200, "{}", seen.body);
            assert_eq!(titles(&seen.body, "sports"), [title.as_str()]);
        }
        // Without a position as well, in its own time, and then for everybody.
        for door in &doors {
            eventually(&title, async || {
                let home = door.get("/v1/home").await.body;
                (titles(&home, "sports") == [title.as_str()]).then_some(())
            })
            .await;
        }
        let title = format!("Version {}", version + 1);
        let text = json!({"title": title, "content": "Text.", "correction_note": "Why."});
        let corrected = portal.change(Method::PUT, &path, version, text).await;
        position = corrected.position();
    }
    let reason = json!({"reason": "Untrue."});
    let taken_back =
        portal.change(Method::POST, &format!("{path}/retract"), 21, reason).await.position();
    for door in &doors {
        let home = door.read("/v1/home", taken_back).await.body;
        assert_eq!(titles(&home, "sports"), Vec::<String>::new());
    }
}

async fn the_front_page_of_the_past_is_as_readers_had_it(portal: Portal) {
    let path =
        |article: &Value| format!("/v1/news/sports/{}", article["id"].as_str().expect("an id"));
    let nothing = portal.get("/v1/home?as_of=2001-01-01T00:00:00Z").await;
    assert_eq!((nothing.status, titles(&nothing.body, "sports")), (200, Vec::new()));
    let (kept, _) = portal.publish("sports", "First").await;
    let (withdrawn, _) = portal.publish("sports", "Untrue").await;
    let (moved, _) = portal.publish("sports", "At home").await;
    let then = moved["published_at"].as_str().expect("a time").to_owned();
    let later = async || {
        // The next event must not have the same time.
        let now = portal.publish("politics", "Tick").await.0;
        (now["published_at"].as_str() != Some(&then)).then_some(())
    };
    eventually("a later time", later).await;
    let text = json!({"title": "Second", "content": "Text.", "correction_note": "Why."});
    assert_eq!(portal.change(Method::PUT, &path(&kept), 1, text).await.status, 200);
    let to = json!({"category": "politics"});
    let move_it = format!("{}/move", path(&moved));
    assert_eq!(portal.change(Method::POST, &move_it, 1, to).await.status, 200);
    let (_, last) = portal.publish("sports", "New").await;
    let page = portal.get(&format!("/v1/home?as_of={then}")).await;
    assert_eq!(titles(&page.body, "sports"), ["At home", "Untrue", "First"], "{}", page.body);
    // What is taken back is in no page any more, also not in those of the past.
    let reason = json!({"reason": "Untrue."});
    let retract = format!("{}/retract", path(&withdrawn));
    assert_eq!(portal.change(Method::POST, &retract, 1, reason).await.status, 200);
    let page = portal.get(&format!("/v1/home?as_of={then}&limit=1")).await;
    assert_eq!(titles(&page.body, "sports"), ["At home"]);
    let page = portal.get(&format!("/v1/home?as_of={then}")).await;
    assert_eq!(titles(&page.body, "sports"), ["At home", "First"]);
    let now = portal.get_at("/v1/home", last).await;
    assert_eq!(titles(&now.body, "sports")[..2], ["New", "Second"]);
}

async fn the_page_stays_the_same_until_something_changes(portal: Portal) {
    portal.publish("sports", "First").await;
    // Its position may be an earlier one: a page that stays the same keeps the position it had.
    let has_it = async || {
        let page = portal.get("/v1/home").await;
        (titles(&page.body, "sports") == ["First"]).then_some(page)
    };
    let known = async |page: &Answer| {
        let request = portal.door().request(Method::GET, "/v1/home");
        Answer::of(request.header("if-none-match", page.header("etag"))).await.status
    };
    // A part that is late, as it may be on a busy machine, makes another page.
    let page = eventually("a page that stays", async || {
        let page = eventually("a page with all that happened", has_it).await;
        assert!(page.header("cache-control").starts_with("public, max-age="), "{:?}", page.headers);
        let before = known(&page).await;
        // What happens in the newsroom only is no new page.
        let draft = json!({"title": "Draft", "content": "Text.", "status": "draft"});
        let draft = portal.post("/v1/news/sports", draft).await.position();
        assert_eq!(portal.get_at("/v1/home", draft).await.status, 200);
        ((before, known(&page).await) == (304, 304)).then_some(page)
    })
    .await;
    let (_, last) = portal.publish("politics", "Second").await;
    assert_eq!(titles(&portal.get_at("/v1/home", last).await.body, "politics"), ["Second"]);
    eventually("another page", async || (known(&page).await == 200).then_some(())).await;
}

async fn what_the_editors_want_stands_first_and_nothing_stands_twice(portal: Portal) {
    let id = |article: &Value| article["id"].as_str().expect("an id").to_owned();
    let (old, _) = portal.publish("sports", "Old").await;
    let (breaking, _) = portal.publish("sports", "Breaking").await;
    let (new, _) = portal.publish("sports", "New").await;
    let (_, last) = portal.publish("politics", "Politics").await;
    let before = portal.get_at("/v1/home", last).await.body;
    assert_eq!(titles(&before, "sports"), ["New", "Breaking", "Old"]);
    assert!(before.get("breaking").is_none(), "{before}");
    let put = async |path: &str, body: Value| {
        let done = Answer::of(portal.request(Method::PUT, path).json(&body)).await;
        assert_eq!(done.status, 200, "{}", done.body);
        done.position()
    };
    put("/v1/front/sports", json!({"pinned": [id(&old), id(&breaking)]})).await;
    let set = put("/v1/front/breaking", json!({"article_id": id(&breaking)})).await;
    let home = portal.get_at("/v1/home", set).await.body;
    assert_eq!(home["breaking"]["title"], "Breaking", "{home}");
    assert_eq!(titles(&home, "sports"), ["Old", "New"]);
    assert_eq!(titles(&home, "politics"), ["Politics"]);
    // Taken back, it is nowhere, whatever the editors wanted.
    let retract = format!("/v1/news/sports/{}/retract", id(&breaking));
    let reason = json!({"reason": "Untrue."});
    let taken_back = portal.change(Method::POST, &retract, 1, reason).await.position();
    let home = portal.get_at("/v1/home", taken_back).await.body;
    assert!(home.get("breaking").is_none(), "{home}");
    assert_eq!(titles(&home, "sports"), ["Old", "New"]);
    // As it was before anything was pinned, but for what was taken back.
    let then = new["published_at"].as_str().expect("a time");
    let past = portal.get(&format!("/v1/home?as_of={then}")).await.body;
    assert_eq!(titles(&past, "sports"), ["New", "Old"]);
    let unpinned = put("/v1/front/sports", json!({"pinned": []})).await;
    let home = portal.get_at("/v1/home", unpinned).await.body;
    assert_eq!(titles(&home, "sports"), ["New", "Old"]);
}

/// The journey of the source: who reads an article of each category is told what else to read.
async fn who_is_signed_in_finds_something_to_read_and_why(portal: Portal) {
    let ada = portal.register("Ada", "ada@example.org").await;
    for category in ["famous", "politics", "sports"] {
        let (article, position) = portal.publish(category, &format!("Read of {category}")).await;
        let path = format!("/v1/news/{category}/{}", article["id"].as_str().expect("an id"));
        assert_eq!(ada.door.read(&path, position).await.status, 200);
    }
    let (_, last) = portal.publish("sports", "Not read").await;
    let home = eventually("what somebody may like", async || {
        let home = ada.door.read("/v1/home", last).await;
        let for_you = home.body["for_you"].as_array()?;
        let [article] = &for_you[..] else { return None };
        let is_it = article["title"] == "Not read";
        let reason = article["reason"].as_str()?;
        (is_it && reason.starts_with("you read about")).then_some(home)
    })
    .await;
    assert_eq!(home.header("cache-control"), "private, no-store");
    assert!(home.header("etag").is_empty());
    assert_eq!(titles(&home.body, "sports"), ["Read of sports"], "nothing stands twice");
    // Others get what everybody gets.
    let public = portal.get_at("/v1/home", last).await;
    assert!(public.body.get("for_you").is_none(), "{}", public.body);
    assert_eq!(titles(&public.body, "sports"), ["Not read", "Read of sports"]);
    // What was read lifts an article, and is most read where it does not stand already.
    let most_read = async || {
        let home = portal.get("/v1/home?limit=1").await.body;
        (titles(&home, "sports") == ["Read of sports"]).then_some(())
    };
    eventually("an article that its reader has lifted", most_read).await;
}
