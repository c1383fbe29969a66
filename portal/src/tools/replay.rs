//! `portal replay`: rebuilds views from the log beside the live ones, then switches.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use query_stack::view_store::View;
use query_stack::{Progress, RebuildError, Rebuilder, Until};

use super::{select, verify};
use crate::progress::Meter;
use crate::settings::{Replay, Settings};
use crate::wiring;

pub(crate) async fn run(settings: Settings, arguments: Replay) -> Result<ExitCode> {
    let (view, category) = (arguments.view.as_deref(), arguments.category.as_ref());
    let selected = select(&settings.categories, view, category);
    if selected.is_empty() {
        bail!("no view of --categories is selected");
    }
    let log = wiring::existing_event_log(&settings).await?;
    let store = wiring::view_store(&settings).await?;
    if arguments.dry_run {
        return verify::views(&*log, &*store, &selected).await;
    }
    let rebuilder = Rebuilder { log, store };
    let mut replayed = 0;
    for view in &selected {
        match replay(&rebuilder, view, &arguments).await {
            Ok(()) => replayed += 1,
            // Of several views, those are rolled back that can be.
            Err(RebuildError::NoPrevious(_)) => println!("{view}: has no previous generation"),
            Err(error) => return Err(error).with_context(|| view.to_string()),
        }
    }
    Ok(if replayed == 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn replay(
    rebuilder: &Rebuilder,
    view: &View,
    arguments: &Replay,
) -> Result<(), RebuildError> {
    let mut meter = Meter::new(view.to_string(), "events");
    let mut events = 0;
    let until = arguments.until.unwrap_or(Until::Now);
    let mut progress = |progress: Progress| {
        events = progress.events as u64;
        // Positions of one partition are spread over the log, so that they are a fair measure.
        let share = |position: events::Position| position.get().unsigned_abs();
        meter.show(events, share(progress.position), share(progress.head));
    };
    let built = if arguments.rollback {
        rebuilder.roll_back(view, &mut progress).await?
    } else {
        rebuilder.rebuild(view, until, &mut progress).await?
    };
    let rate = meter.finish(events);
    let outcome = match until {
        Until::Now => "is live",
        Until::Position(_) | Until::Time(_) => "stays beside the live one",
    };
    let (generation, position) = (built.generation, built.position);
    println!("{view}: {rate}, generation {generation} at position {position} {outcome}");
    if built.revision > 0 {
        let parked = rebuilder.store.count_parked(view, generation).await?;
        println!("{view}: {parked}; `portal dead-letters list` tells why");
    }
    Ok(())
}
