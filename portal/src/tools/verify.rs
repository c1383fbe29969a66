//! `portal verify`: is the log complete, and is every view the fold of it?

use std::process::ExitCode;

use anyhow::Result;
use events::EventReader;
use query_stack::Verified;
use query_stack::view_store::{View, ViewStore};
use tokio::time::{Duration, Instant, sleep};

use super::select;
use crate::settings::Settings;
use crate::wiring;

/// How long a view may take to catch up with what was in the log when it was looked at.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(200);

pub(crate) async fn run(settings: Settings) -> Result<ExitCode> {
    let log = wiring::existing_event_log(&settings).await?;
    let store = wiring::view_store(&settings).await?;
    let gaps = log.gaps().await?;
    for gap in &gaps {
        println!("event log: {gap}");
    }
    if gaps.is_empty() {
        let end = log.last_position(None, events::Position::END).await?;
        println!("event log: {end} events, complete");
    }
    let views = views(&*log, &*store, &select(&settings.categories, None, None)).await?;
    Ok(if gaps.is_empty() { views } else { ExitCode::FAILURE })
}

/// A view that runs catches up within moments; one that does not is behind.
async fn settled(log: &dyn EventReader, store: &dyn ViewStore, view: &View) -> Result<Verified> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let verified = query_stack::verify(log, store, view).await?;
        if verified.position >= verified.head || Instant::now() >= deadline {
            return Ok(verified);
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// Compares views with the log; prints what differs.
pub(super) async fn views(
    log: &dyn EventReader,
    store: &dyn ViewStore,
    selected: &[View],
) -> Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for view in selected {
        let verified = settled(log, store, view).await?;
        for difference in &verified.differences {
            println!("{difference}");
            code = ExitCode::FAILURE;
        }
        let Verified { documents, position, head, differences } = verified;
        if position < head {
            println!("{view}: at position {position}, behind the log, which is at {head}");
            code = ExitCode::FAILURE;
        } else if differences.is_empty() {
            println!("{view}: {documents} documents at position {position}, equal to the log");
        }
    }
    Ok(code)
}
