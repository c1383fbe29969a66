//! Loads documents in bulk while other processes write the same file.

use tokio::time::{Instant, sleep};

use super::super::{ApplyError, Checkpoint, Document, View};
use super::{SqliteViewStore, searching, views};

impl SqliteViewStore {
    /// Loads documents, then leaves the write lock free for half of the time it was held.
    ///
    /// SQLite gives the lock to whichever connection asks first; the projectors of another process
    /// might otherwise never get it.
    pub(super) async fn load_documents(
        &self,
        view: &View,
        building: Checkpoint,
        documents: &[Document],
    ) -> Result<(), ApplyError> {
        let name = view.to_string();
        let (lock, mut transaction) = self.write().await?;
        let began = Instant::now();
        let known = views::find_or_insert(&mut transaction, &name).await?;
        if known.state.building != Some(building)
            || building != Checkpoint::first(building.generation)
        {
            return Err(ApplyError::Moved);
        }
        for document in documents {
            views::put_document(&mut transaction, &name, building.generation, document).await?;
            searching::put(&mut transaction, view, building.generation, document).await?;
        }
        transaction.commit().await?;
        sleep(began.elapsed() / 2).await;
        drop(lock);
        Ok(())
    }
}
