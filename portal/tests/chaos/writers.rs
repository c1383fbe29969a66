//! Clients that give commands: each has articles that nobody else changes, and knows how they are.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::ledger::{Known, Ledger, Outcome};
use crate::readers::Reader;
use crate::requests::{Reply, Request};
use crate::support::http::{Answer, Door};
use crate::support::newsroom::Random;

pub(crate) const CATEGORIES: [&str; 3] = ["famous", "politics", "sports"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Draft,
    Published,
    /// Retracted, or left to the agenda.
    Done,
}

struct Own {
    id: String,
    category: &'static str,
    version: i64,
    state: State,
}

pub(crate) struct Writer {
    pub(crate) name: String,
    pub(crate) doors: Vec<Door>,
    pub(crate) random: Random,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) reader: Reader,
    own: Vec<Own>,
    pub(crate) count: usize,
}

impl Writer {
    pub(crate) fn new(
        number: usize,
        doors: &[Door],
        random: &Random,
        ledger: &Arc<Ledger>,
    ) -> Self {
        let seed = |of: u64| Random(random.0.wrapping_add(2 * number as u64 + of));
        Self {
            name: format!("w{number}"),
            doors: doors.to_vec(),
            random: seed(0),
            ledger: Arc::clone(ledger),
            reader: Reader::new(doors, seed(1), ledger),
            own: Vec::new(),
            count: 0,
        }
    }

    pub(crate) async fn work(mut self, end: Instant) {
        while Instant::now() < end {
            self.count += 1;
            let at = self.random.below(self.own.len().max(1));
            let state = self.own.get(at).map(|own| own.state);
            match (self.random.below(100), state) {
                (0..12, Some(State::Draft | State::Published)) => self.be_refused(at).await,
                (12..45, Some(State::Published)) => self.correct(at).await,
                (45..52, Some(State::Published)) => self.move_away(at).await,
                (52..58, Some(State::Published)) => self.retract(at).await,
                (12..30, Some(State::Draft)) => self.revise(at).await,
                (30..50, Some(State::Draft)) => self.publish(at).await,
                (50..58, Some(State::Draft)) => self.schedule(at).await,
                _ => self.begin().await,
            }
            // What it wrote itself it reads, too: its reader knows the position.
            if self.random.below(4) == 0 {
                self.reader.read_something().await;
            }
            let pause = self.random.below(60) as u64;
            sleep(Duration::from_millis(pause)).await;
        }
    }

    fn text(&self) -> Value {
        json!({"title": format!("Title {}-{}", self.name, self.count), "content": "Text."})
    }

    async fn begin(&mut self) {
        let category = CATEGORIES[self.random.below(CATEGORIES.len())];
        let mut body = self.text();
        let (events, state): (&[_], _) = match self.random.below(10) {
            0..5 => (&["published"], State::Published),
            5..8 => {
                body["status"] = json!("draft");
                (&["drafted"], State::Draft)
            }
            _ => {
                body["publish_at"] = json!(self.soon());
                (&["drafted", "scheduled"], State::Done)
            }
        };
        let scheduled = state == State::Done;
        let request = self.request(Method::POST, format!("/v1/news/{category}"), body);
        let reply = self.send(&request).await;
        let Some(answer) = reply.answer else {
            return self.note(&request, events, None, Outcome::Unknown);
        };
        if answer.status != 201 {
            return self.unexpected(&request, events, None, &answer, scheduled);
        }
        let id = answer.body["id"].as_str().expect("an id").to_owned();
        let (version, position) = (version_of(&answer), answer.position());
        self.note(&request, events, Some(id.clone()), Outcome::Acknowledged(position));
        let public = state == State::Published;
        let known = Known {
            category,
            version,
            position,
            retracted: false,
            public,
            moving: scheduled,
            away: false,
        };
        self.ledger.articles().insert(id.clone(), known);
        self.own.push(Own { id, category, version, state });
    }

    /// A time at which the agenda will have to act while something may be down.
    fn soon(&mut self) -> String {
        let later = chrono::TimeDelta::milliseconds(3_000 + self.random.below(9_000) as i64);
        (chrono::Utc::now() + later).to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
    }

    fn address(&self, at: usize, action: &str) -> String {
        let Own { id, category, .. } = &self.own[at];
        format!("/v1/news/{category}/{id}{action}")
    }

    async fn correct(&mut self, at: usize) {
        let mut body = self.text();
        body["correction_note"] = json!("Why.");
        let request = self.request(Method::PUT, self.address(at, ""), body);
        self.change(at, request, &["corrected"], |_| {}).await;
    }

    async fn revise(&mut self, at: usize) {
        let request = self.request(Method::PUT, self.address(at, ""), self.text());
        self.change(at, request, &["revised"], |_| {}).await;
    }

