//! `portal verify`: is the log complete and as it was sealed, and is every view the fold of it?

use std::process::ExitCode;

use anyhow::Result;
use events::{Category, EventReader, Position};
use query_stack::Verified;
use query_stack::view_store::{Parked, ParkedCounts, View, ViewStore};
use serde::Serialize;
use tokio::time::{Duration, Instant, sleep};

use super::{seal, select};
use crate::progress::Meter;
use crate::settings::{Addresses, Verify};
use crate::wiring;

/// How long a view may take to catch up with what was in the log when it was looked at.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// What was looked at, and how it is. With `--json` this is printed.
#[derive(Serialize)]
struct Finding {
    /// `event log`, `seal`, or a view.
    subject: String,
    /// Up to where it was looked at.
    position: Position,
    /// Where the log ends for it.
    head: Position,
    /// Of a view.
    #[serde(skip_serializing_if = "Option::is_none")]
    documents: Option<usize>,
    /// One sentence each; empty when all is as it should be.
    differences: Vec<String>,
    /// How many streams a view leaves out, and the first of them.
    #[serde(skip_serializing_if = "ParkedCounts::is_empty")]
    parked: ParkedCounts,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parked_streams: Vec<Parked>,
}

impl Finding {
    /// Of the log itself, which is whole up to its end.
    fn of_log(subject: &str, position: Position, differences: Vec<String>) -> Self {
        Self {
            subject: subject.to_owned(),
            position,
            head: position,
            documents: None,
            differences,
            parked: ParkedCounts::default(),
            parked_streams: Vec::new(),
        }
    }

    /// What somebody gave up is as somebody wanted it.
    fn is_good(&self) -> bool {
        let complete = self.position >= self.head && !self.parked.is_pending();
        complete && self.differences.is_empty()
    }

    /// For people.
    fn print(&self) {
        let Self { subject, position, head, documents, differences, parked, .. } = self;
        for Parked { stream, state, position, error, .. } in &self.parked_streams {
            println!("{subject}: {stream} is {state} at position {position}: {error}");
        }
        differences.iter().for_each(|difference| println!("{subject}: {difference}"));
        match documents {
            _ if position < head => {
                println!("{subject}: at position {position}, behind the log, which is at {head}");
            }
            _ if !differences.is_empty() => {}
            Some(documents) if !parked.is_empty() => {
                println!(
                    "{subject}: {documents} documents at position {position}, equal to the log but \
                     for {parked}"
                );
            }
            Some(documents) => {
                println!(
                    "{subject}: {documents} documents at position {position}, equal to the log"
                );
            }
            None if subject == "seal" => {
                println!("{subject}: {position} events, as they were sealed");
            }
            None => println!("{subject}: {position} events, complete"),
        }
    }
}

pub(crate) async fn run(
    addresses: &Addresses,
    categories: &[Category],
    arguments: Verify,
) -> Result<ExitCode> {
    let log = wiring::existing_event_log(addresses).await?;
    let store = wiring::view_store(addresses).await?;
    let mut findings = Vec::new();
    let report = |finding: Finding, findings: &mut Vec<Finding>| {
        if !arguments.json {
            finding.print();
        }
        findings.push(finding);
    };
    let differences = log.gaps().await?;
    let position = log.last_position(None, Position::END).await?;
    report(Finding::of_log("event log", position, differences), &mut findings);
    if let Some(file) = &arguments.seal {
        let seal::Compared { position, difference } = seal::compare(&*log, file).await?;
        let differences = difference.into_iter().collect();
        report(Finding::of_log("seal", position, differences), &mut findings);
    }
    for view in &select(categories, None, None) {
        report(look_at(&*log, &*store, view).await?, &mut findings);
    }
    let good = findings.iter().all(Finding::is_good);
    if arguments.json {
        println!("{}", serde_json::json!({"good": good, "findings": findings}));
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Compares views with the log; prints what differs.
pub(super) async fn views(
    log: &dyn EventReader,
    store: &dyn ViewStore,
    selected: &[View],
) -> Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for view in selected {
        let finding = look_at(log, store, view).await?;
        finding.print();
        if !finding.is_good() {
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

/// A view that runs catches up within moments; one that does not is behind.
async fn look_at(log: &dyn EventReader, store: &dyn ViewStore, view: &View) -> Result<Finding> {
    let deadline = Instant::now() + CATCH_UP_TIMEOUT;
    let head = log.last_position(Some(&view.partition), Position::END).await?;
    while store.state(view).await?.live.position < head && Instant::now() < deadline {
        sleep(LOOK_AGAIN).await;
    }
    let mut meter = Meter::new(format!("verify {view}"), "events");
    let verified = query_stack::verify(log, store, view, &mut meter.follow()).await?;
    meter.finish();
    let Verified { documents, position, differences, parked, parked_streams } = verified;
    let (subject, documents) = (view.to_string(), Some(documents));
    Ok(Finding { subject, position, head, documents, differences, parked, parked_streams })
}
