//! A document as MongoDB keeps it, what finds it fast, and how many go into one command.

use events::{BoxError, Timestamp, Version};
use mongodb::IndexModel;
use mongodb::bson::{DateTime, Document as Bson, RawArrayBuf, RawDocumentBuf, doc, rawdoc};
use mongodb::bson::{error::Error, serialize_to_raw_document_buf};
use mongodb::options::IndexOptions;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::super::{Document, ListFilter, Projection};

/// Operations of one command.
const BATCH_OPERATIONS: usize = 1_000;
/// Half of what MongoDB takes as one command, so that the operation that crosses it still fits.
const BATCH_BYTES: usize = 8 * 1024 * 1024;

#[derive(Serialize, Deserialize)]
pub(super) struct Stored<Body> {
    _id: String,
    version: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    listed_at: Option<DateTime>,
    body: Body,
}

impl<'a> From<&'a Document> for Stored<&'a Value> {
    fn from(document: &'a Document) -> Self {
        Self {
            _id: document.id.to_string(),
            version: document.version.get(),
            listed_at: document.listed_at.map(date),
            body: &document.body,
        }
    }
}

impl TryFrom<Stored<Value>> for Document {
    type Error = BoxError;

    fn try_from(stored: Stored<Value>) -> Result<Self, BoxError> {
        Ok(Self {
            id: stored._id.parse()?,
            version: Version::new(stored.version),
            listed_at: stored.listed_at.map(|at| Timestamp::from_millis(at.timestamp_millis())),
            body: stored.body,
        })
    }
}

fn date(time: Timestamp) -> DateTime {
    DateTime::from_millis(time.millis())
}

/// The replacements of the documents, as lists of operations for the command `update`.
pub(super) fn replacements(documents: &[Document]) -> Result<Vec<RawArrayBuf>, Error> {
    batches(documents.iter().map(replacement))
}

/// As few lists as they fit into.
pub(super) fn batches(
    operations_of: impl Iterator<Item = Result<RawDocumentBuf, Error>>,
) -> Result<Vec<RawArrayBuf>, Error> {
    let mut batches = Vec::new();
    let (mut batch, mut operations) = (RawArrayBuf::new(), 0);
    for operation in operations_of {
        if operations == BATCH_OPERATIONS || batch.as_bytes().len() > BATCH_BYTES {
            batches.push(std::mem::take(&mut batch));
            operations = 0;
        }
        batch.push(operation?);
        operations += 1;
    }
    if operations > 0 {
        batches.push(batch);
    }
    Ok(batches)
}

fn replacement(document: &Document) -> Result<RawDocumentBuf, Error> {
    let stored = Stored::from(document);
    let replacement = serialize_to_raw_document_buf(&stored)?;
    Ok(rawdoc! { "q": { "_id": stored._id }, "u": replacement, "upsert": true })
}

/// What `list` needs, in the order of the list. Documents that are in no list cost nothing here.
/// Each filter costs every change and every rebuild of the view an index, so that there is one only
/// where somebody asks.
pub(super) fn indexes(projection: Projection) -> impl Iterator<Item = IndexModel> {
    let filters: &[&str] = match projection {
        Projection::Articles => &["body.tags", "body.author_id"],
        Projection::Desk => &["body.tags", "body.author_id", "body.status"],
        Projection::Users => &[],
    };
    let list = doc! { "listed_at": -1, "_id": -1 };
    let filtered = filters.iter().map(|field| doc! { *field: 1, "listed_at": -1, "_id": -1 });
    std::iter::once(list).chain(filtered).map(|keys| {
        let listed = doc! { "listed_at": { "$exists": true } };
        let options = IndexOptions::builder().partial_filter_expression(listed).build();
        IndexModel::builder().keys(keys).options(options).build()
    })
}

pub(super) fn by_ids(ids: &[Uuid]) -> Bson {
    let ids: Vec<_> = ids.iter().map(Uuid::to_string).collect();
    doc! { "_id": { "$in": ids } }
}

pub(super) fn after_id(after: Option<Uuid>) -> Bson {
    after.map_or_else(Bson::new, |id| doc! { "_id": { "$gt": id.to_string() } })
}

pub(super) fn listed(filter: &ListFilter) -> Bson {
    let mut query = doc! { "listed_at": { "$exists": true } };
    if let Some(tag) = &filter.tag {
        query.insert("body.tags", tag);
    }
    if let Some(author_id) = filter.author_id {
        query.insert("body.author_id", author_id.to_string());
    }
    if let Some(status) = &filter.status {
        query.insert("body.status", status);
    }
    if let Some(after) = filter.after {
        // The first condition bounds the walk through the index; the second breaks the tie.
        let at = date(after.listed_at);
        query.insert("listed_at", doc! { "$exists": true, "$lte": at });
        let (earlier, tied) = (doc! { "$lt": at }, doc! { "$lt": after.id.to_string() });
        query.insert("$or", vec![doc! { "listed_at": earlier }, doc! { "_id": tied }]);
    }
    query
}
