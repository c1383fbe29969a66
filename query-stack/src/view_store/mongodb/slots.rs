//! The collection `views`: one document per slot of a view, with its checkpoint.
//!
//! The ids are `<view>/live`, `<view>/building` and `<view>/previous`. Separate documents, so that
//! a rebuild and the projector do not conflict.

use events::Position;
use futures::TryStreamExt;
use mongodb::bson::{Document as Bson, doc};
use mongodb::error::Error;
use mongodb::{ClientSession, Collection, Database};
use serde::{Deserialize, Serialize};

use super::super::generations::Generations;
use super::super::{Checkpoint, Slot, View, ViewState};

pub(super) const COLLECTION: &str = "views";
const LIVE: &str = "live";
const PREVIOUS: &str = "previous";
const BUILDING: &str = "building";
/// Not a slot: the highest generation number used.
const BEGUN: &str = "begun";

#[derive(Clone)]
pub(super) struct Slots(Collection<StoredSlot>);

#[derive(Serialize, Deserialize)]
struct StoredSlot {
    _id: String,
    generation: i64,
    position: Position,
    /// Missing in documents from before streams were parked.
    #[serde(default)]
    revision: i64,
}

impl Slots {
    pub(super) fn new(database: &Database) -> Self {
        Self(database.collection(COLLECTION))
    }

    /// `None` for an unknown view.
    pub(super) async fn find(&self, view: &View) -> Result<Option<Generations>, Error> {
        let slots: Vec<_> = self.0.find(all(view)).await?.try_collect().await?;
        Ok(generations(view, &slots))
    }

    pub(super) async fn find_in(
        &self,
        view: &View,
        session: &mut ClientSession,
    ) -> Result<Option<Generations>, Error> {
        let mut found = self.0.find(all(view)).session(&mut *session).await?;
        let slots: Vec<_> = found.stream(session).try_collect().await?;
        Ok(generations(view, &slots))
    }

    /// Inserts the first generation, unless the view exists.
    pub(super) async fn insert(&self, view: &View) -> Result<(), Error> {
        let Checkpoint { generation, position, revision } = Generations::FIRST;
        let first = doc! {
            "generation": generation, "position": position.get(), "revision": revision,
        };
        let live = doc! { "_id": id(view, LIVE) };
        self.0.update_one(live, doc! { "$setOnInsert": first }).upsert(true).await?;
        Ok(())
    }

    /// Returns false if the checkpoint is not at `from`.
    pub(super) async fn move_checkpoint(
        &self,
        view: &View,
        slot: Slot,
        from: Checkpoint,
        to: Checkpoint,
        session: &mut ClientSession,
    ) -> Result<bool, Error> {
        let slot = match slot {
            Slot::Live => LIVE,
            Slot::Building => BUILDING,
        };
        let there = doc! {
            "_id": id(view, slot),
            "generation": from.generation,
            "position": from.position.get(),
            "revision": revision(from),
        };
        let set = doc! { "$set": { "position": to.position.get(), "revision": to.revision } };
        let moved = self.0.update_one(there, set).session(session).await?;
        Ok(moved.matched_count == 1)
    }

    /// Writes only the slots that differ; other writers may change the others.
    pub(super) async fn change(
        &self,
        view: &View,
        before: Generations,
        after: Generations,
        session: &mut ClientSession,
    ) -> Result<(), Error> {
        for ((slot, old), (_, new)) in slots(before).into_iter().zip(slots(after)) {
            let this = doc! { "_id": id(view, slot) };
            match new {
                _ if old == new => {}
                Some(Checkpoint { generation, position, revision }) => {
                    let new = StoredSlot { _id: id(view, slot), generation, position, revision };
                    self.0.replace_one(this, new).upsert(true).session(&mut *session).await?;
                }
                None => {
                    self.0.delete_one(this).session(&mut *session).await?;
                }
            }
        }
        Ok(())
    }
}

/// Matches 0 also in documents from before streams were parked.
fn revision(Checkpoint { revision, .. }: Checkpoint) -> Bson {
    if revision == 0 {
        doc! { "$in": [0, null] }
    } else {
        doc! { "$eq": revision }
    }
}

fn id(view: &View, slot: &str) -> String {
    format!("{view}/{slot}")
}

fn all(view: &View) -> Bson {
    let ids: Vec<_> = [LIVE, PREVIOUS, BUILDING, BEGUN].map(|slot| id(view, slot)).into();
    doc! { "_id": { "$in": ids } }
}

fn slots(Generations { last, state }: Generations) -> [(&'static str, Option<Checkpoint>); 4] {
    let begun = Checkpoint::first(last);
    [
        (LIVE, Some(state.live)),
        (PREVIOUS, state.previous),
        (BUILDING, state.building),
        (BEGUN, Some(begun)),
    ]
}

fn generations(view: &View, slots: &[StoredSlot]) -> Option<Generations> {
    let checkpoint = |slot| {
        let id = id(view, slot);
        let stored = slots.iter().find(|stored| stored._id == id)?;
        let StoredSlot { generation, position, revision, .. } = *stored;
        Some(Checkpoint { generation, position, revision })
    };
    let last = checkpoint(BEGUN).unwrap_or(Generations::FIRST).generation;
    let (previous, building) = (checkpoint(PREVIOUS), checkpoint(BUILDING));
    let state = ViewState { live: checkpoint(LIVE)?, previous, building };
    Some(Generations { last, state })
}
