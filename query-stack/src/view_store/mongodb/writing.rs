//! Transactions that move a checkpoint or change the generations.

use events::StreamId;
use mongodb::bson::{Document as Bson, RawArrayBuf, rawdoc};
use mongodb::error::{
    Error, ErrorKind, TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT,
};
use mongodb::{ClientSession, Collection};
use uuid::Uuid;

use serde_json::Value;

use super::super::generations::Generations;
use super::super::{Checkpoint, Document, Slot, Unavailable, View};
use super::stored::Stored;
use super::{APP_NAME, MongoViewStore, abandoned, collections, parked, stored};

/// Attempts to learn the outcome of a commit whose answer was lost.
const COMMIT_ATTEMPTS: usize = 3;
/// Attempts of a change of generations before it suspects a dead writer.
///
/// It does not pause after a conflict, because a busy projector, which does, would always be
/// faster.
pub(super) const CHANGE_ATTEMPTS: usize = 10;

/// The arguments of `apply`, converted for MongoDB.
pub(super) struct Step<'a> {
    pub(super) view: &'a View,
    pub(super) slot: Slot,
    pub(super) from: Checkpoint,
    pub(super) to: Checkpoint,
    pub(super) documents: &'a [RawArrayBuf],
    pub(super) removed: &'a [Uuid],
    pub(super) parked: &'a [RawArrayBuf],
    pub(super) freed: &'a [StreamId],
}

/// Why a transaction was not committed.
pub(super) enum Aborted {
    /// Aborted by the server because of another transaction: try again.
    Conflict,
    Failed(Unavailable),
}

/// Only a server's answer is a conflict; a broken connection has the same label.
impl From<Error> for Aborted {
    fn from(error: Error) -> Self {
        let answered = matches!(*error.kind, ErrorKind::Command(_));
        if answered && error.contains_label(TRANSIENT_TRANSACTION_ERROR) {
            Self::Conflict
        } else {
            Self::Failed(error.into())
        }
    }
}

impl MongoViewStore {
    /// Returns false if the checkpoint is not at `from`.
    pub(super) async fn apply_step(&self, step: &Step<'_>) -> Result<bool, Unavailable> {
        self.until_no_conflict(1, || self.try_apply_step(step)).await
    }

    async fn try_apply_step(&self, step: &Step<'_>) -> Result<bool, Aborted> {
        let Step { view, slot, from, to, .. } = *step;
        let mut session = self.begin().await?;
        if !self.slots.move_checkpoint(view, slot, from, to, &mut session).await? {
            return Ok(false);
        }
        let collection = collections::name(view, from.generation);
        for batch in step.documents {
            self.update(&mut session, &collection, batch).await?;
        }
        if !step.removed.is_empty() {
            let documents = self.database.collection::<Bson>(&collection);
            documents.delete_many(stored::by_ids(step.removed)).session(&mut session).await?;
        }
        for batch in step.parked {
            self.update(&mut session, parked::COLLECTION, batch).await?;
        }
        if !step.freed.is_empty() {
            let freed = parked::by_streams(view, from.generation, step.freed);
            self.parked.delete_many(freed).session(&mut session).await?;
        }
        commit(&mut session).await?;
        Ok(true)
    }

    /// Updates many documents in one command; the driver's `bulk_write` needs MongoDB 8.
    pub(super) async fn update(
        &self,
        session: &mut ClientSession,
        collection: &str,
        updates: &RawArrayBuf,
    ) -> Result<(), Aborted> {
        let command =
            rawdoc! { "update": collection, "updates": updates.clone(), "ordered": false };
        let answer = self.database.run_raw_command(command).session(session).await?;
        match answer.get_array("writeErrors") {
            Ok(errors) if !errors.is_empty() => {
                let refused = format!("MongoDB refused documents of {collection}: {:?}", errors[0]);
                Err(Aborted::Failed(Unavailable(refused.into())))
            }
            _ => Ok(()),
        }
    }

