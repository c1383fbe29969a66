//! One category of the front page.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use events::{Category, Position, Timestamp};
use proto::v1::{ArticleSummary, GetSectionRequest, Section, TakenBack};

use super::cached_part::{CachedPart, Source};
use crate::queries::{QueryError, Terms, get_section};
use crate::upstream::Upstream;

/// Newest articles to load: as many as a page may show, and some more that appear elsewhere on it.
const DEPTH: u32 = 120;
/// Retractions to load, for the feeds.
const TAKEN_BACK: u32 = 50;

/// How many removed articles are remembered; no answer is so late that more were removed since.
const LATELY: usize = 1_000;

/// The loaded content of a section.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Content {
    /// Newest first.
    pub(crate) newest: Vec<Candidate>,
    /// Requested by id.
    pub(crate) named: Vec<Candidate>,
    /// Newest first.
    pub(crate) taken_back: Vec<TakenBack>,
}

/// An article that may appear on the page.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) summary: ArticleSummary,
    pub(crate) published_at: Timestamp,
}

/// Loads the section of a category from its query-stack.
pub(crate) struct SectionSource {
    pub(crate) category: Category,
    upstream: Upstream,
    /// Recently removed articles and the position of the removal.
    ///
    /// An older answer that arrives late must not restore them.
    gone: Mutex<HashMap<String, Position>>,
}

impl SectionSource {
    pub(crate) fn new(category: Category, upstream: Upstream) -> Self {
        Self { category, upstream, gone: Mutex::default() }
    }

    /// Whether this query-stack serves the category.
    pub(crate) fn is_of(&self, upstream: &Upstream) -> bool {
        self.upstream.name() == upstream.name()
    }

    /// The section at this time, with at least `limit` of the newest articles.
    ///
    /// # Errors
    /// [`QueryError::Unavailable`] when the log is unavailable.
    pub(crate) async fn as_of(
        &self,
        time: Timestamp,
        limit: u32,
        named: &[String],
        terms: Terms,
    ) -> Result<(Content, Position), QueryError> {
        let as_of = Some(time.to_string());
        let request = GetSectionRequest { as_of, limit, ..self.request(named) };
        self.section(request, terms).await
    }

    async fn section(
        &self,
        request: GetSectionRequest,
        terms: Terms,
    ) -> Result<(Content, Position), QueryError> {
        let Section { newest, named, position, taken_back } =
            get_section(&self.upstream, request, terms).await?;
        let candidates = |all: Vec<_>| all.into_iter().filter_map(Candidate::of).collect();
        let (newest, named) = (candidates(newest), candidates(named));
        let content = Content { newest, named, taken_back };
        Ok((content, Position::new(position)))
    }

    fn request(&self, named: &[String]) -> GetSectionRequest {
        let (category, ids) = (self.category.to_string(), named.to_vec());
        let (limit, retracted) = (DEPTH, TAKEN_BACK);
        GetSectionRequest { category, ids, limit, retracted, ..Default::default() }
    }

    fn take_back(&self, id: &str, position: Position) {
        let mut gone = self.gone();
        gone.insert(id.to_owned(), position);
        if gone.len() > LATELY
            && let Some(oldest) = gone.iter().min_by_key(|(_, since)| **since)
        {
            let oldest = oldest.0.clone();
            gone.remove(&oldest);
        }
    }

    fn gone(&self) -> MutexGuard<'_, HashMap<String, Position>> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for SectionSource {
    type Content = Content;

    async fn ask(&self, named: &[String], terms: Terms) -> Result<(Content, Position), QueryError> {
        self.section(self.request(named), terms).await
    }

    fn clean(&self, content: Arc<Content>, reached: Position) -> Arc<Content> {
        let gone = self.gone();
        let is_gone = |candidate: &&Candidate| {
            gone.get(&candidate.summary.id).is_some_and(|since| *since > reached)
        };
        if !content.newest.iter().chain(&content.named).any(|candidate| is_gone(&candidate)) {
            return content;
        }
        let others = |all: &[Candidate]| all.iter().filter(|it| !is_gone(it)).cloned().collect();
        let (newest, named) = (others(&content.newest), others(&content.named));
        Arc::new(Content { newest, named, taken_back: content.taken_back.clone() })
    }
}

impl CachedPart<SectionSource> {
    /// Removes an article from the section, even if its query-stack is down.
    pub(crate) fn remove(&self, id: &str, position: Position) {
        // First, so that an answer being processed at this moment is cleaned as well.
        self.source.take_back(id, position);
        self.clean();
    }
}

impl Candidate {
    /// `None` without a publication time, which every listed article has.
    fn of(summary: ArticleSummary) -> Option<Self> {
        let published_at = summary.published_at.as_deref()?.parse().ok()?;
        Some(Self { summary, published_at })
    }
}
