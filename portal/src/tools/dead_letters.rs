//! `portal dead-letters`: the streams that views leave out because of an event that they cannot
//! take, and what somebody decides about them.

use std::process::ExitCode;

use anyhow::{Result, bail};
use events::{Category, RecordedEvent, StreamId};
use query_stack::view_store::{Parked, ParkedState, View};
use query_stack::{DeadLetters, TakenUp};
use serde::Serialize;

use super::select;
use crate::settings::{self, Addresses, Retry};
use crate::wiring;

/// Streams asked for at a time.
const PAGE: usize = 500;

/// A line of `list --json`.
#[derive(Serialize)]
struct Line<'a> {
    view: String,
    #[serde(flatten)]
    parked: &'a Parked,
}

pub(crate) async fn run(
    addresses: &Addresses,
    categories: &[Category],
    task: settings::DeadLetters,
) -> Result<ExitCode> {
    let log = wiring::existing_event_log(addresses).await?;
    let store = wiring::view_store(addresses).await?;
    let letters = DeadLetters { log, store };
    let view = match &task {
        settings::DeadLetters::Retry(Retry { view, .. })
        | settings::DeadLetters::Discard { view, .. } => view.as_deref(),
        settings::DeadLetters::List { .. } | settings::DeadLetters::Show { .. } => None,
    };
    let views = select(categories, view, None);
    if views.is_empty() {
        bail!("no view of --categories is selected");
    }
    match task {
        settings::DeadLetters::List { json } => list(&letters, &views, json).await,
        settings::DeadLetters::Show { stream } => show(&letters, &views, &stream.into()).await,
        settings::DeadLetters::Retry(arguments) => retry(&letters, &views, arguments).await,
        settings::DeadLetters::Discard { stream, .. } => {
            discard(&letters, &views, &stream.into()).await
        }
    }
}

/// All that a view leaves out.
async fn parked(letters: &DeadLetters, view: &View) -> Result<Vec<Parked>> {
    let mut all: Vec<Parked> = Vec::new();
    loop {
        let page = letters.list(view, all.last().map(|last| &last.stream), PAGE).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

async fn list(letters: &DeadLetters, views: &[View], json: bool) -> Result<ExitCode> {
    let mut count = 0;
    for view in views {
        for parked in parked(letters, view).await? {
            count += 1;
            if json {
                let line = Line { view: view.to_string(), parked: &parked };
                println!("{}", serde_json::to_string(&line)?);
            } else {
                print(view, &parked);
            }
        }
    }
    if count == 0 && !json {
        println!("no view leaves out a stream");
    }
    Ok(ExitCode::SUCCESS)
}

fn print(view: &View, parked: &Parked) {
    let Parked { stream, state, position, event_type, error, attempts, since, .. } = parked;
    println!(
        "{view}: {stream} is {state} since {since} at position {position} ({event_type}), tried \
         {attempts} times: {error}"
    );
}

async fn show(letters: &DeadLetters, views: &[View], stream: &StreamId) -> Result<ExitCode> {
    let mut found = false;
    for view in views {
        let Some(parked) = letters.find(view, stream).await? else { continue };
        found = true;
        print(view, &parked);
        let mut events = letters.log.read_stream(stream).await?;
        events.retain(|event| event.partition == view.partition);
        events.iter().for_each(|event| println!("{}", described(event, &parked)));
    }
    Ok(if found { ExitCode::SUCCESS } else { not_parked(stream) })
}

/// An event, with what became of it in the view.
fn described(event: &RecordedEvent, parked: &Parked) -> String {
    let state = match event.position.cmp(&parked.position) {
        _ if parked.state == ParkedState::Discarded => "given up",
        std::cmp::Ordering::Less => "known",
        std::cmp::Ordering::Equal => "cannot be taken",
        std::cmp::Ordering::Greater => "pending",
    };
    let RecordedEvent { position, recorded_at, event_type, schema_version, version, .. } = event;
    let (actor, data) = (&event.metadata.actor, event.data.get());
    format!(
        "  {state:<16} {position:>8}  {recorded_at}  {event_type} schema {schema_version}  \
         v{version}  {actor}  {data}"
    )
}

fn not_parked(stream: &StreamId) -> ExitCode {
    println!("{stream}: no view leaves it out");
    ExitCode::FAILURE
}

async fn retry(letters: &DeadLetters, views: &[View], arguments: Retry) -> Result<ExitCode> {
    let mut good = true;
    if arguments.all {
        for view in views {
            let mut parked = parked(letters, view).await?;
            parked.retain(|parked| parked.state != ParkedState::Discarded);
            for Parked { stream, .. } in parked {
                good &= !fails(&take_up(letters, view, &stream).await?);
            }
        }
    }
    for stream in arguments.streams.into_iter().map(StreamId::from) {
        let mut found = false;
        for view in views {
            let tried = take_up(letters, view, &stream).await?;
            found |= tried != TakenUp::WasNotParked;
            good &= !fails(&tried);
        }
        if !found {
            not_parked(&stream);
            good = false;
        }
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

const fn fails(taken_up: &TakenUp) -> bool {
    matches!(taken_up, TakenUp::Still(_))
}

async fn take_up(letters: &DeadLetters, view: &View, stream: &StreamId) -> Result<TakenUp> {
    let taken_up = letters.retry(view, stream).await?;
    match &taken_up {
        TakenUp::Done => println!("{view}: {stream} is taken up again"),
        TakenUp::Still(parked) => print(view, parked),
        TakenUp::WasNotParked => {}
    }
    Ok(taken_up)
}

async fn discard(letters: &DeadLetters, views: &[View], stream: &StreamId) -> Result<ExitCode> {
    let mut found = false;
    for view in views {
        if let Some(Parked { position, .. }) = letters.discard(view, stream).await? {
            found = true;
            println!("{view}: {stream} is given up from position {position} on");
        }
    }
    Ok(if found { ExitCode::SUCCESS } else { not_parked(stream) })
}
