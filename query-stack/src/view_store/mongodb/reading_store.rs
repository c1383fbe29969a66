//! The collections `readings` and `readers`: raw readings and profiles.

mod stored;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use events::readings::Reading;
use events::{ArticleId, Position, Timestamp, UserId};
use futures::TryStreamExt;
use mongodb::bson::{Document as Bson, doc, serialize_to_document};
use mongodb::error::Error;
use mongodb::{ClientSession, Collection, Database, IndexModel};
use tokio::sync::OnceCell;

use self::stored::{
    Counted, Id, StoredReader, StoredReading, after_user, of_user, replacement, unreadable,
};
use super::stored::{BATCH_OPERATIONS, batches};
use super::writing::{Aborted, CHANGE_ATTEMPTS, commit};
use super::{MongoViewStore, answered};
use crate::Unavailable;
use crate::reading_store::{MostRead, Profile, Reader, ReadingStore, skewed};

const READINGS: &str = "readings";
const READERS: &str = "readers";
/// Server-side limit of a count; the server does not notice that its client has timed out.
const COUNT_TIME: Duration = Duration::from_secs(2);

/// The collections, and whether this process has created their indexes.
#[derive(Clone)]
pub(super) struct Readings {
    readings: Collection<StoredReading>,
    readers: Collection<StoredReader>,
    forgetting: Collection<Bson>,
    indexed: Arc<OnceCell<()>>,
}

impl Readings {
    pub(super) fn new(database: &Database) -> Self {
        Self {
            readings: database.collection(READINGS),
            readers: database.collection(READERS),
            forgetting: database.collection("forgetting"),
            indexed: Arc::default(),
        }
    }

    /// Creates collections and indexes, outside of transactions; cheap if they exist.
    async fn index(&self) -> Result<(), Error> {
        let by = |keys| IndexModel::builder().keys(keys).build();
        let index = async || {
            self.readings.create_index(by(doc! { "at": 1 })).await?;
            let labels = by(doc! { "reader.profile.labels.label": 1, "_id": 1 });
            self.readers.create_index(labels).await.map(drop)
        };
        self.indexed.get_or_try_init(index).await.map(drop)
    }

    async fn readers_in(
        &self,
        users: &BTreeSet<UserId>,
        session: &mut ClientSession,
    ) -> Result<BTreeMap<UserId, Reader>, Aborted> {
        let ids: Vec<_> = users.iter().map(UserId::to_string).collect();
        let found = self.readers.find(doc! { "_id": { "$in": ids } }).session(&mut *session);
        let found: Vec<_> = found.await?.stream(session).try_collect().await?;
        let mut known: BTreeMap<_, _> =
            found.into_iter().map(|StoredReader { _id, reader }| (_id, reader)).collect();
        let mut reader = |user: &UserId| known.remove(&user.to_string()).unwrap_or_default();
        Ok(users.iter().map(|user| (*user, reader(user))).collect())
    }

    /// Folds a user's raw readings.
    async fn folded_in(
        &self,
        user: UserId,
        session: &mut ClientSession,
    ) -> Result<Profile, Aborted> {
        let found = self.readings.find(of_user(user)).session(&mut *session);
        let found: Vec<_> = found.await?.stream(session).try_collect().await?;
        let readings: Result<Vec<Reading>, _> = found.into_iter().map(TryInto::try_into).collect();
        let readings = readings.map_err(|error| Aborted::Failed(Unavailable(Box::new(error))))?;
        Ok(Profile::default().with(&readings))
    }
}

impl MongoViewStore {
    async fn try_record(&self, readings: &[Reading]) -> Result<(), Aborted> {
        let mut session = self.begin().await?;
        let users: BTreeSet<_> = readings.iter().map(|reading| reading.user_id).collect();
        let mut readers = self.readings.readers_in(&users, &mut session).await?;
        let taken: Vec<_> =
            readings.iter().filter(|reading| readers[&reading.user_id].takes(reading)).collect();
        let mut changed = BTreeSet::new();
        for reading in self.insert(&taken, &mut session).await? {
            changed.insert(reading.user_id);
            let reader = readers.entry(reading.user_id).or_default();
            reader.profile = std::mem::take(&mut reader.profile).with([reading]);
        }
        if changed.is_empty() {
            return Ok(());
        }
        readers.retain(|user, _| changed.contains(user));
        self.put(readers, &mut session).await?;
        Ok(commit(&mut session).await?)
    }

