//! `portal replay`: views are rebuilt while readers read them and writers go on.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde_json::Value;
use tokio::task::JoinSet;

use crate::support::http::{Answer, Door};
use crate::support::newsroom::{Newsroom, Random};
use crate::support::stores::{migrated_stores, required};
use crate::support::{Environment, Portal, Wiring, by_depth};

journeys! {
    by wiring;
    both {
        readers_miss_nothing_while_views_are_rebuilt_again_and_again
        readers_notice_nothing_while_a_long_past_is_rebuilt
        what_broke_off_is_begun_again
    }
    embedded {
        a_rollback_brings_the_previous_generation_back_with_all_that_came_since
        a_rebuild_of_the_past_leaves_the_live_view_alone
        a_dry_run_compares_and_writes_nothing
        only_what_was_asked_for_is_rebuilt
        a_replay_tells_what_it_took
    }
}

const WRITERS: usize = 2;
const READERS: usize = 2;
/// Articles enough that a rebuild takes a moment.
const ARTICLES: usize = 400;

async fn readers_miss_nothing_while_views_are_rebuilt_again_and_again(wiring: Wiring) {
    let (random, rounds) = (Random::seeded(), by_depth(1, 3));
    let portal = Portal::start(wiring).await;
    let newsroom = Newsroom::new(portal.editor(), usize::MAX);
    let mut acknowledged = newsroom.acknowledged();
    let writers = newsroom.work(WRITERS, &random);
    acknowledged.wait_for(|count| *count >= ARTICLES).await.expect("a newsroom at work");
    let readers: JoinSet<_> = (0..READERS)
        .map(|number| Reader::new(portal.door(), &newsroom, &random, number).read())
        .collect();
    let before = *acknowledged.borrow_and_update();
    for _ in 0..rounds {
        portal.tool(&["replay"]);
        portal.tool(&["replay", "--rollback"]);
    }
    // Otherwise this would prove nothing.
    let meanwhile = *acknowledged.borrow_and_update() - before;
    assert!(meanwhile > rounds, "the newsroom went on: {meanwhile}");
    newsroom.close();
    writers.join_all().await;
    let looks: usize = readers.join_all().await.into_iter().sum();
    assert!(looks > rounds, "readers read: {looks}");
    portal.verifies().await;
}

/// Reads what the newsroom was told is public, and again what it has seen itself.
struct Reader {
    door: Door,
    newsroom: Arc<Newsroom>,
    random: Random,
    /// The version of each article that it saw last.
    seen: HashMap<String, u64>,
    home: i64,
    refused: usize,
}

impl Reader {
    fn new(door: Door, newsroom: &Arc<Newsroom>, random: &Random, number: usize) -> Self {
        let random = Random(random.0.wrapping_sub(number as u64 + 1));
        let newsroom = Arc::clone(newsroom);
        Self { door, newsroom, random, seen: HashMap::new(), home: 0, refused: 0 }
    }

    /// Until the newsroom closes; how often it looked, and was answered at once: nearly always, since
    /// a rebuild is no reason to wait, and a busy machine seldom is one.
    async fn read(mut self) -> usize {
        let mut looks = 0;
        while self.newsroom.is_open() {
            self.look_at_an_article().await;
            self.look_at_it_again().await;
            self.look_at_the_home_page().await;
            looks += 1;
        }
        assert!(self.refused * 10 <= looks, "{} refusals in {looks} looks", self.refused);
        looks
    }

    async fn look_at_an_article(&mut self) {
        let article = {
            let articles = self.newsroom.articles();
            articles[self.random.below(articles.len())].clone()
        };
        let Some(position) = article.position else { return };
        // Until the view is so far.
        let answer = self.door.read(&article.path, position).await;
        article.is_answered_by(&answer);
        self.remember(article.path, &answer);
    }

    /// What was seen once stays, and never gets older, also for who asks for no position.
    async fn look_at_it_again(&mut self) {
        if self.seen.is_empty() {
            return;
        }
        let any = self.random.below(self.seen.len());
        let path = self.seen.keys().nth(any).cloned().expect("one that was seen");
        let answer = self.door.get(&path).await;
        assert!([200, 410].contains(&answer.status), "{path}: {answer:?}");
        self.refused += answer.refused;
        self.remember(path, &answer);
    }

    fn remember(&mut self, path: String, answer: &Answer) {
        // Nothing comes after a retraction.
        let retracted = (answer.status == 410).then_some(u64::MAX);
        let version = retracted.or(answer.body["version"].as_u64()).expect("a version");
        let before = self.seen.insert(path, version);
        assert!(before <= Some(version), "version {version} after {before:?}");
    }

