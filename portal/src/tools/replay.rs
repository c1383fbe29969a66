//! `portal replay`: rebuilds views from the log beside the live ones, then switches.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use events::Category;
use futures::{StreamExt, stream};
use query_stack::reading_store;
use query_stack::view_store::{Checkpoint, View};
use query_stack::{Built, RebuildError, Rebuilder, Until};

use super::{select, verify};
use crate::progress::{Meter, peak_memory_mib};
use crate::settings::{Addresses, Replay};
use crate::wiring;

/// Views that go live at the same time: their indexes are built then, each by one core of the server.
const AT_A_TIME: usize = 4;
/// No view of the log: profiles are made of readings.
const RECOMMENDATIONS: &str = "recommendations";

pub(crate) async fn run(
    addresses: &Addresses,
    categories: &[Category],
    arguments: Replay,
) -> Result<ExitCode> {
    if arguments.view.as_deref() == Some(RECOMMENDATIONS) {
        return recommendations(addresses, &arguments).await;
    }
    let (view, category) = (arguments.view.as_deref(), arguments.category.as_ref());
    let selected = select(categories, view, category);
    if selected.is_empty() {
        bail!("no view of --categories is selected");
    }
    let log = wiring::existing_event_log(addresses).await?;
    let store = wiring::view_store(addresses).await?;
    if arguments.dry_run {
        return verify::views(&*log, &*store, &selected).await;
    }
    let rebuilder = Rebuilder { log, store };
    if arguments.rollback {
        return roll_back(&rebuilder, &selected).await;
    }
    let until = arguments.until.unwrap_or(Until::Now);
    let mut meter = Meter::new("replay".to_owned(), "events");
    let generations = rebuilder.build(&selected, until, &mut meter.follow()).await?;
    let ended = generations.into_iter().map(async |built| {
        let end = match until {
            Until::Now => rebuilder.go_live(&built.view, built.checkpoint).await,
            Until::Position(_) | Until::Time(_) => Ok(built.checkpoint),
        };
        anyhow::Ok((end.with_context(|| built.view.to_string())?, built))
    });
    let outcome = if until == Until::Now { "is live" } else { "stays beside the live one" };
    let mut ended = stream::iter(ended).buffered(AT_A_TIME);
    // What became of the others is told also when one fails.
    let mut failed = None;
    while let Some(ended) = ended.next().await {
        let told = async {
            let (end, Built { view, documents, .. }) = ended?;
            println!("{view}: {documents} documents, {} {outcome}", place(end));
            tell_parked(&rebuilder, &view, end).await
        };
        failed = failed.or(told.await.err());
    }
    if let Some(error) = failed {
        return Err(error);
    }
    println!("total: {}{}", meter.finish(), peak());
    Ok(ExitCode::SUCCESS)
}

/// In place, one profile after the other: there is nothing to switch.
async fn recommendations(addresses: &Addresses, arguments: &Replay) -> Result<ExitCode> {
    let Replay { category, until, dry_run, rollback, .. } = arguments;
    if category.is_some() || until.is_some() || *dry_run || *rollback {
        bail!("--view {RECOMMENDATIONS} can only be made again as a whole, from what is kept");
    }
    let stores = wiring::stores(addresses).await?;
    let count = reading_store::rebuild(&*stores.readings, reading_store::kept_since()).await?;
    println!("{RECOMMENDATIONS}: made again from the readings, profiles: {count}");
    Ok(ExitCode::SUCCESS)
}

/// Of several views, those are rolled back that can be.
async fn roll_back(rebuilder: &Rebuilder, selected: &[View]) -> Result<ExitCode> {
    let mut code = ExitCode::FAILURE;
    for view in selected {
        let mut meter = Meter::new(view.to_string(), "events");
        let rolled_back = rebuilder.roll_back(view, &mut meter.follow()).await;
        match rolled_back {
            Ok(live) => {
                code = ExitCode::SUCCESS;
                println!("{view}: {}, {} is live", meter.finish(), place(live));
                tell_parked(rebuilder, view, live).await?;
            }
            Err(RebuildError::NoPrevious(_)) => println!("{view}: has no previous generation"),
            Err(error) => return Err(error).with_context(|| view.to_string()),
        }
    }
    Ok(code)
}

/// What the view leaves out, if it leaves out anything.
async fn tell_parked(rebuilder: &Rebuilder, view: &View, end: Checkpoint) -> Result<()> {
    if end.revision > 0 {
        let parked = rebuilder.store.count_parked(view, end.generation).await?;
        println!("{view}: {parked}; `portal dead-letters list` tells why");
    }
    Ok(())
}

fn place(checkpoint: Checkpoint) -> String {
    format!("generation {} at position {}", checkpoint.generation, checkpoint.position)
}

fn peak() -> String {
    peak_memory_mib().map(|peak| format!(", peak memory {peak} MiB")).unwrap_or_default()
}
