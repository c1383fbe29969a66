//! Documents as stored in MongoDB, their indexes, and the batches of a command.

use std::collections::BTreeSet;

use events::{BoxError, Timestamp, Version};
use mongodb::IndexModel;
use mongodb::bson::{DateTime, Document as Bson, RawArrayBuf, RawDocumentBuf, doc, rawdoc};
use mongodb::bson::{error::Error, serialize_to_raw_document_buf};
use mongodb::options::IndexOptions;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::super::search::Searchable;
use super::super::{Document, ListFilter, Projection, Relevance, Search, View};

/// Most operations per command.
pub(super) const BATCH_OPERATIONS: usize = 1_000;
/// Half of MongoDB's limit for a command, so the operation that crosses it still fits.
const BATCH_BYTES: usize = 8 * 1024 * 1024;

#[derive(Serialize, Deserialize)]
pub(super) struct Stored<Body> {
    _id: String,
    version: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    listed_at: Option<DateTime>,
    /// Indexed for search; never read back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    words: Option<Vec<String>>,
    body: Body,
}

impl<'a> Stored<&'a Value> {
    pub(super) fn of(view: &View, document: &'a Document) -> Self {
        Self {
            _id: document.id.to_string(),
            version: document.version.get(),
            listed_at: document.listed_at.map(date),
            words: Searchable::of(view, document).map(marked),
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

/// Marks a word with its relevance, so one index contains three separate lists.
fn mark(relevance: Relevance, word: &str) -> String {
    match relevance {
        Relevance::Title => format!("title/{word}"),
        Relevance::Summary => format!("summary/{word}"),
        Relevance::Content => word.to_owned(),
    }
}

/// The marked words of a document; a word of the title also counts for the lower relevances.
pub(super) fn marked(Searchable { title, summary, content }: Searchable) -> Vec<String> {
    let summary = &title | &summary;
    let content = &summary | &content;
    let marked = |relevance, words: BTreeSet<String>| {
        words.into_iter().map(move |word| mark(relevance, &word))
    };
    let title = marked(Relevance::Title, title);
    let summary = marked(Relevance::Summary, summary);
    title.chain(summary).chain(marked(Relevance::Content, content)).collect()
}

/// Replacements of documents, as operation lists for `update` commands.
pub(super) fn replacements(view: &View, documents: &[Document]) -> Result<Vec<RawArrayBuf>, Error> {
    batches(documents.iter().map(|document| replacement(view, document)))
}

/// Splits operations into as few commands as possible.
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

fn replacement(view: &View, document: &Document) -> Result<RawDocumentBuf, Error> {
    let stored = Stored::of(view, document);
    let replacement = serialize_to_raw_document_buf(&stored)?;
    Ok(rawdoc! { "q": { "_id": stored._id }, "u": replacement, "upsert": true })
}

/// The indexes for the lists of a projection; they contain only listed documents.
///
/// Each filter has an index only where it is used, because it costs every change and every rebuild.
pub(super) fn indexes(projection: Projection) -> impl Iterator<Item = IndexModel> {
    let filters: &[&str] = match projection {
        Projection::Articles => &["body.tags", "body.author_id", BYLINE],
        Projection::Desk => &["body.tags", "body.author_id", "body.status"],
        // A search uses the index of words; other filters apply to its matches.
        Projection::Search | Projection::Users | Projection::Front => &[],
    };
    let list = doc! { "listed_at": -1, "_id": -1 };
    let filtered = filters.iter().map(|field| doc! { *field: 1, "listed_at": -1, "_id": -1 });
    let first = if projection.is_searched() { search_index() } else { list };
    let taken_back = (projection == Projection::Articles).then(retracted_index);
    std::iter::once(first).chain(filtered).chain(taken_back).map(|keys| {
        let is_of_listed = keys.contains_key("listed_at");
        let listed = doc! { "listed_at": { "$exists": true } };
        let mut listed = if is_of_listed { listed } else { retracted() };
        if keys.contains_key(BYLINE) {
            listed.insert(BYLINE, doc! { "$type": "string" });
        }
        let options = IndexOptions::builder().partial_filter_expression(listed).build();
        IndexModel::builder().keys(keys).options(options).build()
    })
}

/// Matches ids that begin with `<prefix>/`; `0` is the character after the slash.
pub(super) fn within(prefix: &str) -> Bson {
    doc! { "$gte": format!("{prefix}/"), "$lt": format!("{prefix}0") }
}

/// Plain only for authors without an account; encrypted bylines are neither found nor indexed.
const BYLINE: &str = "body.byline";

/// Sorts retracted articles, latest retraction first.
pub(super) fn retracted_index() -> Bson {
    doc! { "body.retraction.at": -1, "_id": -1 }
}

pub(super) fn retracted() -> Bson {
    doc! { "body.retraction.at": { "$exists": true } }
}

/// Each word with the times of its documents; ids would dominate its size and only break ties.
pub(super) fn search_index() -> Bson {
    doc! { "words": 1, "listed_at": -1 }
}

pub(super) fn by_ids(ids: &[Uuid]) -> Bson {
    let ids: Vec<_> = ids.iter().map(Uuid::to_string).collect();
    doc! { "_id": { "$in": ids } }
}

pub(super) fn after_id(after: Option<Uuid>) -> Bson {
    after.map_or_else(Bson::new, |id| doc! { "_id": { "$gt": id.to_string() } })
}

pub(super) fn listed(filter: &ListFilter) -> Bson {
    let mut query = Bson::new();
    if let Some(tag) = &filter.tag {
        query.insert("body.tags", tag);
    }
    if let Some(author_id) = filter.author_id {
        query.insert("body.author_id", author_id.to_string());
    }
    if let Some(status) = &filter.status {
        query.insert("body.status", status);
    }
    if let Some(byline) = &filter.byline {
        query.insert(BYLINE, doc! { "$eq": byline, "$type": "string" });
    }
    if let Some(search) = &filter.search {
        query.extend(found(search));
    }
    let mut at = doc! { "$exists": true };
    at.extend(filter.from.map(|from| ("$gte".to_owned(), date(from).into())));
    at.extend(filter.to.map(|to| ("$lt".to_owned(), date(to).into())));
    if let Some(after) = filter.after {
        // The first condition bounds the index scan; the second breaks the tie.
        let last = date(after.listed_at);
        at.insert("$lte", last);
        let (earlier, tied) = (doc! { "$lt": last }, doc! { "$lt": after.id.to_string() });
        query.insert("$or", vec![doc! { "listed_at": earlier }, doc! { "_id": tied }]);
    }
    query.insert("listed_at", at);
    query
}

fn found(Search { words, relevance }: &Search) -> Bson {
    let all = |relevance| {
        let words: Vec<_> = words.iter().map(|word| mark(relevance, word)).collect();
        doc! { "words": { "$all": words } }
    };
    let mut found = all(*relevance);
    if let Some(better) = relevance.better() {
        found.insert("$nor", vec![all(better)]);
    }
    found
}