    /// Inserts readings and returns the new ones.
    ///
    /// Upserts, because a duplicate key would abort the transaction.
    async fn insert<'a>(
        &self,
        readings: &[&'a Reading],
        session: &mut ClientSession,
    ) -> Result<Vec<&'a Reading>, Aborted> {
        let mut new = Vec::new();
        for readings in readings.chunks(BATCH_OPERATIONS) {
            let inserts = readings.iter().map(|reading| {
                let stored = StoredReading::from(*reading);
                let first = serialize_to_document(&stored)?;
                Ok(doc! { "q": { "_id": stored._id }, "u": { "$setOnInsert": first }, "upsert": true })
            });
            let inserts: Vec<_> = inserts
                .collect::<Result<_, mongodb::bson::error::Error>>()
                .map_err(|error| Aborted::Failed(Unavailable(error.into())))?;
            let command = doc! { "update": READINGS, "updates": inserts };
            let answer = self.database.run_command(command).session(&mut *session).await?;
            let upserted = answer.get_array("upserted").into_iter().flatten();
            let places = upserted.filter_map(|one| one.as_document()?.get_i32("index").ok());
            new.extend(places.filter_map(|at| readings.get(usize::try_from(at).ok()?).copied()));
        }
        Ok(new)
    }

    async fn put(
        &self,
        readers: impl IntoIterator<Item = (UserId, Reader)>,
        session: &mut ClientSession,
    ) -> Result<(), Aborted> {
        let batches = batches(readers.into_iter().map(replacement));
        let batches = batches.map_err(|error| Aborted::Failed(Unavailable(error.into())))?;
        for batch in &batches {
            self.update(session, READERS, batch).await?;
        }
        Ok(())
    }

    async fn try_forget(
        &self,
        user: UserId,
        up_to: Timestamp,
        by: Position,
    ) -> Result<(), Aborted> {
        let mut session = self.begin().await?;
        let known = self.readings.readers_in(&BTreeSet::from([user]), &mut session).await?;
        if known.values().any(|reader| by <= reader.forgotten_by) {
            return Ok(());
        }
        let mut forgotten = of_user(user);
        forgotten.insert("at", doc! { "$lte": skewed(up_to).millis() });
        self.readings.readings.delete_many(forgotten).session(&mut session).await?;
        let profile = self.readings.folded_in(user, &mut session).await?;
        let reader = Reader { profile, forgotten_until: Some(up_to), forgotten_by: by };
        self.put([(user, reader)], &mut session).await?;
        Ok(commit(&mut session).await?)
    }

    async fn try_refold(&self, user: UserId, before: Timestamp) -> Result<(), Aborted> {
        let mut session = self.begin().await?;
        let mut readers = self.readings.readers_in(&BTreeSet::from([user]), &mut session).await?;
        let mut expired = of_user(user);
        expired.insert("at", doc! { "$lt": before.millis() });
        self.readings.readings.delete_many(expired).session(&mut session).await?;
        for reader in readers.values_mut() {
            reader.profile = self.readings.folded_in(user, &mut session).await?;
        }
        self.put(readers, &mut session).await?;
        Ok(commit(&mut session).await?)
    }
}

#[async_trait]
impl ReadingStore for MongoViewStore {
    async fn record(&self, readings: &[Reading]) -> Result<(), Unavailable> {
        answered(self.readings.index()).await??;
        answered(self.until_no_conflict(CHANGE_ATTEMPTS, || self.try_record(readings))).await?
    }

    async fn reader(&self, user: UserId) -> Result<Reader, Unavailable> {
        let found = self.readings.readers.find_one(doc! { "_id": user.to_string() });
        Ok(answered(found).await??.map(|found| found.reader).unwrap_or_default())
    }

