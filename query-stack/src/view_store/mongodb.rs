//! The view store of the distributed wiring: MongoDB from 6.0, a replica set (transactions).
//!
//! One collection per generation, `<view>_<generation>`, and one collection `views` whose document
//! per view points at the live one. Invariant: whoever writes documents has, in the same
//! transaction and before, moved the checkpoint of their generation in `views`; two writers
//! conflict there, and a generation that left its slot takes no more writes.

mod abandoned;
mod generations;
mod stored;

use std::time::Duration;

use async_trait::async_trait;
use events::{BoxError, Dependency, Position};
use futures::TryStreamExt;
use mongodb::bson::{Document as Bson, RawArrayBuf, doc, rawdoc};
use mongodb::error::{Error, ErrorKind, UNKNOWN_TRANSACTION_COMMIT_RESULT};
use mongodb::options::{ClientOptions, FindOptions, ReadConcern, WriteConcern};
use mongodb::{Client, ClientSession, Collection, Database};
use serde_json::Value;
use tokio::time::timeout;
use uuid::Uuid;

use self::generations::Generations;
use self::stored::Stored;
use super::{
    ApplyError, Checkpoint, Document, ListFilter, Slot, Unavailable, View, ViewState, ViewStore,
};

const APP_NAME: &str = "portal";
/// Unless the URL says otherwise: how long a call looks for a server that answers. Shorter than
/// the deadlines of those who call.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1_500);
/// How long a server that took a call may be silent. The driver itself would wait for ever.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// How often to ask what became of a commit whose answer was lost.
const COMMIT_ATTEMPTS: usize = 3;

/// A replica set. Clones share the connections.
#[derive(Clone)]
pub struct MongoViewStore {
    client: Client,
    database: Database,
    generations: Generations,
}

impl From<Error> for Unavailable {
    fn from(error: Error) -> Self {
        Self(error.into())
    }
}

/// A conflict aborts a transaction with an answer from the server; a broken connection carries the
/// same label, but no answer.
impl From<Error> for ApplyError {
    fn from(error: Error) -> Self {
        let answered = matches!(*error.kind, ErrorKind::Command(_));
        if answered && error.contains_label(mongodb::error::TRANSIENT_TRANSACTION_ERROR) {
            Self::Moved
        } else {
            Self::Unavailable(error.into())
        }
    }
}

impl MongoViewStore {
    /// The database that a URL `mongodb://host,host/database?…` names. Nothing is connected yet.
    ///
    /// # Errors
    /// When the URL is none of MongoDB's or names no database.
    pub async fn at(url: &str) -> Result<Self, BoxError> {
        let mut options = ClientOptions::parse(url).await?;
        options.app_name = Some(APP_NAME.to_owned());
        options.connect_timeout.get_or_insert(CONNECT_TIMEOUT);
        options.server_selection_timeout.get_or_insert(CONNECT_TIMEOUT);
        options.write_concern = Some(WriteConcern::majority());
        options.read_concern = Some(ReadConcern::majority());
        let client = Client::with_options(options)?;
        let database = client
            .default_database()
            .ok_or("the URL of the view store names no database: mongodb://HOST/DATABASE")?;
        let generations = Generations::new(&database);
        Ok(Self { client, database, generations })
    }

    /// At most `limit` documents, in one round trip while they fit.
    async fn find(
        &self,
        view: &View,
        generation: i64,
        filter: Bson,
        mut options: FindOptions,
        limit: usize,
    ) -> Result<Vec<Document>, Unavailable> {
        if limit == 0 {
            return Ok(Vec::new()); // to MongoDB it would mean: all
        }
        options.limit = i64::try_from(limit).ok();
        // One more than there are, or the server keeps the cursor open for another round trip.
        options.batch_size = u32::try_from(limit).ok().and_then(|limit| limit.checked_add(1));
        let collection: Collection<Stored<Value>> =
            self.database.collection(&generations::collection_name(view, generation));
        let found =
            async { collection.find(filter).with_options(options).await?.try_collect().await };
        let found: Vec<_> = answered(found).await??;
        found.into_iter().map(Document::try_from).collect::<Result<_, _>>().map_err(Unavailable)
    }

    async fn write(
        &self,
        view: &View,
        slot: Slot,
        from: Checkpoint,
        to: Position,
        batches: Vec<RawArrayBuf>,
    ) -> Result<(), ApplyError> {
        let mut session = self.client.start_session().await?;
        session.start_transaction().await?;
        // Leaving early drops the session, which aborts the transaction.
        self.generations.move_checkpoint(view, slot, from, to, &mut session).await?;
        let collection = generations::collection_name(view, from.generation);
        for batch in batches {
            self.update(&mut session, &collection, batch).await?;
        }
        commit(&mut session).await
    }

    /// One command for many documents. The driver's own `bulk_write` needs MongoDB 8.
    async fn update(
        &self,
        session: &mut ClientSession,
        collection: &str,
        updates: RawArrayBuf,
    ) -> Result<(), ApplyError> {
        let command = rawdoc! { "update": collection, "updates": updates, "ordered": false };
        let answer = self.database.run_raw_command(command).session(session).await?;
        match answer.get_array("writeErrors") {
            Ok(errors) if !errors.is_empty() => {
                let refused = format!("MongoDB refused documents of {collection}: {:?}", errors[0]);
                Err(Unavailable(refused.into()).into())
            }
            _ => Ok(()),
        }
    }
}

async fn commit(session: &mut ClientSession) -> Result<(), ApplyError> {
    let mut attempt = 1;
    loop {
        match session.commit_transaction().await {
            Err(error)
                if attempt < COMMIT_ATTEMPTS
                    && error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT) =>
            {
                attempt += 1;
            }
            known => return Ok(known?),
        }
    }
}

async fn answered<T>(call: impl IntoFuture<Output = T>) -> Result<T, Unavailable> {
    timeout(ANSWER_TIMEOUT, call).await.map_err(|silence| Unavailable(silence.into()))
}

#[async_trait]
impl Dependency for MongoViewStore {
    async fn ping(&self) -> Result<(), BoxError> {
        answered(self.database.run_command(doc! { "ping": 1 })).await??;
        Ok(())
    }
}

#[async_trait]
impl ViewStore for MongoViewStore {
    async fn state(&self, view: &View) -> Result<ViewState, Unavailable> {
        Ok(answered(self.generations.state(view)).await??)
    }

    async fn apply(
        &self,
        view: &View,
        slot: Slot,
        from: Checkpoint,
        to: Position,
        documents: &[Document],
    ) -> Result<(), ApplyError> {
        let batches = stored::batches(documents).map_err(|error| Unavailable(error.into()))?;
        let applied = answered(self.write(view, slot, from, to, batches)).await?;
        if matches!(applied, Err(ApplyError::Moved)) {
            answered(abandoned::end(&self.client, APP_NAME)).await?;
        }
        applied
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
        let options = FindOptions::builder()
            .sort(doc! { "listed_at": -1, "_id": -1 })
            .projection(doc! { "body.content": 0 })
            .build();
        self.find(view, generation, stored::listed(filter), options, limit).await
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
        Ok(answered(self.generations.begin_rebuild(view)).await??)
    }

    async fn begin_rollback(&self, view: &View) -> Result<Option<Checkpoint>, Unavailable> {
        Ok(answered(self.generations.begin_rollback(view)).await??)
    }

    async fn switch(&self, view: &View, building: Checkpoint) -> Result<(), ApplyError> {
        answered(self.generations.switch(view, building)).await?
    }
}
