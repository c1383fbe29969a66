//! The cached front page: one task refreshes each part, and the first request composes the page.
//!
//! A slow category thus does not delay the others.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use events::{Category, EventKind, Position, Timestamp};
use futures::FutureExt;
use futures::future::{BoxFuture, join, join_all, try_join_all};
use proto::Problem;
use proto::metrics::{self, PageWas};
use proto::v1::{Happened, PublicEvent};
use tokio::time::{Instant, timeout};

use super::cached_part::{CachedPart, PartState, Revision};
use super::composition::Material;
use super::front::{Front, FrontSource};
use super::page::EncodedPage;
use super::section::{Content, SectionSource};
use crate::live::Tail;
use crate::queries::{ANSWER_DEADLINE, QueryError, QueryStacks, Terms};
use crate::upstream::Upstream;

/// How long to wait until the tail reaches a reader's position; then the query-stacks are queried.
const HEARSAY: Duration = Duration::from_millis(150);
/// How long to wait until the parts reach that position.
const POSITION_TIMEOUT: Duration = Duration::from_secs(2);
/// Additional articles loaded for a past page, since some appear elsewhere on it.
const ELSEWHERE: usize = 30;

pub(crate) struct FrontPage {
    sections: Vec<Arc<CachedPart<SectionSource>>>,
    front: Arc<CachedPart<FrontSource>>,
    tail: Arc<Tail>,
    revision: Revision,
    pages: RwLock<Option<Pages>>,
}

/// The newest articles of a category.
pub(crate) type Newest = (Category, PartState<Content>);

/// Cached pages of one state of the parts, by articles per section.
struct Pages {
    of: Material,
    /// The parts are at least as new as this revision.
    revision: u64,
    by_limit: HashMap<usize, Arc<EncodedPage>>,
}

impl Pages {
    fn kept(&self, limit: usize) -> Option<Arc<EncodedPage>> {
        let page = self.by_limit.get(&limit)?;
        metrics::front_page(if page.is_whole() { PageWas::Fresh } else { PageWas::Stale });
        Some(Arc::clone(page))
    }
}

impl FrontPage {
    pub(crate) fn new(queries: &Arc<QueryStacks>, tail: Arc<Tail>) -> Self {
        let revision = Revision::default();
        let keep = |(category, upstream): &(Category, Upstream)| {
            let source = SectionSource::new(category.clone(), upstream.clone());
            Arc::new(CachedPart::new(source, revision.clone()))
        };
        let sections = queries.all().iter().map(keep).collect();
        let front = FrontSource::new(Arc::clone(queries));
        let front = Arc::new(CachedPart::new(front, revision.clone()));
        Self { sections, front, tail, revision, pages: RwLock::default() }
    }

