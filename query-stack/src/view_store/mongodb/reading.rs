//! Queries documents: lists use an index in its order, a search the list of each relevance.

use std::time::Duration;

use futures::TryStreamExt;
use mongodb::Collection;
use mongodb::bson::{DateTime, Document as Bson, doc};
use mongodb::options::{FindOptions, Hint};
use serde::Deserialize;
use serde_json::Value;

use super::super::{Document, ListFilter, Unavailable, View};
use super::stored::Stored;
use super::{MongoViewStore, answered, collections, stored};

/// Server-side limit of a search; the server does not notice that its client has timed out.
const SEARCH_TIME: Duration = Duration::from_secs(2);

#[derive(Deserialize)]
struct Listed {
    listed_at: DateTime,
}

impl MongoViewStore {
    pub(super) async fn find_listed(
        &self,
        view: &View,
        generation: i64,
        filter: &ListFilter,
        limit: usize,
    ) -> Result<Vec<Document>, Unavailable> {
        let mut query = stored::listed(filter);
        let mut options = FindOptions::builder()
            .sort(doc! { "listed_at": -1, "_id": -1 })
            .projection(doc! { "body.content": 0, "words": 0 })
            .build();
        if filter.search.is_some() {
            options.hint = Some(Hint::Keys(stored::search_index()));
            options.max_time = Some(SEARCH_TIME);
            if let Some(oldest) = self.oldest(view, generation, &query, limit).await? {
                query = doc! { "$and": [query, { "listed_at": { "$gte": oldest } }] };
            }
        }
        self.find(view, generation, query, options, limit).await
    }

    /// The `listed_at` of the last document of a full page.
    ///
    /// The index of words has no ids, so its order is not quite the list's. Without this bound the
    /// server would sort all matches.
    async fn oldest(
        &self,
        view: &View,
        generation: i64,
        query: &Bson,
        limit: usize,
    ) -> Result<Option<DateTime>, Unavailable> {
        let collection: Collection<Listed> =
            self.database.collection(&collections::name(view, generation));
        let last = collection
            .find_one(query.clone())
            .sort(doc! { "listed_at": -1 })
            .skip(limit.saturating_sub(1) as u64)
            .projection(doc! { "listed_at": 1 })
            .hint(Hint::Keys(stored::search_index()))
            .max_time(SEARCH_TIME);
        let last = answered(last).await??;
        Ok(last.map(|last| last.listed_at))
    }

    /// At most `limit` documents; one round trip if they fit.
    pub(super) async fn find(
        &self,
        view: &View,
        generation: i64,
        filter: Bson,
        mut options: FindOptions,
        limit: usize,
    ) -> Result<Vec<Document>, Unavailable> {
        if limit == 0 {
            return Ok(Vec::new()); // 0 means "all" to MongoDB
        }
        options.limit = i64::try_from(limit).ok();
        // One more than the limit, or the server keeps the cursor open for another round trip.
        options.batch_size = u32::try_from(limit).ok().and_then(|limit| limit.checked_add(1));
        options.projection.get_or_insert_with(|| doc! { "words": 0 });
        let collection: Collection<Stored<Value>> =
            self.database.collection(&collections::name(view, generation));
        let found =
            async { collection.find(filter).with_options(options).await?.try_collect().await };
        let found: Vec<_> = answered(found).await??;
        found.into_iter().map(Document::try_from).collect::<Result<_, _>>().map_err(Unavailable)
    }
}