    async fn publish(&mut self, at: usize) {
        let request = self.request(Method::POST, self.address(at, "/publish"), json!({}));
        self.change(at, request, &["published"], |own| own.state = State::Published).await;
    }

    async fn schedule(&mut self, at: usize) {
        let body = json!({"publish_at": self.soon()});
        let request = self.request(Method::POST, self.address(at, "/schedule"), body);
        self.change(at, request, &["scheduled"], |own| own.state = State::Done).await;
    }

    async fn retract(&mut self, at: usize) {
        let body = json!({"reason": "Untrue."});
        let request = self.request(Method::POST, self.address(at, "/retract"), body);
        self.change(at, request, &["retracted"], |own| own.state = State::Done).await;
    }

    async fn move_away(&mut self, at: usize) {
        let here = self.own[at].category;
        let others: Vec<_> = CATEGORIES.into_iter().filter(|category| *category != here).collect();
        let to = others[self.random.below(others.len())];
        let request =
            self.request(Method::POST, self.address(at, "/move"), json!({"category": to}));
        if let Some(known) = self.ledger.articles().get_mut(&self.own[at].id) {
            known.away = true;
        }
        self.change(at, request, &["moved_out", "moved_in"], |own| own.category = to).await;
    }

    /// A command to the version that this client knows, which nobody else changes.
    async fn change(
        &mut self,
        at: usize,
        mut request: Request,
        events: &'static [&'static str],
        effect: impl FnOnce(&mut Own),
    ) {
        let (id, version) = (self.own[at].id.clone(), self.own[at].version);
        request.if_match = Some(version);
        self.is_moving(&id, true);
        let Reply { answer, repeated } = self.send(&request).await;
        let after = version + events.len() as i64;
        let outcome = match &answer {
            None => Outcome::Unknown,
            Some(answer) if answer.status == 200 => Outcome::Acknowledged(answer.position()),
            Some(answer)
                if repeated
                    && answer.status == 412
                    && answer.body["current_version"].as_i64() == Some(after) =>
            {
                Outcome::Happened
            }
            Some(_) if repeated && !request.key => Outcome::Unknown,
            Some(answer) => {
                let late = events == ["scheduled"];
                self.own[at].state = State::Done;
                return self.unexpected(&request, events, Some(id), answer, late);
            }
        };
        self.note(&request, events, Some(id.clone()), outcome);
        let own = &mut self.own[at];
        if outcome == Outcome::Unknown {
            // Whatever it is now: it is left alone.
            own.state = State::Done;
            return;
        }
        own.version = after;
        effect(own);
        self.know(at, events, outcome);
    }

    fn is_moving(&self, id: &str, moving: bool) {
        if let Some(known) = self.ledger.articles().get_mut(id) {
            known.moving = moving;
        }
    }

    fn know(&mut self, at: usize, events: &[&str], outcome: Outcome) {
        let Own { id, category, version, .. } = &self.own[at];
        let mut articles = self.ledger.articles();
        let Some(known) = articles.get_mut(id) else { return };
        (known.category, known.version) = (category, *version);
        if let Outcome::Acknowledged(position) = outcome {
            known.position = position;
        } else {
            // Where it stands in the log was never told; every later command knows a position.
            known.version -= events.len() as i64;
        }
        known.retracted |= events == ["retracted"];
        known.public |= events == ["published"];
        known.moving = events == ["scheduled"] || outcome == Outcome::Happened;
        known.away &= outcome == Outcome::Happened;
    }

    /// Commands that must be refused, whatever is down.
    async fn be_refused(&mut self, at: usize) {
        let (version, state) = (self.own[at].version, self.own[at].state);
        let mut body = self.text();
        body["correction_note"] = json!("Why.");
        let (mut request, expected) = match self.random.below(3) {
            0 => (self.request(Method::PUT, self.address(at, ""), body), 412),
            1 => {
                body["title"] = json!("");
                (self.request(Method::PUT, self.address(at, ""), body), 422)
            }
            _ if state == State::Draft => {
                let body = json!({"reason": "There is nothing to take back."});
                (self.request(Method::POST, self.address(at, "/retract"), body), 409)
            }
            _ => (self.request(Method::POST, self.address(at, "/publish"), json!({})), 409),
        };
        let stale = expected == 412;
        request.if_match = Some(if stale { version + 1 } else { version });
        let answer = self.send(&request).await.answer;
        if let Some(answer) = answer.filter(|answer| answer.status != expected) {
            let (tag, status) = (&request.tag, answer.status);
            self.ledger.is_wrong(format!("{tag} not refused: {status} {}", answer.body));
        }
        let article = Some(self.own[at].id.clone());
        self.note(&request, &[], article, Outcome::Refused);
    }
}

fn version_of(answer: &Answer) -> i64 {
    answer.body["version"].as_i64().expect("a version")
}