    async fn look_at_the_home_page(&mut self) {
        let home = self.door.get_once("/v1/home").await;
        assert_eq!(home.status, 200, "{home:?}");
        if home.body["degraded"] == true {
            return; // A section missed its deadline on a busy machine, and the page says so.
        }
        let position = home.body["position"].as_i64().expect("a position");
        assert!(position >= self.home, "position {position} after {}", self.home);
        self.home = position;
        for section in home.body["sections"].as_array().expect("sections") {
            let articles = section["articles"].as_array().expect("articles");
            assert!(!articles.is_empty(), "{}", section["category"]);
        }
    }
}

/// Every line that a replay prints names a generation.
fn generations(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.split("generation ").nth(1)?.split(' ').next()).collect()
}

async fn title_of_the_newest(portal: &Portal, position: i64) -> Value {
    let list = portal.get_at("/v1/news/sports", position).await;
    assert_eq!(list.status, 200, "{}", list.body);
    list.body["items"][0]["title"].clone()
}

async fn a_rollback_brings_the_previous_generation_back_with_all_that_came_since(wiring: Wiring) {
    let portal = Portal::start(wiring).await;
    let (_, position) = portal.publish("sports", "First").await;
    portal.get_at("/v1/news/sports", position).await;
    let nothing = portal.run(&["replay", "--rollback"]);
    assert_eq!(nothing.status.code(), Some(1));
    let reason = String::from_utf8_lossy(&nothing.stdout);
    assert!(reason.contains("articles_sports: has no previous generation"), "{reason}");

    let text = portal.tool(&["replay"]);
    assert_eq!(generations(&text), ["2"; 11], "{text}");
    let (_, position) = portal.publish("sports", "Second").await;
    assert_eq!(title_of_the_newest(&portal, position).await, "Second");
    for expected in ["1", "2", "1"] {
        let text = portal.tool(&["replay", "--rollback"]);
        assert_eq!(generations(&text), [expected; 11], "{text}");
        assert_eq!(title_of_the_newest(&portal, position).await, "Second");
        portal.verifies().await;
    }
    let (_, position) = portal.publish("sports", "Third").await;
    assert_eq!(title_of_the_newest(&portal, position).await, "Third");
    portal.verifies().await;
}

async fn a_rebuild_of_the_past_leaves_the_live_view_alone(wiring: Wiring) {
    let portal = Portal::start(wiring).await;
    let (first, past) = portal.publish("sports", "First").await;
    let (_, now) = portal.publish("sports", "Second").await;
    assert_eq!(title_of_the_newest(&portal, now).await, "Second");
    let moment = first["published_at"].as_str().expect("a time");
    let before = "1970-01-01T00:00:00Z";
    for (until, position) in [(moment, past), (before, 0), ("1", past), ("1000000", now)] {
        let text = portal.tool(&["replay", "--view", "articles", "--until", until]);
        let line = format!("articles_sports: {} documents, ", position.min(2));
        let end = format!(" at position {position} stays beside the live one");
        assert!(text.lines().any(|text| text.starts_with(&line) && text.ends_with(&end)), "{text}");
    }
    for until in [&past.to_string(), moment] {
        let text = portal.tool(&["replay", "--category", "sports", "--until", until]);
        assert!(text.contains("stays beside the live one"), "{text}");
        assert_eq!(title_of_the_newest(&portal, 0).await, "Second");
        let (_, now) = portal.publish("sports", "Second").await;
        assert_eq!(title_of_the_newest(&portal, now).await, "Second");
    }
    portal.verifies().await;
    let text = portal.tool(&["replay", "--category", "sports", "--until", &past.to_string()]);
    assert!(text.contains(&format!("at position {past} ")), "{text}");
    let wrong = portal.run(&["replay", "--until", "yesterday"]);
    assert_eq!(wrong.status.code(), Some(2));
}

async fn a_dry_run_compares_and_writes_nothing(wiring: Wiring) {
    let portal = Portal::start(wiring).await;
    portal.publish("sports", "First").await;
    portal.verifies().await;
    let text = portal.tool(&["replay", "--dry-run"]);
    assert!(
        text.contains("articles_sports: 1 documents at position 1, equal to the log"),
        "{text}"
    );
    // The next generation would be another one if the dry run had begun one.
    assert_eq!(generations(&portal.tool(&["replay", "--category", "sports"])), ["2", "2", "2"]);
}

