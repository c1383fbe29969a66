//! A part of the front page, kept at hand: asked for again when something happened in it, and not
//! when somebody reads it.

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

/// A busy part is asked for less often, so that many events cost one question: after a pause as long
/// as the last one took, but not longer.
const LONGEST_PAUSE: Duration = Duration::from_millis(40);
/// Until a part that could not be had is asked for again.
const RETRY: Duration = Duration::from_millis(500);
/// Until one in which nothing happened is asked for all the same: of what was read no event tells,
/// and a view may have been rolled back.
const LOOK_ANYWAY: Duration = Duration::from_secs(5);

/// Whether readers get a part as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "SectionStatus")]
pub(crate) enum Status {
    Ok,
    /// As it was when it could be had last.
    Stale,
    Unavailable,
}

/// Where a part comes from.
pub(crate) trait Source: Send + Sync + 'static {
    type Content: Default + PartialEq + Send + Sync;

    /// The part with at least these articles, and up to where it has seen the log.
    fn ask(
        &self,
        named: &[String],
        terms: Terms,
    ) -> impl Future<Output = Result<(Self::Content, Position), QueryError>> + Send;

    /// Takes out what readers must not see any more, whatever an answer said that has seen the log up
    /// to here.
    fn clean(&self, content: Arc<Self::Content>, _reached: Position) -> Arc<Self::Content> {
        content
    }
}

/// A part, and how far it has seen the log.
#[derive(Debug)]
pub(crate) struct PartState<T> {
    pub(crate) status: Status,
    pub(crate) content: Arc<T>,
    /// Everything that happened in it up to here is in it.
    pub(crate) reached: Position,
    /// Which articles were asked for by name, in the order of their ids.
    pub(super) named: Arc<[String]>,
}

/// What the part is to have.
#[derive(Debug, Clone, Default)]
struct RefreshGoal {
    /// Everything up to the last event in it that was heard of.
    position: Position,
    /// The first of them that it did not have then.
    first: Position,
    named: Arc<[String]>,
    /// How often somebody had a doubt whether it can be had at all.
    doubts: u64,
}

/// How often a part has become another one, of all parts together: who looks at it before the parts
/// knows afterwards whether they are still the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Revision(Arc<AtomicU64>);

impl Revision {
    pub(crate) fn now(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// To be called before anybody can see the other part.
    fn next(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

/// A part of the front page: its cached state, and what a refresh has to reach.
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
    /// Whether a page with the one is a page with the other.
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

    /// As it was last.
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

    /// Something happened in it.
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

    /// The last event in it that was heard of.
    pub(crate) fn last_event(&self) -> Position {
        self.wanted.borrow().position
    }

    fn reached(&self) -> Position {
        self.state.borrow().as_ref().map(|state| state.reached).unwrap_or_default()
    }

    /// These articles are wanted, wherever they stand; in the order of their ids.
    pub(crate) fn name(&self, named: Arc<[String]>) {
        self.wanted.send_if_modified(|wanted| {
            let is_new = wanted.named != named;
            wanted.named = named;
            is_new
        });
    }

    /// It may be that whoever has it is silent: better to know before a reader asks.
    pub(crate) fn doubt(&self) {
        self.wanted.send_modify(|wanted| wanted.doubts += 1);
    }

    /// There is something new to take out.
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

    /// As it is now; `None`: nobody knows yet.
    pub(crate) fn now(&self) -> Option<PartState<S::Content>> {
        self.state.borrow().clone()
    }

    /// As it is, at once; the first one is waited for.
    pub(crate) async fn current(&self) -> PartState<S::Content> {
        if let Some(state) = self.now() {
            return state;
        }
        let mut states = self.state.subscribe();
        let first = timeout(SECTION_DEADLINE, states.wait_for(Option::is_some)).await;
        let first = first.ok().and_then(Result::ok).and_then(|state| state.clone());
        first.unwrap_or_else(PartState::unavailable)
    }

    /// Up to where nothing is missing in this state, when everything up to `head` was heard of.
    pub(crate) fn complete_to(&self, state: &PartState<S::Content>, head: Position) -> Position {
        let wanted = self.wanted.borrow();
        if state.reached >= wanted.position {
            return head.max(state.reached);
        }
        state.reached.max(Position::new(wanted.first.get() - 1))
    }

    /// As it is for somebody who has seen everything up to `min`, and needs these articles. What
    /// could not be had lately is asked for once more, and so is everything when nobody has told us
    /// of that position (`is_heard`). What is older than `min` is nothing to this reader.
    ///
    /// # Errors
    /// [`QueryError::Behind`] when it does not get so far in time.
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

    /// `None`: it is not as it should be, and waiting does not help.
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

    /// Runs for ever; `changed` hears of what there is.
    pub(crate) async fn keep(self: Arc<Self>, changed: impl Fn(&S::Content)) {
        let mut wanted = self.wanted.subscribe();
        loop {
            let began = Instant::now();
            let aim = wanted.borrow_and_update().clone();
            // A bug that one answer meets must not end the keeping.
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

    /// Whether it has all that is wanted.
    async fn refresh(&self, aim: &RefreshGoal) -> bool {
        let terms = |min| Terms::new(min, SECTION_DEADLINE);
        let mut answer = self.source.ask(&aim.named, terms(aim.position)).await;
        let has_all = answer.is_ok();
        if let Err(QueryError::Behind) = answer {
            // It is alive: what it has is better than what we have.
            answer = self.source.ask(&aim.named, terms(Position::START)).await;
        }
        let min = if has_all { aim.position } else { Position::START };
        self.state.send_modify(|state| {
            let before = state.clone();
            let next = match (answer, state.take()) {
                (Ok((content, reached)), known) => {
                    let next = PartState::ok(content, reached.max(min), Arc::clone(&aim.named));
                    let content = self.source.clean(next.content, reached);
                    // The same content stays the same page, for who compares.
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