    /// The tasks that refresh the parts; they never end.
    pub(crate) fn keepers(&self) -> Vec<BoxFuture<'static, ()>> {
        let all = self.sections.clone();
        let name = move |front: &Front| {
            all.iter().for_each(|section| section.name(front.named(&section.source.category)));
        };
        let front = Arc::clone(&self.front).keep(name).boxed();
        let sections = self.sections.iter().map(|section| Arc::clone(section).keep(|_| ()).boxed());
        sections.chain([front]).collect()
    }

    /// Requires all parts to reach this position, since earlier events are not delivered.
    pub(crate) fn begin(&self, position: Position) {
        self.sections.iter().for_each(|section| section.happened(position));
        self.front.happened(position);
    }

    /// Refreshes the parts that new events affect.
    pub(crate) fn note(&self, events: &[PublicEvent], happened: &Happened) {
        events.iter().for_each(|event| self.note_event(event));
        // An erasure does not name the articles, so every section reloads its bylines.
        if let Some(erased) = happened.erased.map(Position::new) {
            self.sections.iter().for_each(|section| section.happened(erased));
        }
    }

    fn note_event(&self, event: &PublicEvent) {
        let position = Position::new(event.position);
        if event.is_of_front() {
            return self.front.happened(position);
        }
        let of = |name: &Option<String>| {
            let mut sections = self.sections.iter();
            let is_it = |it: &&Arc<CachedPart<SectionSource>>| {
                Some(it.source.category.as_str()) == name.as_deref()
            };
            sections.find(is_it).cloned()
        };
        let (here, left) = (of(&event.category), of(&event.from));
        let is_withdrawn = event.kind().is_some_and(EventKind::withdraws);
        let lost = if is_withdrawn { &here } else { &left };
        if let (Some(section), Some(id)) = (lost, &event.article_id) {
            section.remove(id, position);
        }
        here.iter().chain(&left).for_each(|section| section.happened(position));
    }

    /// Refreshes the sections of a query-stack that may be down.
    pub(crate) fn doubt(&self, upstream: &Upstream) {
        let its = self.sections.iter().filter(|section| section.source.is_of(upstream));
        its.for_each(|section| section.doubt());
    }

    /// The public page for a reader who has seen all events up to `min`.
    ///
    /// # Errors
    /// 503 when there is nothing to show, or `min` is not reached in time.
    pub(crate) async fn page(
        &self,
        limit: usize,
        min: Position,
    ) -> Result<Arc<EncodedPage>, Problem> {
        if min == Position::START
            && let Some(page) = self.kept(limit)
        {
            return Ok(page);
        }
        let revision = self.revision.now();
        let material = self.material(min).await?;
        let mut pages = self.pages.write().unwrap_or_else(PoisonError::into_inner);
        let is_current = self.is_current(&material);
        if !pages.as_ref().is_some_and(|pages| pages.of.is_same(&material)) {
            // A page composed for one reader's position must not replace the shared page.
            if !is_current {
                metrics::front_page(PageWas::Composed);
                return Ok(Arc::new(compose(&material, limit)?));
            }
            *pages = None;
        }
        let none = || Pages { of: material, revision, by_limit: HashMap::new() };
        let pages = pages.get_or_insert_with(none);
        if is_current {
            pages.revision = revision;
        }
        if let Some(page) = pages.kept(limit) {
            return Ok(page);
        }
        metrics::front_page(PageWas::Composed);
        let page = Arc::new(compose(&pages.of, limit)?);
        pages.by_limit.insert(limit, Arc::clone(&page));
        Ok(page)
    }

    /// The cached public page, if no part has changed since it was composed.
    pub(crate) fn kept(&self, limit: usize) -> Option<Arc<EncodedPage>> {
        let pages = self.pages.read().unwrap_or_else(PoisonError::into_inner);
        pages.as_ref().filter(|pages| pages.revision == self.revision.now())?.kept(limit)
    }

    fn is_current(&self, material: &Material) -> bool {
        let is_now = |state: &PartState<Content>, section: &Arc<CachedPart<SectionSource>>| {
            section.now().is_some_and(|now| now.is_same(state))
        };
        let mut sections = self.sections.iter().zip(&material.sections);
        let is_front = self.front.now().is_some_and(|now| now.is_same(&material.front));
        is_front && sections.all(|(section, (_, state))| is_now(state, section))
    }

    /// The parts for a reader who has seen all events up to `min`.
    ///
    /// # Errors
    /// [`QueryError::Behind`] when `min` is not reached in time.
    pub(crate) async fn material(&self, min: Position) -> Result<Material, QueryError> {
        if min > Position::START {
            return self.material_at(min).await;
        }
        let sections = join_all(self.sections.iter().map(|section| section.current()));
        let (front, sections) = join(self.front.current(), sections).await;
        Ok(self.material_of(front, sections))
    }

    async fn material_at(&self, min: Position) -> Result<Material, QueryError> {
        let deadline = Instant::now() + POSITION_TIMEOUT;
        let is_heard = self.hears_of(min).await;
        // A page with the new pins must also have the pinned articles.
        let front = self.front.at(min, &Arc::default(), is_heard, deadline).await?;
        let sections = self.sections.iter().map(async |section| {
            let named = front.content.named(&section.source.category);
            section.at(min, &named, is_heard, deadline).await
        });
        let sections = try_join_all(sections).await?;
        Ok(self.material_of(front, sections))
    }

    async fn hears_of(&self, min: Position) -> bool {
        let mut head = self.tail.head();
        let heard = head.wait_for(|heard| heard.is_some_and(|heard| heard >= min));
        timeout(HEARSAY, heard).await.is_ok()
    }

    fn sections_of(
        &self,
        category: Option<&Category>,
    ) -> impl Iterator<Item = &CachedPart<SectionSource>> {
        let sections = self.sections.iter().map(|section| &**section);
        sections.filter(move |it| category.is_none_or(|category| it.source.category == *category))
    }

    /// The newest articles of a category, or of all, including all events up to `min`.
    ///
    /// # Errors
    /// [`QueryError::Behind`] when `min` is not reached in time.
    pub(crate) async fn newest(
        &self,
        category: Option<&Category>,
        min: Position,
    ) -> Result<Vec<Newest>, QueryError> {
        let deadline = Instant::now() + POSITION_TIMEOUT;
        let waits = min > Position::START;
        let is_heard = waits && self.hears_of(min).await;
        let sections = self.sections_of(category).map(async |section| {
            let state = match waits {
                true => section.at(min, &Arc::default(), is_heard, deadline).await?,
                false => section.current().await,
            };
            Ok((section.source.category.clone(), state))
        });
        try_join_all(sections).await
    }

    /// Whether this is still the current state of the sections.
    pub(crate) fn is_newest(&self, newest: &[Newest]) -> bool {
        newest.iter().all(|(category, state)| {
            let now = self.sections_of(Some(category)).find_map(CachedPart::now);
            now.is_some_and(|now| now.is_same(state))
        })
    }

    /// The last known event of a category.
    pub(crate) fn last_event(&self, category: &Category) -> Position {
        self.sections_of(Some(category)).map(CachedPart::last_event).max().unwrap_or_default()
    }

    /// The page at this time, without articles retracted since.
    ///
    /// # Errors
    /// 503 when the log is unavailable: an incomplete past page would be wrong.
    pub(crate) async fn page_as_of(
        &self,
        limit: usize,
        time: Timestamp,
    ) -> Result<EncodedPage, Problem> {
        let terms = Terms::new(Position::START, ANSWER_DEADLINE);
        let front = self.front.source.as_of(time, terms).await?;
        let depth = u32::try_from(limit + ELSEWHERE).unwrap_or(u32::MAX);
        let sections = self.sections.iter().map(async |section| {
            let source = &section.source;
            let named = front.named(&source.category);
            let (content, reached) = source.as_of(time, depth, &named, terms).await?;
            Ok::<_, QueryError>((source.category.clone(), PartState::ok(content, reached, named)))
        });
        let sections = try_join_all(sections).await?;
        let position = sections.iter().map(|(_, state)| state.reached).min().unwrap_or_default();
        let front = PartState::ok(front, position, Arc::default());
        compose(&Material { sections, front, position }, limit)
    }

    fn material_of(&self, front: PartState<Front>, sections: Vec<PartState<Content>>) -> Material {
        let head = self.tail.heard().unwrap_or_default();
        let complete = self.sections.iter().zip(&sections);
        let complete = complete.map(|(section, state)| section.complete_to(state, head)).min();
        let position = self.front.complete_to(&front, head).min(complete.unwrap_or(head));
        let categories = self.sections.iter().map(|section| section.source.category.clone());
        Material { sections: categories.zip(sections).collect(), front, position }
    }
}

fn compose(material: &Material, limit: usize) -> Result<EncodedPage, Problem> {
    if material.is_nothing() {
        return Err(QueryError::Unavailable.into());
    }
    EncodedPage::new(&material.compose(limit, None, Timestamp::from(chrono::Utc::now())))
}
