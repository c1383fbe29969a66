//! A cached part of the front page; events refresh it, not readers.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use events::Position;
use futures::FutureExt;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::queries::{QueryError, SECTION_DEADLINE, Terms};

/// The longest pause between refreshes of a busy part.
///
/// The pause lasts as long as the last refresh, so one refresh covers many events.
const LONGEST_PAUSE: Duration = Duration::from_millis(40);
/// Until an unavailable part is retried.
const RETRY: Duration = Duration::from_millis(500);
/// Until an unchanged part is refreshed too: readings and rollbacks of a view cause no event.
const LOOK_ANYWAY: Duration = Duration::from_secs(5);

/// Whether a part of the page is current.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "SectionStatus")]
pub(crate) enum Status {
    Ok,
    /// Unavailable now; shown as last loaded.
    Stale,
    Unavailable,
}

/// Loads a part.
pub(crate) trait Source: Send + Sync + 'static {
    type Content: Default + PartialEq + Send + Sync;

    /// The part with at least these articles, and the log position that it includes.
    fn ask(
        &self,
        named: &[String],
        terms: Terms,
    ) -> impl Future<Output = Result<(Self::Content, Position), QueryError>> + Send;

    /// Removes retracted articles from content that includes the log only up to `_reached`.
    fn clean(&self, content: Arc<Self::Content>, _reached: Position) -> Arc<Self::Content> {
        content
    }
}

/// A part and the log position that it includes.
#[derive(Debug)]
pub(crate) struct PartState<T> {
    pub(crate) status: Status,
    pub(crate) content: Arc<T>,
    /// All events of this part up to here are included.
    pub(crate) reached: Position,
    /// The ids of the articles requested by id, in ascending order.
    pub(super) named: Arc<[String]>,
}

/// What the next refresh must include.
#[derive(Debug, Clone, Default)]
struct RefreshGoal {
    /// The last known event of this part.
    position: Position,
    /// The first of its events that was not yet included.
    first: Position,
    named: Arc<[String]>,
    /// How often its query-stack was suspected to be down; a change causes a refresh.
    doubts: u64,
}

/// Counts the changes of all parts together.
///
/// A reader that loads it before the parts can detect a change afterwards.
#[derive(Debug, Clone, Default)]
pub(crate) struct Revision(Arc<AtomicU64>);