    /// Returns false if the generation is not being loaded any more.
    ///
    /// The check is not in a transaction with the insert. If another rebuild begins in between, no
    /// reader ever sees the documents, and the next change of generations drops them. The
    /// generation cannot go live in between, because its own rebuild waits for every load first.
    pub(super) async fn load_documents(
        &self,
        view: &View,
        building: Checkpoint,
        documents: &[Document],
    ) -> Result<bool, Error> {
        let state = self.slots.find(view).await?.map(|generations| generations.state);
        if state.and_then(|state| state.building) != Some(building)
            || building != Checkpoint::first(building.generation)
        {
            return Ok(false);
        }
        if documents.is_empty() {
            return Ok(true); // the driver rejects an empty insert
        }
        let collection: Collection<Stored<&Value>> =
            self.database.collection(&collections::name(view, building.generation));
        let documents = documents.iter().map(|document| Stored::of(view, document));
        collection.insert_many(documents).ordered(false).await?;
        Ok(true)
    }

    /// Creates the indexes of a rebuilt generation; the duration depends on its size.
    pub(super) async fn index_rebuilt(
        &self,
        view: &View,
        building: Checkpoint,
    ) -> Result<(), Error> {
        let state = self.slots.find(view).await?.map(|generations| generations.state);
        if state.and_then(|state| state.building) == Some(building) {
            collections::index(&self.database, view, building.generation).await?;
        }
        Ok(())
    }

    pub(super) async fn change_generations<T>(
        &self,
        view: &View,
        change: impl Fn(&mut Generations) -> T,
    ) -> Result<T, Unavailable> {
        self.until_no_conflict(CHANGE_ATTEMPTS, || self.try_change_generations(view, &change)).await
    }

    async fn try_change_generations<T>(
        &self,
        view: &View,
        change: impl Fn(&mut Generations) -> T,
    ) -> Result<T, Aborted> {
        self.find_or_create(view).await?;
        let mut session = self.begin().await?;
        let before = self.slots.find_in(view, &mut session).await?.ok_or(Aborted::Conflict)?;
        let mut after = before;
        let answer = change(&mut after);
        if after.last > before.last {
            collections::create(&self.database, view, after.last).await?;
        }
        if after != before {
            self.slots.change(view, before, after, &mut session).await?;
            commit(&mut session).await?;
            collections::drop_others(&self.database, view, after).await;
        }
        Ok(answer)
    }

    /// Loads or creates a view; the indexes come first, so a known view always has them.
    pub(super) async fn find_or_create(&self, view: &View) -> Result<Generations, Error> {
        loop {
            if let Some(known) = self.slots.find(view).await? {
                return Ok(known);
            }
            collections::index(&self.database, view, Generations::FIRST.generation).await?;
            self.slots.insert(view).await?;
        }
    }

    pub(super) async fn until_no_conflict<T, F>(
        &self,
        attempts_before_pause: usize,
        attempt: impl Fn() -> F,
    ) -> Result<T, Unavailable>
    where
        F: Future<Output = Result<T, Aborted>>,
    {
        loop {
            for _ in 0..attempts_before_pause {
                match attempt().await {
                    Ok(done) => return Ok(done),
                    Err(Aborted::Conflict) => {}
                    Err(Aborted::Failed(error)) => return Err(error),
                }
            }
            abandoned::end(&self.client, APP_NAME).await;
        }
    }

    /// Begins a transaction, which is aborted if the session is dropped without a commit.
    pub(super) async fn begin(&self) -> Result<ClientSession, Error> {
        let mut session = self.client.start_session().await?;
        session.start_transaction().await?;
        Ok(session)
    }
}

pub(super) async fn commit(session: &mut ClientSession) -> Result<(), Error> {
    let mut attempt = 1;
    loop {
        match session.commit_transaction().await {
            Err(error)
                if attempt < COMMIT_ATTEMPTS
                    && error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT) =>
            {
                attempt += 1;
            }
            known => return known,
        }
    }
}
