//! The limit beside which `scripts/bench replay` is measured: how long MongoDB and its driver take
//! for nothing but the inserts of the documents that a replay wrote.
//!
//! Reads the live generation of every view in the database that `PORTAL_VIEW_STORE` names, a part
//! at a time, and inserts each part into a fresh collection: unordered `insert_many`, a thousand
//! documents a call, several calls at a time, acknowledged by a majority as those of the replay.
//! Only the inserts are timed; nothing is read from a log, folded or indexed. Prints documents and
//! seconds.

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
use mongodb::bson::{Document, RawDocumentBuf};
use mongodb::options::WriteConcern;
use mongodb::{Client, Collection, Database};

/// Documents in memory.
const PART: usize = 50_000;
/// Of one call.
const BULK: usize = 1_000;
/// Calls at a time: more do not make MongoDB faster.
const CALLS: usize = 4;

type Error = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let client = Client::with_uri_str(std::env::var("PORTAL_VIEW_STORE")?).await?;
    let database = client.default_database().ok_or("PORTAL_VIEW_STORE names no database")?;
    let (mut documents, mut inserting) = (0, Duration::ZERO);
    for name in live_collections(&database).await? {
        let (count, elapsed) = copy(&database, &name).await?;
        documents += count;
        inserting += elapsed;
    }
    println!("{documents} {:.2}", inserting.as_secs_f64());
    Ok(())
}

/// `<view>_<generation>` of every document `<view>/live` in the collection `views`.
async fn live_collections(database: &Database) -> Result<Vec<String>, Error> {
    let slots = database.collection::<Document>("views").find(Document::new()).await?;
    let slots: Vec<_> = slots.try_collect().await?;
    let live = |slot: &Document| {
        let view = slot.get_str("_id").ok()?.strip_suffix("/live")?;
        Some(format!("{view}_{}", slot.get_i64("generation").ok()?))
    };
    Ok(slots.iter().filter_map(live).collect())
}

async fn copy(database: &Database, name: &str) -> Result<(usize, Duration), Error> {
    let to: Collection<RawDocumentBuf> = database.collection(&format!("raw_{name}"));
    to.drop().await?;
    database.create_collection(to.name()).await?;
    let from = database.collection::<RawDocumentBuf>(name).find(Document::new()).await?;
    let mut parts = from.try_chunks(PART);
    let (mut count, mut elapsed) = (0, Duration::ZERO);
    while let Some(part) = parts.try_next().await? {
        count += part.len();
        let began = Instant::now();
        insert(&to, &part).await?;
        elapsed += began.elapsed();
    }
    to.drop().await?;
    Ok((count, elapsed))
}

async fn insert(to: &Collection<RawDocumentBuf>, part: &[RawDocumentBuf]) -> Result<(), Error> {
    let bulks = part.chunks(BULK).map(|bulk| async move {
        let majority = WriteConcern::majority();
        to.insert_many(bulk).ordered(false).write_concern(majority).await
    });
    let inserting = stream::iter(bulks).buffer_unordered(CALLS);
    inserting.try_for_each(|_| async { Ok(()) }).await?;
    Ok(())
}
