//! Sending commands as a careful client does: what was not answered is repeated, with the same key or
//! the same precondition, until it is known what became of it; only what has neither stays unknown.

use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::ledger::{Command, Outcome};
use crate::support::http::Answer;
use crate::writers::Writer;

/// How long a client goes on to ask what became of a command.
const RETRY_TIMEOUT: Duration = Duration::from_secs(120);

/// A request that can be sent again.
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Value,
    pub(crate) if_match: Option<i64>,
    pub(crate) key: bool,
    pub(crate) tag: String,
}

/// What came back in the end, and whether the request was sent more than once.
pub(crate) struct Reply {
    pub(crate) answer: Option<Answer>,
    pub(crate) repeated: bool,
}

impl Writer {
    pub(crate) fn request(&mut self, method: Method, path: String, body: Value) -> Request {
        let tag = format!("{}-{}", self.name, self.count);
        let key = method == Method::POST && self.random.below(10) < 8;
        Request { method, path, body, if_match: None, key, tag }
    }

    fn build(&mut self, request: &Request) -> RequestBuilder {
        let door = &self.doors[self.random.below(self.doors.len())];
        let mut built = door.request(request.method.clone(), &request.path).json(&request.body);
        built = built.header("x-request-id", &request.tag);
        if let Some(version) = request.if_match {
            built = built.header("if-match", format!("\"{version}\""));
        }
        if request.key {
            built = built.header("idempotency-key", &request.tag);
        }
        built
    }

    /// Until an answer says what became of it; at once if a repetition could be a second command.
    pub(crate) async fn send(&mut self, request: &Request) -> Reply {
        let began = Instant::now();
        let mut repeated = false;
        loop {
            let answer = Answer::try_of(self.build(request)).await.ok();
            let answer = answer.filter(Answer::says_what_became_of_it);
            let can_repeat = request.key || request.if_match.is_some();
            if answer.is_some() || !can_repeat || began.elapsed() > RETRY_TIMEOUT {
                return Reply { answer, repeated };
            }
            repeated = true;
            sleep(Duration::from_millis(50 + self.random.below(300) as u64)).await;
        }
    }

    pub(crate) fn note(
        &mut self,
        request: &Request,
        events: &'static [&'static str],
        article: Option<String>,
        outcome: Outcome,
    ) {
        if let Outcome::Acknowledged(position) = outcome {
            self.reader.position = self.reader.position.max(position);
        }
        self.ledger.note(Command { tag: request.tag.clone(), events, article, outcome });
    }

    pub(crate) fn unexpected(
        &mut self,
        request: &Request,
        events: &'static [&'static str],
        article: Option<String>,
        answer: &Answer,
        allowed: bool,
    ) {
        // A plan that had to be repeated may have become a plan for the past.
        if !(allowed && answer.status == 422) {
            let what = format!("{} {} {}", request.tag, request.method, request.path);
            self.ledger.is_wrong(format!("{what}: {} {}", answer.status, answer.body));
        }
        self.note(request, events, article, Outcome::Refused);
    }
}
