//! After the quiet: what the log has of each command, and what the views say.

use std::collections::HashMap;

use serde_json::Value;

use crate::fleet::Fleet;
use crate::ledger::{Command, Ledger, Outcome};
use crate::readers::Reader;
use crate::support::eventually;
use crate::support::http::Door;
use crate::support::newsroom::Random;

/// How many commands there were of each outcome, and what the log has wrong.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) commands: usize,
    pub(crate) acknowledged: usize,
    pub(crate) refused: usize,
    pub(crate) unknown: usize,
    /// Acknowledged, and not in the log, or not where the answer said.
    pub(crate) lost: usize,
    /// More than once in the log, or refused and in the log, or from nobody.
    pub(crate) duplicated: usize,
}

/// The events of each command, by its tag.
fn by_command(events: &[Value]) -> HashMap<&str, Vec<&Value>> {
    let mut of: HashMap<_, Vec<_>> = HashMap::new();
    for event in events {
        of.entry(event["correlationid"].as_str().expect("a text")).or_default().push(event);
    }
    of
}

fn is(event: &Value, kind: &str) -> bool {
    event["type"].as_str().and_then(|name| name.strip_prefix("news.article_")) == Some(kind)
}

/// Whether these are the events of this command, once.
fn is_whole(command: &Command, found: &[&Value]) -> bool {
    let same = found.len() == command.events.len()
        && found.iter().zip(command.events).all(|(event, kind)| is(event, kind));
    let subject = command.article.as_ref().map(|id| format!("article-{id}"));
    same && subject.is_none_or(|subject| found.iter().all(|event| event["subject"] == *subject))
}

pub(crate) fn count(ledger: &Ledger, events: &[Value]) -> Counts {
    let mut counts = Counts::default();
    let mut found = by_command(events);
    for command in ledger.commands().iter() {
        counts.commands += 1;
        let found = found.remove(command.tag.as_str()).unwrap_or_default();
        let last = found.last().and_then(|event| event["position"].as_i64());
        let (whole, none) = (is_whole(command, &found), found.is_empty());
        let (lost, duplicated) = match command.outcome {
            Outcome::Acknowledged(position) => {
                counts.acknowledged += 1;
                (none || last != Some(position), !none && !whole)
            }
            Outcome::Happened => {
                counts.unknown += 1;
                (none, !none && !whole)
            }
            Outcome::Unknown => {
                counts.unknown += 1;
                (false, !none && !whole)
            }
            Outcome::Refused => {
                counts.refused += 1;
                (false, !none)
            }
        };
        counts.lost += usize::from(lost);
        counts.duplicated += usize::from(duplicated);
        if lost || duplicated {
            ledger.is_wrong(format!("{command:?} is {found:?} in the log"));
        }
    }
    for (tag, events) in found {
        if events.iter().any(|event| event["actor"] != "system:schedule") {
            counts.duplicated += 1;
            ledger.is_wrong(format!("{tag} is nobody's: {events:?}"));
        }
    }
    counts
}

/// What was planned was published, once.
pub(crate) fn plans_were_kept(ledger: &Ledger, events: &[Value]) {
    let mut published: HashMap<&str, usize> = HashMap::new();
    for event in events.iter().filter(|event| event["actor"] == "system:schedule") {
        *published.entry(event["subject"].as_str().expect("a stream")).or_default() += 1;
    }
    for event in events.iter().filter(|event| is(event, "scheduled")) {
        let stream = event["subject"].as_str().expect("a stream");
        let times = published.remove(stream).unwrap_or(0);
        if times != 1 {
            ledger.is_wrong(format!("{stream} was planned once and published {times} times"));
        }
    }
    if !published.is_empty() {
        ledger.is_wrong(format!("published without a plan: {published:?}"));
    }
}

/// Positions without holes, versions without holes in each stream.
pub(crate) fn is_complete(ledger: &Ledger, events: &[Value]) {
    let mut versions: HashMap<&str, i64> = HashMap::new();
    for (event, place) in events.iter().zip(1_i64..) {
        let version = versions.entry(event["subject"].as_str().expect("a stream")).or_default();
        *version += 1;
        if event["position"] != place || event["version"] != *version {
            ledger.is_wrong(format!("the log has {event} at {place}"));
        }
    }
}

/// Waits until what was planned has been published and every view has all of the log.
pub(crate) async fn is_quiet(fleet: &Fleet) -> Vec<Value> {
    let planned = |events: &[Value]| events.iter().filter(|event| is(event, "scheduled")).count();
    let kept = |events: &[Value]| {
        events.iter().filter(|event| event["actor"] == "system:schedule").count()
    };
    let events = eventually("everything that was planned is published", async || {
        let events = fleet.portal.events();
        (kept(&events) >= planned(&events)).then_some(events)
    })
    .await;
    eventually("portal verify finds nothing", async || {
        let output = fleet.portal.run(&["verify", "--json"]);
        let text = String::from_utf8_lossy(&output.stdout);
        let good = output.status.success() && text.contains("\"good\":true");
        if !good {
            println!("not yet: {text}");
        }
        good.then_some(())
    })
    .await;
    events
}

/// Each door gives each article as it was left.
pub(crate) async fn readers_find_each_article(ledger: &std::sync::Arc<Ledger>, doors: &[Door]) {
    let articles = ledger.articles().clone();
    let mut reader = Reader::new(doors, Random(0), ledger);
    for (at, (id, known)) in articles.iter().enumerate() {
        if !reader.read_article(id, known, at % doors.len()).await {
            ledger.is_wrong(format!("{id} cannot be read in the end: {known:?}"));
        }
    }
}
