//! The collection `parked`: the parked streams of each generation.
//!
//! `_id` is `<view>/<generation>/<stream>`, so no other index is needed.

use events::{BoxError, Position, StreamId, Timestamp, Version};
use futures::TryStreamExt;
use mongodb::Database;
use mongodb::bson::{Document as Bson, RawArrayBuf, doc, rawdoc};
use mongodb::bson::{error::Error, serialize_to_raw_document_buf};
use serde::{Deserialize, Serialize};

use super::super::generations::Generations;
use super::super::{Parked, ParkedCounts, Unavailable, View};
use super::{MongoViewStore, answered, stored};

pub(super) const COLLECTION: &str = "parked";

#[derive(Serialize, Deserialize)]
pub(super) struct StoredParked {
    _id: String,
    generation: i64,
    stream: StreamId,
    state: String,
    position: Position,
    version: Version,
    event_type: String,
    error: String,
    attempts: u32,
    since: i64,
    tried_at: i64,
}

#[derive(Deserialize)]
struct Counted {
    _id: String,
    count: i64,
}

impl TryFrom<StoredParked> for Parked {
    type Error = BoxError;

    fn try_from(stored: StoredParked) -> Result<Self, BoxError> {
        Ok(Self {
            stream: stored.stream,
            state: stored.state.parse()?,
            position: stored.position,
            version: stored.version,
            event_type: stored.event_type,
            error: stored.error,
            attempts: stored.attempts,
            since: Timestamp::from_millis(stored.since),
            tried_at: Timestamp::from_millis(stored.tried_at),
        })
    }
}

/// Operations for `update` commands.
pub(super) fn replacements(
    view: &View,
    generation: i64,
    parked: &[Parked],
) -> Result<Vec<RawArrayBuf>, Error> {
    stored::batches(parked.iter().map(|parked| {
        let stored = StoredParked {
            _id: id(view, generation, &parked.stream),
            generation,
            stream: parked.stream.clone(),
            state: parked.state.to_string(),
            position: parked.position,
            version: parked.version,
            event_type: parked.event_type.clone(),
            error: parked.error.clone(),
            attempts: parked.attempts,
            since: parked.since.millis(),
            tried_at: parked.tried_at.millis(),
        };
        let replacement = serialize_to_raw_document_buf(&stored)?;
        Ok(rawdoc! { "q": { "_id": stored._id }, "u": replacement, "upsert": true })
    }))
}

fn id(view: &View, generation: i64, stream: &StreamId) -> String {
    format!("{view}/{generation}/{stream}")
}

pub(super) fn by_streams(view: &View, generation: i64, streams: &[StreamId]) -> Bson {
    let ids: Vec<_> = streams.iter().map(|stream| id(view, generation, stream)).collect();
    doc! { "_id": { "$in": ids } }
}

fn within(prefix: &str) -> Bson {
    doc! { "_id": stored::within(prefix) }
}

fn after(view: &View, generation: i64, after: Option<&StreamId>) -> Bson {
    let mut range = within(&format!("{view}/{generation}"));
    if let (Some(stream), Ok(bounds)) = (after, range.get_document_mut("_id")) {
        bounds.insert("$gt", id(view, generation, stream));
    }
    range
}

impl MongoViewStore {
    pub(super) async fn find_parked(&self, filter: Bson) -> Result<Vec<Parked>, Unavailable> {
        self.find_parked_up_to(filter, 0).await
    }

    pub(super) async fn parked_page(
        &self,
        view: &View,
        generation: i64,
        stream: Option<&StreamId>,
        limit: usize,
    ) -> Result<Vec<Parked>, Unavailable> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.find_parked_up_to(after(view, generation, stream), limit).await
    }

    /// A limit of 0 means all, as in MongoDB.
    async fn find_parked_up_to(
        &self,
        filter: Bson,
        limit: i64,
    ) -> Result<Vec<Parked>, Unavailable> {
        let found = self.parked.find(filter).sort(doc! { "_id": 1 }).limit(limit);
        let found: Vec<StoredParked> =
            answered(async { found.await?.try_collect().await }).await??;
        found.into_iter().map(Parked::try_from).collect::<Result<_, _>>().map_err(Unavailable)
    }

    pub(super) async fn counted_parked(
        &self,
        view: &View,
        generation: i64,
    ) -> Result<ParkedCounts, Unavailable> {
        let by_state = [
            doc! { "$match": within(&format!("{view}/{generation}")) },
            doc! { "$group": { "_id": "$state", "count": { "$sum": 1_i64 } } },
        ];
        let counted = self.parked.aggregate(by_state).with_type::<Counted>();
        let counted: Vec<_> = answered(async { counted.await?.try_collect().await }).await??;
        let counted = counted.into_iter().map(|Counted { _id, count }| {
            let state = _id.parse().map_err(|error: String| Unavailable(error.into()))?;
            Ok((state, count.unsigned_abs()))
        });
        counted.collect()
    }
}

/// Deletes the records of unneeded generations; one above the last may be in creation.
pub(super) async fn drop_others(
    database: &Database,
    view: &View,
    generations: Generations,
) -> Result<(), mongodb::error::Error> {
    let mut dropped = within(&view.to_string());
    let kept: Vec<_> = generations.kept().collect();
    dropped.insert("generation", doc! { "$lte": generations.last, "$nin": kept });
    database.collection::<Bson>(COLLECTION).delete_many(dropped).await?;
    Ok(())
}
