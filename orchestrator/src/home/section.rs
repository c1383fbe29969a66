//! One category of the front page.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use events::{Category, Position, Timestamp};
use proto::v1::{ArticleSummary, GetSectionRequest, Section, TakenBack};

use super::cached_part::{CachedPart, Source};
use crate::queries::{QueryError, Terms, get_section};
use crate::upstream::Upstream;

/// The newest articles that are kept: as many as a page may show, and some that may stand elsewhere
/// on it.
const DEPTH: u32 = 120;
/// Those that were taken back that are told in feeds.
const TAKEN_BACK: u32 = 50;

/// Articles that are known to have been taken from readers: no answer is so late that more were since.
const LATELY: usize = 1_000;

/// What a section has to offer.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Content {
    /// Newest first.
    pub(crate) newest: Vec<Candidate>,
    /// Those that are asked for by name.
    pub(crate) named: Vec<Candidate>,
    /// The last one first.
    pub(crate) taken_back: Vec<TakenBack>,
}

/// An article that may stand on the page.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) summary: ArticleSummary,
    pub(crate) published_at: Timestamp,
}

/// The category, at its query-stack.
pub(crate) struct SectionSource {
    pub(crate) category: Category,
    upstream: Upstream,
    /// What was taken from readers lately, and when: an answer from before must not bring it back, however
    /// late it comes.
    gone: Mutex<HashMap<String, Position>>,
}

impl SectionSource {
    pub(crate) fn new(category: Category, upstream: Upstream) -> Self {
        Self { category, upstream, gone: Mutex::default() }
    }

    /// Whether this query-stack has it.
    pub(crate) fn is_of(&self, upstream: &Upstream) -> bool {
        self.upstream.name() == upstream.name()
    }

    /// As it was, with at least as many of the newest articles.
    ///
    /// # Errors
    /// [`QueryError::Unavailable`] when the log does not answer.
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
    /// Readers must not see this article here any more, whether the category answers or not.
    pub(crate) fn remove(&self, id: &str, position: Position) {
        // First, so that an answer that is being taken over meanwhile is cleaned of it as well.
        self.source.take_back(id, position);
        self.clean();
    }
}

impl Candidate {
    /// What is listed was published.
    fn of(summary: ArticleSummary) -> Option<Self> {
        let published_at = summary.published_at.as_deref()?.parse().ok()?;
        Some(Self { summary, published_at })
    }
}
