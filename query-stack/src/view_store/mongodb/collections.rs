//! The collections of the generations of a view: `<view>_<generation>`.

use mongodb::Database;
use mongodb::bson::Document as Bson;
use mongodb::error::{Error, ErrorKind};

use super::super::View;
use super::super::generations::Generations;
use super::{parked, stored};

pub(super) fn name(view: &View, generation: i64) -> String {
    format!("{view}_{generation}")
}

/// `NamespaceExists`, <https://www.mongodb.com/docs/manual/reference/error-codes>.
const EXISTS: i32 = 48;

/// Creates the collection without indexes, if it does not exist.
pub(super) async fn create(database: &Database, view: &View, generation: i64) -> Result<(), Error> {
    match database.create_collection(name(view, generation)).await {
        Err(error) if matches!(&*error.kind, ErrorKind::Command(no) if no.code == EXISTS) => Ok(()),
        created => created,
    }
}

/// Creates the indexes for lists; cheap if they exist.
pub(super) async fn index(database: &Database, view: &View, generation: i64) -> Result<(), Error> {
    let collection = database.collection::<Bson>(&name(view, generation));
    collection.create_indexes(stored::indexes(view.projection)).await?;
    Ok(())
}

/// Drops unneeded collections, also those of a process that died; retried after the next change.
pub(super) async fn drop_others(database: &Database, view: &View, generations: Generations) {
    if let Err(error) = try_drop_others(database, view, generations).await {
        tracing::warn!(%view, error = %events::Chain(&error), "old documents stay");
    }
}

/// Spares generations above the last one: another rebuild may be creating them.
async fn try_drop_others(
    database: &Database,
    view: &View,
    generations: Generations,
) -> Result<(), Error> {
    let prefix = format!("{view}_");
    for name in database.list_collection_names().await? {
        let number = name.strip_prefix(&prefix).and_then(|number| number.parse().ok());
        if number.is_some_and(|number| number <= generations.last && !generations.keeps(number)) {
            database.collection::<Bson>(&name).drop().await?;
        }
    }
    parked::drop_others(database, view, generations).await
}
