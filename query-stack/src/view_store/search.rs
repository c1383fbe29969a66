//! Full-text search: the searched words of a document, and the order of the results.
//!
//! The relevance depends only on the document and the query, not on other documents, so a place in
//! the results does not move while articles arrive. Each relevance is a list ordered by time, which
//! a store can scan until the page is full.

use std::collections::BTreeSet;

use proto::words;
use serde_json::Value;

use super::{Document, ListFilter, ListPlace, Unavailable, View, ViewStore};

/// Most distinct words per field; the longest human texts have about 6,000.
const KEPT: usize = 10_000;

/// How well a document that has all words of a query matches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Relevance {
    /// Some words are only in the content.
    Content = 1,
    /// All words are in title and summary.
    Summary,
    /// All words are in the title.
    Title,
}

impl Relevance {
    /// The highest relevance first.
    const ALL: [Self; 3] = [Self::Title, Self::Summary, Self::Content];

    /// The number in a cursor.
    #[must_use]
    pub const fn get(self) -> u32 {
        self as u32
    }

    /// The relevance with this number.
    #[must_use]
    pub fn of(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|relevance| relevance.get() == number)
    }

    /// The next higher relevance.
    pub(super) fn better(self) -> Option<Self> {
        Self::of(self.get() + 1)
    }
}

/// A search for the listed documents of exactly this relevance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// At least one word, as [`proto::words`] returns it.
    pub words: Vec<String>,
    /// The relevance that they must have.
    pub relevance: Relevance,
}

/// A place in the results: by relevance, then as in a list.
pub type SearchPlace = (Relevance, ListPlace);

/// Up to `limit` documents with all words that match the filter, without their content.
///
/// The most relevant come first, then the newest, ties by descending id.
///
/// # Errors
/// See [`Unavailable`].
pub async fn search(
    store: &dyn ViewStore,
    view: &View,
    generation: i64,
    question: &[String],
    filter: &ListFilter,
    after: Option<SearchPlace>,
    limit: usize,
) -> Result<Vec<(Relevance, Document)>, Unavailable> {
    let mut found = Vec::new();
    if question.is_empty() {
        return Ok(found); // no words, no matches
    }
    for relevance in Relevance::ALL {
        let after = match after {
            Some((reached, _)) if relevance > reached => continue,
            Some((reached, place)) if relevance == reached => Some(place),
            _ => None,
        };
        let search = Some(Search { words: question.to_vec(), relevance });
        let filter = ListFilter { search, after, ..filter.clone() };
        let documents = store.list(view, generation, &filter, limit - found.len()).await?;
        found.extend(documents.into_iter().map(|document| (relevance, document)));
        if found.len() == limit {
            break;
        }
    }
    Ok(found)
}

/// The distinct words of a document, by field.
pub(super) struct Searchable {
    pub(super) title: BTreeSet<String>,
    pub(super) summary: BTreeSet<String>,
    pub(super) content: BTreeSet<String>,
}

impl Searchable {
    /// `None` if the document cannot be found: only listed documents of a search view can.
    pub(super) fn of(view: &View, document: &Document) -> Option<Self> {
        let is_searched = view.projection.is_searched() && document.listed_at.is_some();
        is_searched.then(|| Self::of_body(&document.body))
    }

    fn of_body(body: &Value) -> Self {
        let words_of = |field| {
            let text = body.get(field).and_then(Value::as_str).unwrap_or_default();
            let mut kept = BTreeSet::new();
            for word in words(text) {
                if kept.len() == KEPT {
                    break;
                }
                kept.insert(word);
            }
            kept
        };
        let [title, summary, content] = ["title", "summary", "content"].map(words_of);
        Self { title, summary, content }
    }
}