    async fn readers_of(
        &self,
        label: &str,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<UserId>, Unavailable> {
        let mut of_label = after_user(after);
        of_label.insert("reader.profile.labels.label", label);
        let found = self.readings.readers.clone_with_type::<Id>();
        let found = found.find(of_label).projection(doc! { "_id": 1 }).sort(doc! { "_id": 1 });
        let found = found.limit(i64::try_from(limit).unwrap_or(i64::MAX));
        let found: Vec<Id> = answered(async { found.await?.try_collect().await }).await??;
        found.into_iter().map(|id| id._id.parse().map(UserId).map_err(unreadable)).collect()
    }

    async fn most_read(
        &self,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<Vec<MostRead>, Unavailable> {
        let last = doc! { "$max": { "at": "$at", "category": "$category" } };
        let of_reader = doc! { "article": "$article_id", "user": "$user_id" };
        let pipeline = [
            doc! { "$match": { "at": { "$gt": from.millis(), "$lte": to.millis() } } },
            doc! { "$group": { "_id": of_reader, "last": last } },
            doc! { "$group": {
                "_id": "$_id.article", "readers": { "$sum": 1_i64 }, "last": { "$max": "$last" },
            } },
            doc! { "$sort": { "readers": -1, "_id": -1 } },
            doc! { "$limit": i64::try_from(limit).unwrap_or(i64::MAX) },
        ];
        let counted = self.readings.readings.aggregate(pipeline).max_time(COUNT_TIME);
        let counted = counted.with_type::<Counted>();
        let counted: Vec<_> = answered(async { counted.await?.try_collect().await }).await??;
        let counted = counted.into_iter().map(|Counted { _id, readers, last }| {
            let article_id = ArticleId(_id.parse().map_err(unreadable)?);
            Ok(MostRead { article_id, category: last.category, readers: readers.unsigned_abs() })
        });
        counted.collect()
    }

    async fn forget(
        &self,
        user: UserId,
        up_to: Timestamp,
        by: Position,
    ) -> Result<(), Unavailable> {
        answered(self.readings.index()).await??;
        let forgetting =
            self.until_no_conflict(CHANGE_ATTEMPTS, || self.try_forget(user, up_to, by));
        answered(forgetting).await?
    }

    async fn followed(&self) -> Result<Position, Unavailable> {
        let found = answered(self.readings.forgetting.find_one(doc! { "_id": "users" })).await??;
        let position = found.and_then(|found| found.get_i64("position").ok());
        Ok(position.map_or(Position::START, Position::new))
    }

    async fn follow(&self, position: Position) -> Result<(), Unavailable> {
        let (users, further) =
            (doc! { "_id": "users" }, doc! { "$max": { "position": position.get() } });
        answered(self.readings.forgetting.update_one(users, further).upsert(true)).await??;
        Ok(())
    }

    async fn next_user(&self, after: Option<UserId>) -> Result<Option<UserId>, Unavailable> {
        // After every reading of that user.
        let behind =
            after.map_or_else(Bson::new, |user| doc! { "_id": { "$gt": format!("{user}0") } });
        let readings = self.readings.readings.clone_with_type::<Bson>();
        let reading = readings.find_one(behind).sort(doc! { "_id": 1 });
        let readers = self.readings.readers.clone_with_type::<Id>();
        let reader = readers.find_one(after_user(after)).sort(doc! { "_id": 1 });
        let (reading, reader) =
            answered(async { tokio::try_join!(reading.into_future(), reader.into_future()) })
                .await??;
        let of_reading =
            reading.and_then(|reading| reading.get_str("user_id").ok().map(str::to_owned));
        let next = of_reading.into_iter().chain(reader.map(|reader| reader._id)).min();
        next.map(|id| id.parse().map(UserId).map_err(unreadable)).transpose()
    }

    async fn expired(
        &self,
        before: Timestamp,
        readings: usize,
    ) -> Result<Vec<UserId>, Unavailable> {
        let pipeline = [
            doc! { "$match": { "at": { "$lt": before.millis() } } },
            doc! { "$sort": { "at": 1 } },
            doc! { "$limit": i64::try_from(readings).unwrap_or(i64::MAX) },
            doc! { "$group": { "_id": "$user_id" } },
        ];
        let found = self.readings.readings.aggregate(pipeline).with_type::<Id>();
        let found: Vec<Id> = answered(async { found.await?.try_collect().await }).await??;
        found.into_iter().map(|id| id._id.parse().map(UserId).map_err(unreadable)).collect()
    }

    async fn refold(&self, user: UserId, before: Timestamp) -> Result<(), Unavailable> {
        let refolding = self.until_no_conflict(CHANGE_ATTEMPTS, || self.try_refold(user, before));
        answered(refolding).await?
    }
}
