//! Filling new generations in bulk: streams are read once, each is folded by itself for every view
//! of its partition, and each document is written once. No document is ever read back.

use std::sync::Arc;

use events::{EventReader, Partition, Position, RecordedEvent};
use tokio::task::{JoinError, JoinSet};

use super::{Built, OnProgress, Progress, RebuildError, superseded};
use crate::projection::{ProjectError, fold_streams};
use crate::view_store::{Checkpoint, Unavailable, View, ViewStore};

/// Pages that are folded and written at the same time: so many that neither the log nor the view
/// store ever waits for the other. Together with what is read ahead, the bound of memory.
const PAGES: usize = 3;

pub(super) struct Load<'a> {
    pub(super) log: &'a dyn EventReader,
    pub(super) store: &'a Arc<dyn ViewStore>,
    pub(super) up_to: Position,
}

/// What became of a page: documents per view.
type Loaded = Result<Vec<usize>, RebuildError>;

impl Load<'_> {
    /// Fills the generations that were begun, and counts their documents.
    pub(super) async fn run(
        &self,
        built: &mut [Built],
        on_progress: OnProgress<'_>,
    ) -> Result<(), RebuildError> {
        let mut partitions: Vec<Partition> =
            built.iter().map(|built| built.view.partition.clone()).collect();
        partitions.dedup();
        let total = self.log.count(&partitions, self.up_to).await?;
        let targets: Arc<[_]> =
            built.iter().map(|built| (built.view.clone(), built.checkpoint)).collect();
        let mut pages = self.log.streams(&partitions, self.up_to);
        let mut events = 0;
        // Dropped when one fails, and the others with it.
        let mut loading = JoinSet::new();
        while let Some(page) = pages.next().await? {
            if loading.len() == PAGES
                && let Some(loaded) = loading.join_next().await
            {
                count(built, loaded)?;
            }
            events += page.len() as u64;
            let (store, targets) = (Arc::clone(self.store), Arc::clone(&targets));
            loading.spawn(async move { load_page(&*store, &targets, &page).await });
            on_progress(Progress { events, total });
        }
        while let Some(loaded) = loading.join_next().await {
            count(built, loaded)?;
        }
        Ok(())
    }
}

fn count(built: &mut [Built], loaded: Result<Loaded, JoinError>) -> Result<(), RebuildError> {
    let loaded = loaded.map_err(|panic| Unavailable(panic.into()))??;
    for (built, documents) in built.iter_mut().zip(loaded) {
        built.documents += documents;
    }
    Ok(())
}

async fn load_page(
    store: &dyn ViewStore,
    targets: &[(View, Checkpoint)],
    page: &[RecordedEvent],
) -> Loaded {
    let mut loaded = Vec::with_capacity(targets.len());
    for (view, building) in targets {
        let documents = fold_streams(view, page)?;
        if !documents.is_empty() {
            let load = store.load(view, *building, &documents).await;
            load.map_err(|error| superseded(view, ProjectError::from(error)))?;
        }
        loaded.push(documents.len());
    }
    Ok(loaded)
}
