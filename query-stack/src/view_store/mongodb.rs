//! The view store of the distributed wiring: MongoDB 6.0 or later, as a replica set (transactions).
//!
//! There is one collection per generation; `views` has the checkpoints of the generations in a
//! slot, `parked` their parked streams.
//!
//! Invariant: a transaction that writes documents first moves the checkpoint of their generation.
//! Two writers conflict there, and a generation that has left its slot accepts no writes.

mod abandoned;
mod collections;
mod inspecting;
mod parked;
mod reading;
mod reading_store;
mod slots;
mod stored;
mod upgrading;
mod writing;

use std::time::Duration;

use async_trait::async_trait;
use events::{BoxError, Dependency, StreamId};
use mongodb::bson::doc;
use mongodb::error::Error;
use mongodb::options::{ClientOptions, FindOptions, ReadConcern, WriteConcern};
use mongodb::{Client, Collection, Database};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use self::parked::StoredParked;
use self::reading_store::Readings;
use self::slots::Slots;
use self::writing::Step;
use super::generations::Generations;
use super::moves::{Move, Moves};
use super::{
    ApplyError, Change, Checkpoint, Document, ListFilter, Parked, ParkedCounts, Slot, Unavailable,
    View, ViewState, ViewStore,
};

const APP_NAME: &str = "portal";
/// Default timeout for finding a server; shorter than the deadlines of the callers.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1_500);
/// Default pool size, as in other MongoDB drivers; this driver's 10 are fewer than the projectors.
const CONNECTIONS: u32 = 100;
/// Timeout of a call that a server has accepted; the driver has none.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// A replica set; clones share the connections.
#[derive(Clone)]
pub struct MongoViewStore {
    client: Client,
    database: Database,
    slots: Slots,
    parked: Collection<StoredParked>,
    readings: Readings,
    moves: Moves,
}

impl From<Error> for Unavailable {
    fn from(error: Error) -> Self {
        Self(error.into())
    }
}

impl MongoViewStore {
    /// The database of a URL `mongodb://host,host/database?…`; does not connect yet.
    ///
    /// # Errors
    /// When the URL is not a MongoDB URL or has no database.
    pub async fn at(url: &str) -> Result<Self, BoxError> {
        let mut options = match ClientOptions::parse(url).await {
            // The driver's error may repeat a part of a password that is not escaped.
            Err(_) if url.contains('@') => {
                let fixed = "no MongoDB address; escape special characters of a password with %";
                return Err(fixed.into());
            }
            parsed => parsed?,
        };
        options.app_name = Some(APP_NAME.to_owned());
        options.connect_timeout.get_or_insert(CONNECT_TIMEOUT);
        options.server_selection_timeout.get_or_insert(CONNECT_TIMEOUT);
        options.max_pool_size.get_or_insert(CONNECTIONS);
        options.write_concern = Some(WriteConcern::majority());
        options.read_concern = Some(ReadConcern::majority());
        let client = Client::with_options(options)?;
        let database = client
            .default_database()
            .ok_or("the URL of the view store names no database: mongodb://HOST/DATABASE")?;
        let slots = Slots::new(&database);
        let parked = database.collection(parked::COLLECTION);
        let readings = Readings::new(&database);
        Ok(Self { client, database, slots, parked, readings, moves: Moves::default() })
    }
}

async fn answered<T>(call: impl IntoFuture<Output = T>) -> Result<T, Unavailable> {
    timeout(ANSWER_TIMEOUT, call).await.map_err(|silence| Unavailable(silence.into()))
}

#[async_trait]
impl Dependency for MongoViewStore {
    fn system(&self) -> &'static str {
        "mongodb"
    }

    async fn ping(&self) -> Result<(), BoxError> {
        answered(self.database.run_command(doc! { "ping": 1 })).await??;
        Ok(())
    }
}

#[async_trait]
impl ViewStore for MongoViewStore {
    async fn state(&self, view: &View) -> Result<ViewState, Unavailable> {
        Ok(answered(self.find_or_create(view)).await??.state)
    }

    async fn upgrade(&self, view: &View) -> Result<(), Unavailable> {
        self.make_indexes(view).await
    }

    async fn apply(
        &self,
        view: &View,
        slot: Slot,
        from: Checkpoint,
        change: &Change<'_>,
    ) -> Result<Checkpoint, ApplyError> {
        let began = Instant::now();
        let to = from.after(change);
        let Change { removed, freed, .. } = *change;
        let refused = |error: mongodb::bson::error::Error| Unavailable(error.into());
        let documents = &stored::replacements(view, change.documents).map_err(refused)?;
        let parked = parked::replacements(view, from.generation, change.parked);
        let parked = &parked.map_err(refused)?;
        let step = Step { view, slot, from, to, documents, removed, parked, freed };
        if !answered(self.apply_step(&step)).await?? {
            return Err(ApplyError::Moved);
        }
        if slot == Slot::Live {
            self.moves.tell(view, to, began);
        }
        Ok(to)
    }

    fn moves(&self, view: &View) -> watch::Receiver<Option<Move>> {
        self.moves.watch(view)
    }

    async fn parked_among(
        &self,
        view: &View,
        generation: i64,
        streams: &[StreamId],
    ) -> Result<Vec<Parked>, Unavailable> {
        self.find_parked(parked::by_streams(view, generation, streams)).await
    }

    async fn parked(
        &self,
        view: &View,
        generation: i64,
        after: Option<&StreamId>,
        limit: usize,
    ) -> Result<Vec<Parked>, Unavailable> {
        self.parked_page(view, generation, after, limit).await
    }

    async fn count_parked(
        &self,
        view: &View,
        generation: i64,
    ) -> Result<ParkedCounts, Unavailable> {
        self.counted_parked(view, generation).await
    }

