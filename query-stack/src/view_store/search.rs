//! Full text: which words of a document are searched, and what comes first.
//!
//! How relevant a document is follows from it and the words alone, not from the other documents, as
//! the usual measures do: a place in the order of a search stays where it is while articles come. And
//! each relevance is a list of its own in the order of time, so that a store can walk it and stop
//! when the page is full, however many documents have a word.

use std::collections::BTreeSet;

use proto::words;
use serde_json::Value;

use super::{Document, ListFilter, ListPlace, Unavailable, View, ViewStore};

/// Words that are kept of a field: the longest text of a human has some 6,000 different ones.
const KEPT: usize = 10_000;

/// How well a document answers a question of which it has all words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Relevance {
    /// Some are only in the content.
    Content = 1,
    /// All are in title and summary.
    Summary,
    /// All are in the title.
    Title,
}

impl Relevance {
    /// The most relevant first.
    const ALL: [Self; 3] = [Self::Title, Self::Summary, Self::Content];

    /// As a number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self as u32
    }

    /// The relevance with this number.
    #[must_use]
    pub fn of(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|relevance| relevance.get() == number)
    }

    /// What is more relevant.
    pub(super) fn better(self) -> Option<Self> {
        Self::of(self.get() + 1)
    }
}

/// The listed documents of exactly this relevance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// As [`proto::words`] makes them, at least one.
    pub words: Vec<String>,
    /// To what they are all in.
    pub relevance: Relevance,
}

/// A place in the order of a search: by relevance, and within it as in a list.
pub type SearchPlace = (Relevance, ListPlace);

/// The documents that have all of the words and pass the filter, the most relevant first, then
/// newest first, ties by descending id, at most `limit`, each without its content.
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
        return Ok(found); // nothing is asked, so nothing is an answer
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

/// The words of a document, each once: what a store keeps to find it by.
pub(super) struct Searchable {
    pub(super) title: BTreeSet<String>,
    pub(super) summary: BTreeSet<String>,
    pub(super) content: BTreeSet<String>,
}

impl Searchable {
    /// `None` for what nobody can find: only listed articles of the public are searched.
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
