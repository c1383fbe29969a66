//! The collection `views`: which generations a view has, and how far each has come; and the making
//! and dropping of the collections of the generations.

use events::Position;
use mongodb::bson::{Document as Bson, doc};
use mongodb::error::Error;
use mongodb::options::{ReturnDocument, UpdateModifications};
use mongodb::{ClientSession, Collection, Database};
use serde::Deserialize;

use super::super::{ApplyError, Checkpoint, Slot, View, ViewState};
use super::stored;

#[derive(Clone)]
pub(super) struct Generations {
    database: Database,
    views: Collection<ViewDocument>,
}

#[derive(Deserialize)]
struct ViewDocument {
    /// The highest ever begun.
    last_generation: i64,
    live: StoredCheckpoint,
    previous: Option<StoredCheckpoint>,
    building: Option<StoredCheckpoint>,
}

#[derive(Deserialize)]
struct StoredCheckpoint {
    generation: i64,
    position: Position,
}

impl From<StoredCheckpoint> for Checkpoint {
    fn from(stored: StoredCheckpoint) -> Self {
        Self { generation: stored.generation, position: stored.position }
    }
}

impl From<ViewDocument> for ViewState {
    fn from(view: ViewDocument) -> Self {
        Self {
            live: view.live.into(),
            previous: view.previous.map(Into::into),
            building: view.building.map(Into::into),
        }
    }
}

/// The collection of the documents of one generation.
pub(super) fn collection_name(view: &View, generation: i64) -> String {
    format!("{view}_{generation}")
}

impl Generations {
    pub(super) fn new(database: &Database) -> Self {
        Self { database: database.clone(), views: database.collection("views") }
    }

    pub(super) async fn state(&self, view: &View) -> Result<ViewState, Error> {
        Ok(self.find_or_insert(view).await?.into())
    }

    /// Whoever finds the view finds its collection with its indexes, so these are made first.
    async fn find_or_insert(&self, view: &View) -> Result<ViewDocument, Error> {
        loop {
            if let Some(known) = self.views.find_one(is(view)).await? {
                return Ok(known);
            }
            self.create(view, 1).await?;
            let live = doc! { "generation": 1_i64, "position": 0_i64 };
            let new = doc! { "$setOnInsert": { "last_generation": 1_i64, "live": live } };
            self.views.update_one(is(view), new).upsert(true).await?;
        }
    }

    async fn create(&self, view: &View, generation: i64) -> Result<(), Error> {
        let collection = self.database.collection::<Bson>(&collection_name(view, generation));
        collection.create_indexes(stored::indexes()).await?;
        Ok(())
    }

    pub(super) async fn move_checkpoint(
        &self,
        view: &View,
        slot: Slot,
        from: Checkpoint,
        to: Position,
        session: &mut ClientSession,
    ) -> Result<(), ApplyError> {
        let field = match slot {
            Slot::Live => "live",
            Slot::Building => "building",
        };
        let set = doc! { "$set": { format!("{field}.position"): to.get() } };
        let updated = self.views.update_one(is_at(view, field, from), set).session(session).await?;
        if updated.matched_count == 1 { Ok(()) } else { Err(ApplyError::Moved) }
    }

    pub(super) async fn begin_rebuild(&self, view: &View) -> Result<Checkpoint, Error> {
        loop {
            let last = self.find_or_insert(view).await?.last_generation;
            let generation = last + 1;
            self.create(view, generation).await?;
            let mut unchanged = is(view);
            unchanged.insert("last_generation", last);
            let building = doc! { "generation": generation, "position": 0_i64 };
            let set = doc! { "$set": { "last_generation": generation, "building": building } };
            if self.change(view, unchanged, set).await?.is_some() {
                return Ok(Checkpoint { generation, position: Position::START });
            }
        }
    }

    pub(super) async fn begin_rollback(&self, view: &View) -> Result<Option<Checkpoint>, Error> {
        let mut has_previous = is(view);
        has_previous.insert("previous", doc! { "$exists": true });
        let put_back =
            vec![doc! { "$set": { "building": "$previous" } }, doc! { "$unset": "previous" }];
        Ok(self.change(view, has_previous, put_back).await?.and_then(|state| state.building))
    }

    /// One conditional update: a projector that moves the live checkpoint is before or after it.
    pub(super) async fn switch(&self, view: &View, building: Checkpoint) -> Result<(), ApplyError> {
        let mut not_behind = is_at(view, "building", building);
        not_behind.insert("live.position", doc! { "$lte": building.position.get() });
        let switch = vec![
            doc! { "$set": { "previous": "$live", "live": "$building" } },
            doc! { "$unset": "building" },
        ];
        let switched = self.change(view, not_behind, switch).await?;
        switched.map(|_| ()).ok_or(ApplyError::Moved)
    }

    /// Changes the generations of a view if it is as the filter says.
    async fn change(
        &self,
        view: &View,
        filter: Bson,
        update: impl Into<UpdateModifications>,
    ) -> Result<Option<ViewState>, Error> {
        let update = self.views.find_one_and_update(filter, update);
        let Some(changed) = update.return_document(ReturnDocument::After).await? else {
            return Ok(None);
        };
        let last = changed.last_generation;
        let state = changed.into();
        // The change is made; what could not be dropped now is dropped after the next one.
        if let Err(error) = self.drop_others(view, last, state).await {
            tracing::warn!(%view, error = &error as &dyn std::error::Error, "old generations stay");
        }
        Ok(Some(state))
    }

    /// Drops the collections of all generations up to `last` but those in the state. A later one
    /// may be another rebuild's that is just being made.
    async fn drop_others(&self, view: &View, last: i64, state: ViewState) -> Result<(), Error> {
        let kept = [Some(state.live), state.previous, state.building];
        let is_kept =
            |generation: i64| kept.iter().flatten().any(|kept| kept.generation == generation);
        let prefix = format!("{view}_");
        for name in self.database.list_collection_names().await? {
            let number = name.strip_prefix(&prefix).and_then(|number| number.parse().ok());
            if number.is_some_and(|number| number <= last && !is_kept(number)) {
                self.database.collection::<Bson>(&name).drop().await?;
            }
        }
        Ok(())
    }
}

fn is(view: &View) -> Bson {
    doc! { "_id": view.to_string() }
}

fn is_at(view: &View, field: &str, checkpoint: Checkpoint) -> Bson {
    doc! {
        "_id": view.to_string(),
        format!("{field}.generation"): checkpoint.generation,
        format!("{field}.position"): checkpoint.position.get(),
    }
}