    async fn documents(
        &self,
        view: &View,
        generation: i64,
        ids: &[Uuid],
    ) -> Result<Vec<Document>, Unavailable> {
        self.find(view, generation, stored::by_ids(ids), FindOptions::default(), ids.len()).await
    }

    async fn list(
        &self,
        view: &View,
        generation: i64,
        filter: &ListFilter,
        limit: usize,
    ) -> Result<Vec<Document>, Unavailable> {
        self.find_listed(view, generation, filter, limit).await
    }

    async fn retracted(
        &self,
        view: &View,
        generation: i64,
        limit: usize,
    ) -> Result<Vec<Document>, Unavailable> {
        let options = FindOptions::builder().sort(stored::retracted_index()).build();
        self.find(view, generation, stored::retracted(), options, limit).await
    }

    async fn scan(
        &self,
        view: &View,
        generation: i64,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Document>, Unavailable> {
        let options = FindOptions::builder().sort(doc! { "_id": 1 }).build();
        self.find(view, generation, stored::after_id(after), options, limit).await
    }

    async fn begin_rebuild(&self, view: &View) -> Result<Checkpoint, Unavailable> {
        Ok(answered(self.change_generations(view, Generations::begin_rebuild)).await??)
    }

    async fn load(
        &self,
        view: &View,
        building: Checkpoint,
        documents: &[Document],
    ) -> Result<(), ApplyError> {
        let loaded = answered(self.load_documents(view, building, documents)).await?;
        if loaded.map_err(Unavailable::from)? { Ok(()) } else { Err(ApplyError::Moved) }
    }

    async fn begin_rollback(&self, view: &View) -> Result<Option<Checkpoint>, Unavailable> {
        Ok(answered(self.change_generations(view, Generations::begin_rollback)).await??)
    }

    async fn switch(&self, view: &View, building: Checkpoint) -> Result<(), ApplyError> {
        self.index_rebuilt(view, building).await.map_err(Unavailable::from)?;
        answered(self.change_generations(view, |generations| generations.switch(building)))
            .await??
    }
}

#[cfg(test)]
mod tests {
    use events::{Category, Position, Timestamp, Version};

    use super::super::{Relevance, Search};
    use super::*;

    /// The winning plan of a list, as JSON.
    async fn plan(store: &MongoViewStore, view: &View, filter: &ListFilter) -> String {
        let sort = match filter.search {
            None => doc! { "listed_at": -1, "_id": -1 },
            Some(_) => doc! { "listed_at": -1 },
        };
        let find = doc! {
            "find": collections::name(view, 1),
            "filter": stored::listed(filter),
            "sort": sort,
            "limit": 20,
        };
        let explain = doc! { "explain": find, "verbosity": "queryPlanner" };
        let answer = store.database.run_command(explain).await.expect("a plan");
        let planner = answer.get_document("queryPlanner").expect("a planner");
        planner.get_document("winningPlan").expect("a plan").to_string()
    }

    /// Adds other documents, so that the planner prefers the selective index.
    async fn fill(store: &MongoViewStore, view: &View) {
        let other = |number| Document {
            id: Uuid::from_u128(number),
            version: Version::new(1),
            listed_at: Some(Timestamp::from_millis(1)),
            body: serde_json::json!({
                "status": "published", "author_id": Uuid::max(), "byline": "Ada", "title": "Goal",
            }),
        };
        let others: Vec<_> = (0..300).map(other).collect();
        let from = store.state(view).await.expect("a state").live;
        let change = Change { to: Position::new(1), documents: &others, ..Default::default() };
        store.apply(view, Slot::Live, from, &change).await.expect("applied");
    }

    #[tokio::test]
    async fn lists_walk_an_index_in_its_order() {
        let url = std::env::var("PORTAL_VIEW_STORE").expect("see `scripts/services env`");
        let (server, database) = url.rsplit_once('/').expect("mongodb://host/database");
        let options = database.split_once('?').map_or("", |(_, options)| options);
        let url = format!("{server}/plans-{}?{options}", Uuid::now_v7());
        let store = MongoViewStore::at(&url).await.expect("a URL of MongoDB");
        let sports = || "sports".parse::<Category>().expect("a category");
        let (desk, articles) = (View::desk(sports()), View::articles(sports()));
        fill(&store, &desk).await;
        fill(&store, &articles).await;
        let searched = View::search(sports());
        fill(&store, &searched).await;
        let status = Some("draft".to_owned());
        let author_id = Some(Uuid::nil());
        let byline = Some("Eve".to_owned());
        let words = vec!["nowhere".to_owned(), "goal".to_owned()];
        let search = Some(Search { words, relevance: Relevance::Summary });
        let cases = [
            (&desk, ListFilter::default(), "listed_at_-1__id_-1"),
            (
                &desk,
                ListFilter { author_id, ..Default::default() },
                "body.author_id_1_listed_at_-1__id_-1",
            ),
            (
                &desk,
                ListFilter { status, ..Default::default() },
                "body.status_1_listed_at_-1__id_-1",
            ),
            (
                &articles,
                ListFilter { byline, ..Default::default() },
                "body.byline_1_listed_at_-1__id_-1",
            ),
            (&searched, ListFilter { search, ..Default::default() }, "words_1_listed_at_-1"),
        ];
        for (view, filter, index) in cases {
            let plan = plan(&store, view, &filter).await;
            assert!(plan.contains(&format!("\"{index}\"")), "{filter:?}: {plan}");
            assert!(!plan.contains("\"SORT\""), "{filter:?}: {plan}");
        }
        store.database.drop().await.expect("dropped");
    }
}
