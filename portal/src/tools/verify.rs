//! `portal verify`: is the log complete, and is every view the fold of it?

use std::process::ExitCode;

use anyhow::Result;
use events::EventReader;
use query_stack::view_store::{View, ViewStore};

use super::select;
use crate::settings::Settings;
use crate::wiring;

pub(crate) async fn run(settings: Settings) -> Result<ExitCode> {
    let log = wiring::event_log(&settings).await?.events;
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

/// Compares views with the log; prints what differs.
pub(super) async fn views(
    log: &dyn EventReader,
    store: &dyn ViewStore,
    selected: &[View],
) -> Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for view in selected {
        let verified = query_stack::verify(log, store, view).await?;
        for difference in &verified.differences {
            println!("{difference}");
            code = ExitCode::FAILURE;
        }
        if verified.differences.is_empty() {
            let query_stack::Verified { documents, position, .. } = verified;
            println!("{view}: {documents} documents at position {position}, equal to the log");
        }
    }
    Ok(code)
}
