//! Fills new generations in bulk.
//!
//! Each stream is read once and folded by itself for every view of its partition. Each document is
//! written once and never read back.

use std::sync::Arc;

use events::{EventReader, Partition, Position, RecordedEvent, Timestamp};
use tokio::task::{JoinError, JoinSet};

use super::{Built, OnProgress, Progress, RebuildError, superseded};
use crate::Unavailable;
use crate::fold::fold_streams;
use crate::view_store::{Change, Checkpoint, Parked, Slot, View, ViewStore};

/// Pages being folded and written, enough that neither log nor store waits for the other.
///
/// Together with the pages read ahead this bounds the memory.
const PAGES: usize = 3;
/// Parked streams per change.
const PARKED: usize = 500;

pub(super) struct Load<'a> {
    pub(super) log: &'a dyn EventReader,
    pub(super) store: &'a Arc<dyn ViewStore>,
    pub(super) up_to: Position,
}

/// A generation being filled.
struct Target {
    built: Built,
    parked: Vec<Parked>,
}

/// The result of a page in one view.
struct Loaded {
    documents: usize,
    parked: Vec<Parked>,
}

impl Load<'_> {
    /// Fills the generations; their checkpoints leave the start only at the end.
    pub(super) async fn run(
        &self,
        begun: Vec<(View, Checkpoint)>,
        on_progress: OnProgress<'_>,
    ) -> Result<Vec<Built>, RebuildError> {
        let target = |(view, checkpoint): &(View, Checkpoint)| {
            let built = Built { view: view.clone(), checkpoint: *checkpoint, documents: 0 };
            Target { built, parked: Vec::new() }
        };
        let mut targets: Vec<_> = begun.iter().map(target).collect();
        self.fill(&mut targets, begun.into(), on_progress).await?;
        let mut built = Vec::with_capacity(targets.len());
        for target in targets {
            built.push(self.complete(target).await?);
        }
        Ok(built)
    }

    async fn fill(
        &self,
        targets: &mut [Target],
        begun: Arc<[(View, Checkpoint)]>,
        on_progress: OnProgress<'_>,
    ) -> Result<(), RebuildError> {
        let mut partitions: Vec<Partition> =
            begun.iter().map(|(view, _)| view.partition.clone()).collect();
        partitions.dedup();
        let total = self.log.count(&partitions, self.up_to).await?;
        let mut pages = self.log.streams(&partitions, self.up_to);
        let mut events = 0;
        // Dropping the set cancels all loads when one fails.
        let mut loading = JoinSet::new();
        while let Some(page) = pages.next().await? {
            if loading.len() == PAGES
                && let Some(loaded) = loading.join_next().await
            {
                take(targets, loaded)?;
            }
            events += page.len() as u64;
            let (store, begun) = (Arc::clone(self.store), Arc::clone(&begun));
            loading.spawn(async move { load_page(&*store, &begun, &page).await });
            on_progress(Progress { events, total });
        }
        while let Some(loaded) = loading.join_next().await {
            take(targets, loaded)?;
        }
        Ok(())
    }

    async fn complete(&self, target: Target) -> Result<Built, RebuildError> {
        let Target { mut built, parked } = target;
        let Built { view, checkpoint, .. } = &mut built;
        let apply = async |from, change: Change<'_>| {
            let applied = self.store.apply(view, Slot::Building, from, &change).await;
            applied.map_err(|error| superseded(view, error.into()))
        };
        for parked in parked.chunks(PARKED) {
            *checkpoint = apply(*checkpoint, Change { parked, ..Change::default() }).await?;
        }
        let to = self.log.last_position(Some(&view.partition), self.up_to).await?;
        *checkpoint = apply(*checkpoint, Change { to, ..Change::default() }).await?;
        Ok(built)
    }
}

fn take(
    targets: &mut [Target],
    page: Result<Result<Vec<Loaded>, RebuildError>, JoinError>,
) -> Result<(), RebuildError> {
    let page = page.map_err(|panic| Unavailable(panic.into()))??;
    for (target, loaded) in targets.iter_mut().zip(page) {
        target.built.documents += loaded.documents;
        target.parked.extend(loaded.parked);
    }
    Ok(())
}

async fn load_page(
    store: &dyn ViewStore,
    begun: &[(View, Checkpoint)],
    page: &[RecordedEvent],
) -> Result<Vec<Loaded>, RebuildError> {
    let now = Timestamp::from(chrono::Utc::now());
    let mut loaded = Vec::with_capacity(begun.len());
    for (view, building) in begun {
        let folded = fold_streams(view, page);
        if !folded.documents.is_empty() {
            let load = store.load(view, *building, &folded.documents).await;
            load.map_err(|error| superseded(view, error.into()))?;
        }
        let failed = folded.failed.into_iter();
        let parked = failed.map(|failure| failure.parked(None, now)).collect();
        loaded.push(Loaded { documents: folded.documents.len(), parked });
    }
    Ok(loaded)
}