async fn only_what_was_asked_for_is_rebuilt(wiring: Wiring) {
    let portal = Portal::start(wiring).await;
    portal.publish("sports", "First").await;
    portal.verifies().await;
    for (arguments, views) in [
        (&["--view", "users"][..], &["users"][..]),
        (&["--category", "sports"], &["articles_sports", "desk_sports", "search_sports"]),
        (&["--view", "articles"], &["articles_famous", "articles_politics", "articles_sports"]),
    ] {
        let text = portal.tool(&[&["replay"], arguments].concat());
        let lines = text.lines().filter(|line| !line.starts_with("total: "));
        let named: Vec<_> = lines.filter_map(|line| Some(line.split_once(':')?.0)).collect();
        assert_eq!(named, views, "{text}");
    }
    let unknown = portal.run(&["replay", "--category", "weather"]);
    assert_eq!(unknown.status.code(), Some(1));
    portal.verifies().await;
}

/// Events enough that a rebuild by a debug build takes seconds; `PORTAL_TEST_PAST` for more.
fn past() -> usize {
    let past = std::env::var("PORTAL_TEST_PAST").ok().and_then(|past| past.parse().ok());
    past.unwrap_or(by_depth(2_000, 8_000))
}

/// A portal whose views were built from a long past before it began to serve.
async fn with_a_past(wiring: Wiring) -> Portal {
    let environment = match wiring {
        Wiring::Embedded => Environment::new(),
        Wiring::Servers => migrated_stores(&required).await,
    };
    let mut portal = Portal::not_started(wiring, environment);
    portal.tool(&["migrate"]);
    portal.has_a_past_of(past()).await;
    let text = portal.tool(&["replay"]);
    let built = format!("articles_sports: {} documents, generation 2 ", past() / 4);
    assert!(text.contains(&built), "{text}");
    portal.spawn_all();
    portal
}

async fn readers_notice_nothing_while_a_long_past_is_rebuilt(wiring: Wiring) {
    let random = Random::seeded();
    let portal = with_a_past(wiring).await;
    let newsroom = Newsroom::new(portal.editor(), usize::MAX);
    let mut acknowledged = newsroom.acknowledged();
    let writers = newsroom.work(1, &random);
    acknowledged.wait_for(|count| *count >= 10).await.expect("a newsroom at work");
    let readers: JoinSet<_> = (0..READERS)
        .map(|number| Reader::new(portal.door(), &newsroom, &random, number).read())
        .collect();
    let before = *acknowledged.borrow_and_update();
    let text = portal.tool(&["replay"]);
    assert_eq!(generations(&text), ["3"; 11], "{text}");
    let meanwhile = *acknowledged.borrow_and_update() - before;
    assert!(meanwhile > 1, "the newsroom went on: {meanwhile}");
    newsroom.close();
    writers.join_all().await;
    let looks: usize = readers.join_all().await.into_iter().sum();
    assert!(looks > 1, "readers read: {looks}");
    portal.tool(&["verify"]);
}

async fn what_broke_off_is_begun_again(wiring: Wiring) {
    let portal = with_a_past(wiring).await;
    let (_, position) = portal.publish("sports", "Now").await;
    for signal in ["INT", "KILL"] {
        let mut replay = portal.command();
        let mut replay = replay.arg("replay").stderr(Stdio::piped()).spawn().expect("a process");
        let mut lines = BufReader::new(replay.stderr.take().expect("its errors")).lines();
        // Between its lines are log records, of slow statements say.
        let line = lines.find_map(|line| line.ok().filter(|line| line.starts_with("replay: ")));
        let line = line.unwrap_or_default();
        let parts: Vec<_> = ["replay: ", "%, ", " events (", "/s), ", " s left"].into();
        assert!(parts.iter().all(|part| line.contains(part)), "{line}");
        let kill = Command::new("kill").args(["-s", signal, &replay.id().to_string()]).status();
        assert!(kill.expect("kill").success());
        assert!(!replay.wait().expect("its end").success(), "it was not done yet");
        assert_eq!(title_of_the_newest(&portal, position).await, "Now");
    }
    portal.tool(&["verify"]);
    let text = portal.tool(&["replay"]);
    assert_eq!(generations(&text), ["5"; 11], "{text}");
    let built = format!("articles_sports: {} documents, ", past() / 4 + 1);
    assert!(text.contains(&built), "{text}");
    assert_eq!(title_of_the_newest(&portal, position).await, "Now");
    portal.tool(&["verify"]);
}

async fn a_replay_tells_what_it_took(wiring: Wiring) {
    let portal = Portal::start(wiring).await;
    portal.publish("sports", "First").await;
    let text = portal.tool(&["replay"]);
    let total = text.lines().last().expect("a line");
    assert!(total.starts_with("total: 1 events ("), "{total}");
    assert!(total.contains(" s, peak memory ") && total.ends_with(" MiB"), "{total}");
}