impl Revision {
    pub(crate) fn now(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Call this before the changed part becomes visible.
    fn next(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

/// Refreshes and caches one part.
pub(crate) struct CachedPart<S: Source> {
    pub(crate) source: S,
    revision: Revision,
    wanted: watch::Sender<RefreshGoal>,
    state: watch::Sender<Option<PartState<S::Content>>>,
}

impl<T> Clone for PartState<T> {
    fn clone(&self) -> Self {
        let (content, named) = (Arc::clone(&self.content), Arc::clone(&self.named));
        Self { content, named, ..*self }
    }
}

impl<T> PartState<T> {
    /// Whether both give the same page.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.status == other.status && Arc::ptr_eq(&self.content, &other.content)
    }
}

impl<T: Default> PartState<T> {
    pub(crate) fn ok(content: T, reached: Position, named: Arc<[String]>) -> Self {
        Self { status: Status::Ok, content: Arc::new(content), reached, named }
    }

    pub(crate) fn unavailable() -> Self {
        let empty = Self::ok(T::default(), Position::START, Arc::default());
        Self { status: Status::Unavailable, ..empty }
    }

    /// The same content, marked as stale.
    fn stale(self) -> Self {
        let is_known = self.status != Status::Unavailable;
        Self { status: if is_known { Status::Stale } else { Status::Unavailable }, ..self }
    }
}

impl<S: Source> CachedPart<S> {
    pub(crate) fn new(source: S, revision: Revision) -> Self {
        let (wanted, state) = (watch::Sender::default(), watch::Sender::new(None));
        Self { source, revision, wanted, state }
    }

    /// Records an event of this part, which causes a refresh.
    pub(crate) fn happened(&self, position: Position) {
        self.wanted.send_if_modified(|wanted| {
            let is_new = wanted.position < position;
            if is_new {
                if self.reached() >= wanted.position {
                    wanted.first = position;
                }
                wanted.position = position;
            }
            is_new
        });
    }

    /// The last known event of this part.
    pub(crate) fn last_event(&self) -> Position {
        self.wanted.borrow().position
    }

    fn reached(&self) -> Position {
        self.state.borrow().as_ref().map(|state| state.reached).unwrap_or_default()
    }

    /// Sets the ids of the articles to load in any case, in ascending order.
    pub(crate) fn name(&self, named: Arc<[String]>) {
        self.wanted.send_if_modified(|wanted| {
            let is_new = wanted.named != named;
            wanted.named = named;
            is_new
        });
    }

    /// Refreshes the part, because its query-stack may be down; readers should not find out first.
    pub(crate) fn doubt(&self) {
        self.wanted.send_modify(|wanted| wanted.doubts += 1);
    }

    /// Removes retracted articles from the cached content.
    pub(crate) fn clean(&self) {
        self.state.send_if_modified(|state| {
            let Some(state) = state.as_mut() else { return false };
            let cleaned = self.source.clean(Arc::clone(&state.content), state.reached);
            let is_new = !Arc::ptr_eq(&cleaned, &state.content);
            state.content = cleaned;
            if is_new {
                self.revision.next();
            }
            is_new
        });
    }

    /// The cached state; `None` before the first load.
    pub(crate) fn now(&self) -> Option<PartState<S::Content>> {
        self.state.borrow().clone()
    }

    /// The cached state; waits only for the first load.
    pub(crate) async fn current(&self) -> PartState<S::Content> {
        if let Some(state) = self.now() {
            return state;
        }
        let mut states = self.state.subscribe();
        let first = timeout(SECTION_DEADLINE, states.wait_for(Option::is_some)).await;
        let first = first.ok().and_then(Result::ok).and_then(|state| state.clone());
        first.unwrap_or_else(PartState::unavailable)
    }

    /// Up to where this state includes all events, if all events up to `head` are known.
    pub(crate) fn complete_to(&self, state: &PartState<S::Content>, head: Position) -> Position {
        let wanted = self.wanted.borrow();
        if state.reached >= wanted.position {
            return head.max(state.reached);
        }
        state.reached.max(Position::new(wanted.first.get() - 1))
    }

    /// The part with all events up to `min` and with these articles.
    ///
    /// Queries the query-stack if the part is unavailable, or if the tail has not reached `min`
    /// (`is_heard` is false). Never returns content older than `min`.
    ///
    /// # Errors
    /// [`QueryError::Behind`] when `min` is not reached in time.
    pub(crate) async fn at(
        &self,
        min: Position,
        named: &Arc<[String]>,
        is_heard: bool,
        deadline: Instant,
    ) -> Result<PartState<S::Content>, QueryError> {
        if is_heard && let Some(state) = self.reaching(min, named, deadline).await? {
            return Ok(state);
        }
        match self.source.ask(named, Terms::until(min, deadline)).await {
            Ok((content, reached)) => {
                let state = PartState::ok(content, reached.max(min), Arc::clone(named));
                Ok(PartState { content: self.source.clean(state.content, reached), ..state })
            }
            Err(QueryError::Behind) => Err(QueryError::Behind),
            Err(_) => {
                let known = self.now().filter(|state| state.reached >= min);
                Ok(known.map_or_else(PartState::unavailable, PartState::stale))
            }
        }
    }

    /// Waits until the cached part suffices; `None` if waiting does not help.
    async fn reaching(
        &self,
        min: Position,
        named: &[String],
        deadline: Instant,
    ) -> Result<Option<PartState<S::Content>>, QueryError> {
        let needed = min.min(self.wanted.borrow().position);
        let has_all = |state: &PartState<_>| {
            let has = |id: &String| state.named.binary_search(id).is_ok();
            let is_known = state.status != Status::Unavailable;
            is_known && state.reached >= needed && named.iter().all(has)
        };
        let mut states = self.state.subscribe();
        let decided = |state: &Option<PartState<_>>| {
            let state = state.as_ref();
            state.is_none_or(|state| has_all(state) || state.status != Status::Ok)
        };
        let state = timeout_at(deadline, states.wait_for(decided)).await;
        let state = state.map_err(|_| QueryError::Behind)?.ok().and_then(|state| state.clone());
        Ok(state.filter(has_all))
    }

    /// Refreshes the part for ever and passes each new content to `changed`.
    pub(crate) async fn keep(self: Arc<Self>, changed: impl Fn(&S::Content)) {
        let mut wanted = self.wanted.subscribe();
        loop {
            let began = Instant::now();
            let aim = wanted.borrow_and_update().clone();
            // A panic on one answer must not end the task.
            let refreshing = AssertUnwindSafe(self.refresh(&aim)).catch_unwind();
            let reached = refreshing.await.unwrap_or(false);
            if let Some(state) = self.now() {
                changed(&state.content);
            }
            sleep(began.elapsed().min(LONGEST_PAUSE)).await;
            let pause = if reached { LOOK_ANYWAY } else { RETRY };
            let _ = timeout(pause, wanted.changed()).await;
        }
    }

    /// Loads the part; returns whether it includes everything in `aim`.
    async fn refresh(&self, aim: &RefreshGoal) -> bool {
        let terms = |min| Terms::new(min, SECTION_DEADLINE);
        let mut answer = self.source.ask(&aim.named, terms(aim.position)).await;
        let has_all = answer.is_ok();
        if let Err(QueryError::Behind) = answer {
            // The view is behind, but what it has is newer than the cached content.
            answer = self.source.ask(&aim.named, terms(Position::START)).await;
        }
        let min = if has_all { aim.position } else { Position::START };
        self.state.send_modify(|state| {
            let before = state.clone();
            let next = match (answer, state.take()) {
                (Ok((content, reached)), known) => {
                    let next = PartState::ok(content, reached.max(min), Arc::clone(&aim.named));
                    let content = self.source.clean(next.content, reached);
                    // Equal content stays the same allocation, because pages compare pointers.
                    let same = known.filter(|known| known.content == content);
                    PartState { content: same.map_or(content, |known| known.content), ..next }
                }
                (Err(_), Some(known)) => known.stale(),
                (Err(_), None) => PartState::unavailable(),
            };
            if before.is_none_or(|before| !before.is_same(&next)) {
                self.revision.next();
            }
            *state = Some(next);
        });
        has_all
    }
}

#[cfg(test)]
mod tests;
