//! Clients that read, and remember what they saw: who names a position never sees anything older.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::ledger::{Known, Ledger};
use crate::support::http::{Answer, Door};
use crate::support::newsroom::Random;
use crate::writers::CATEGORIES;

/// Newer than every version: what was retracted stays so.
const RETRACTED: i64 = i64::MAX;

pub(crate) struct Reader {
    doors: Vec<Door>,
    random: Random,
    ledger: Arc<Ledger>,
    /// The newest that it was told of.
    pub(crate) position: i64,
    /// Which version of an article each category showed: an article that moves is in the views of
    /// both, and a view is one for itself.
    seen: HashMap<(String, String), i64>,
}

impl Reader {
    pub(crate) fn new(doors: &[Door], random: Random, ledger: &Arc<Ledger>) -> Self {
        let (doors, ledger) = (doors.to_vec(), Arc::clone(ledger));
        Self { doors, random, ledger, position: 0, seen: HashMap::new() }
    }

    pub(crate) async fn work(mut self, end: Instant) {
        while Instant::now() < end {
            self.read_something().await;
            sleep(Duration::from_millis(self.random.below(40) as u64)).await;
        }
    }

    pub(crate) async fn read_something(&mut self) {
        match self.random.below(10) {
            0..6 => self.read_any_article().await,
            6..8 => self.read_list().await,
            _ => self.read_home().await,
        }
    }

    fn any_article(&mut self) -> Option<(String, Known)> {
        let articles = self.ledger.articles();
        let count = articles.len().max(1);
        // Mostly one of the newest: ids are in the order of time.
        let from_the_end = self.random.below(count.min(50));
        let (id, known) = articles.iter().nth_back(from_the_end)?;
        Some((id.clone(), known.clone()))
    }

    async fn read_any_article(&mut self) {
        let Some((id, known)) = self.any_article() else { return };
        let door = self.random.below(self.doors.len());
        self.read_article(&id, &known, door).await;
    }

    /// Whether there was an answer, and it was right.
    pub(crate) async fn read_article(&mut self, id: &str, known: &Known, door: usize) -> bool {
        self.position = self.position.max(known.position);
        let path = format!("/v1/news/{}/{id}", known.category);
        let Some(answer) = self.ask(&path, door).await else { return false };
        let category = answer.body["category"].as_str().unwrap_or(known.category).to_owned();
        let key = (category, id.to_owned());
        let before = self.seen.get(&key).copied().unwrap_or(0);
        let version = match answer.status {
            200 => answer.body["version"].as_i64().expect("a version"),
            410 => RETRACTED,
            // It went to another category meanwhile, whose view does not have it yet.
            404 if self.went_away(id, known) => return false,
            _ => {
                let status = answer.status;
                self.ledger.is_wrong(format!("{path} {known:?}: {status} {}", answer.body));
                return false;
            }
        };
        let least = if known.retracted { RETRACTED } else { known.version.max(before) };
        let retracted = || {
            let articles = self.ledger.articles();
            articles.get(id).is_none_or(|now| now.retracted || now.moving)
        };
        if version < least || (version == RETRACTED && least != RETRACTED && !retracted()) {
            let what = format!("{path} at {}: version {version} after {before}", self.position);
            self.ledger.is_wrong(format!("{what}, known {known:?}"));
            return false;
        }
        self.seen.insert(key, version);
        true
    }

    /// Whether it is, or may be, in another category than it was known in.
    fn went_away(&self, id: &str, known: &Known) -> bool {
        let articles = self.ledger.articles();
        articles.get(id).is_some_and(|now| now.category != known.category || now.away)
    }

    async fn ask(&mut self, path: &str, door: usize) -> Option<Answer> {
        let request = self.doors[door].get_at(path, self.position);
        let answer = Answer::try_of(request).await.ok().filter(|answer| answer.status != 503);
        let mut queries = self.ledger.queries();
        match &answer {
            Some(_) => queries.answered += 1,
            None => queries.unanswered += 1,
        }
        answer
    }

    async fn read_list(&mut self) {
        let category = CATEGORIES[self.random.below(CATEGORIES.len())];
        let own = self.any_article().filter(|(_, known)| {
            known.category == category && known.public && !known.retracted && !known.moving
        });
        if let Some((_, known)) = &own {
            self.position = self.position.max(known.position);
        }
        let path = format!("/v1/news/{category}?limit=100");
        let door = self.random.below(self.doors.len());
        let Some(answer) = self.ask(&path, door).await else { return };
        let Some(items) = answer.body["items"].as_array().filter(|_| answer.status == 200) else {
            return self.ledger.is_wrong(format!("{path}: {} {}", answer.status, answer.body));
        };
        self.look_at(&path, items);
        let Some((id, known)) = own else { return };
        let listed = items.iter().any(|item| item["id"] == id.as_str());
        let changed = self
            .ledger
            .articles()
            .get(&id)
            .is_none_or(|now| now.category != category || now.retracted || now.moving);
        // A full page may have no room for it any more.
        if !listed && !changed && items.len() < 100 {
            self.ledger.is_wrong(format!("{path} at {} lacks {id} {known:?}", self.position));
        }
    }

    async fn read_home(&mut self) {
        let door = self.random.below(self.doors.len());
        let Some(answer) = self.ask("/v1/home?limit=10", door).await else { return };
        let sections = answer.body["sections"].as_array().filter(|_| answer.status == 200);
        let Some(sections) = sections else {
            return self.ledger.is_wrong(format!("home: {} {}", answer.status, answer.body));
        };
        // A section that says that it is stale may be older than what was seen.
        for section in sections.iter().filter(|section| section["status"] != "stale") {
            let articles = section["articles"].as_array().expect("articles");
            articles.iter().for_each(|article| self.look_at_the_front_page(article));
        }
    }

    /// Every door keeps a page of its own, so that only what a position stands for is promised, and
    /// not all that was ever seen through another door.
    fn look_at_the_front_page(&mut self, article: &Value) {
        let (id, version) = (article["id"].as_str().expect("an id"), article["version"].as_i64());
        let known = self.ledger.articles().get(id).cloned();
        let Some(known) = known.filter(|known| known.position <= self.position) else { return };
        if known.retracted || version < Some(known.version) {
            let what = format!("/v1/home at {} has {id} at {version:?}", self.position);
            self.ledger.is_wrong(format!("{what}, known {known:?}"));
        }
    }

    /// No article in it is older than it was seen before.
    fn look_at(&mut self, path: &str, items: &[Value]) {
        for item in items {
            let (id, version) = (item["id"].as_str().expect("an id"), item["version"].as_i64());
            let version = version.expect("a version");
            let category = item["category"].as_str().expect("a category").to_owned();
            let seen = self.seen.entry((category, id.to_owned())).or_insert(version);
            if version < *seen {
                let what = format!("{path} has {id} at version {version} after {seen}");
                self.ledger.is_wrong(what);
            }
            *seen = version.max(*seen);
        }
    }
}
