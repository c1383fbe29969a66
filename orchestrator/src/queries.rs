//! Asking the query-stacks, each question with a deadline.

use std::error::Error;
use std::time::Duration;

use axum::http::HeaderMap;
use events::{Category, Chain, Position, UserId};
use futures::Future;
use futures::future::select_ok;
use proto::Problem;
use proto::conventions::min_position;
use proto::metrics::{self, BreakerState};
use proto::v1::{
    ArticleAnswer, ArticlePage, Front, GetArticleRequest, GetFrontRequest, GetHistoryRequest,
    GetMostReadRequest, GetProfileRequest, GetSectionRequest, GetUserRequest, HistoryAnswer,
    ListArticlesRequest, ListReadersRequest, ListUsersRequest, MostRead, Profile, Section, User,
    UserPage,
};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep, timeout};
use tonic::{Code, Status};

use crate::upstream::Upstream;

/// How long the parts of a page may take; the reader gets the page without the part that is later.
pub(crate) const SECTION_DEADLINE: Duration = Duration::from_millis(500);
/// How long an answer may take that has only one part.
pub(crate) const ANSWER_DEADLINE: Duration = Duration::from_millis(2_500);
/// When a second query-stack is asked for what the first has not answered yet.
const LATE: Duration = Duration::from_millis(300);
/// What a query-stack may wait for a position, on top of the deadline.
const POSITION_TIMEOUT: Duration = Duration::from_millis(2_100);

/// Why a query has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QueryError {
    /// There is no such thing, for the public.
    NotFound,
    /// The view has not reached the position in time.
    Behind,
    /// The query-stack or its store does not answer.
    Unavailable,
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::NotFound => Self::not_found("there is nothing at this address"),
            QueryError::Behind => Self::view_behind(),
            QueryError::Unavailable => Self::unavailable("this is not readable right now"),
        }
    }
}

/// A deadline, and the position that the answer must have seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) min_position: Position,
    deadline: Duration,
}

impl Terms {
    /// # Errors
    /// 400 when `Portal-Min-Position` is not a position.
    pub(crate) fn of(headers: &HeaderMap, deadline: Duration) -> Result<Self, Problem> {
        Ok(Self::new(min_position(headers)?, deadline))
    }

    /// For who has waited already.
    pub(crate) fn until(min_position: Position, deadline: Instant) -> Self {
        Self { min_position, deadline: deadline.saturating_duration_since(Instant::now()) }
    }

    /// Who waits for a position has more time than the deadline.
    pub(crate) fn new(min_position: Position, deadline: Duration) -> Self {
        let waits = min_position > Position::START;
        let waiting = if waits { POSITION_TIMEOUT } else { Duration::ZERO };
        Self { min_position, deadline: deadline + waiting }
    }
}

/// Which query-stack answers for which category. Any of them answers for the users and the front
/// page.
pub(crate) struct QueryStacks(Vec<(Category, Upstream)>);

impl QueryStacks {
    pub(crate) fn new(stacks: Vec<(Category, Upstream)>) -> Self {
        let stacks = Self(stacks);
        for upstream in stacks.upstreams() {
            metrics::breaker(upstream.name(), BreakerState::Closed);
        }
        stacks
    }

    pub(crate) fn categories(&self) -> impl Iterator<Item = &Category> {
        self.0.iter().map(|(category, _)| category)
    }

    /// Each query-stack once.
    pub(crate) fn upstreams(&self) -> impl Iterator<Item = &Upstream> {
        let first = |at: usize, upstream: &Upstream| {
            self.0[..at].iter().all(|(_, earlier)| earlier.name() != upstream.name())
        };
        let all = self.0.iter().map(|(_, upstream)| upstream).enumerate();
        all.filter(move |(at, upstream)| first(*at, upstream)).map(|(_, upstream)| upstream)
    }

    /// # Errors
    /// 404 when no query-stack has it.
    pub(crate) fn category(&self, name: &str) -> Result<&(Category, Upstream), Problem> {
        self.0.iter().find(|(category, _)| category.as_str() == name).ok_or_else(|| {
            Problem::not_found(format!("there is no category {name:?}; see /v1/categories"))
        })
    }

    pub(crate) fn all(&self) -> &[(Category, Upstream)] {
        &self.0
    }

    pub(crate) async fn user(&self, id: &str, terms: Terms) -> Result<User, QueryError> {
        let min_position = terms.min_position.get();
        let request = GetUserRequest { id: id.to_owned(), min_position };
        let ask_one = |upstream: Upstream, request| async move {
            ask(&upstream, terms, upstream.queries().get_user(request)).await
        };
        self.first_answer(terms, request, ask_one).await
    }

    pub(crate) async fn users(
        &self,
        request: ListUsersRequest,
        terms: Terms,
    ) -> Result<UserPage, QueryError> {
        let request = ListUsersRequest { min_position: terms.min_position.get(), ..request };
        let ask_one = |upstream: Upstream, request| async move {
            ask(&upstream, terms, upstream.queries().list_users(request)).await
        };
        self.first_answer(terms, request, ask_one).await
    }

    /// What the editors put on the front page; as it was, when a time is given.
    pub(crate) async fn get_front(
        &self,
        as_of: Option<&str>,
        terms: Terms,
    ) -> Result<Front, QueryError> {
        let (min_position, as_of) = (terms.min_position.get(), as_of.map(str::to_owned));
        let request = GetFrontRequest { min_position, as_of };
        let is_past = request.as_of.is_some();
        let ask_one = |upstream: Upstream, request| async move {
            ask_now_or_past(&upstream, terms, is_past, upstream.queries().get_front(request)).await
        };
        self.first_answer(terms, request, ask_one).await
    }

    /// What a user likes to read.
    pub(crate) async fn profile(
        &self,
        user_id: UserId,
        terms: Terms,
    ) -> Result<Profile, QueryError> {
        let (user_id, min_position) = (user_id.to_string(), terms.min_position.get());
        let request = GetProfileRequest { user_id, min_position };
        let ask_one = |upstream: Upstream, request| async move {
            ask(&upstream, terms, upstream.recommendations().get_profile(request)).await
        };
        self.first_answer(terms, request, ask_one).await
    }

    /// The users who have read about something.
    pub(crate) async fn readers(
        &self,
        request: ListReadersRequest,
        terms: Terms,
    ) -> Result<Vec<String>, QueryError> {
        let request = ListReadersRequest { min_position: terms.min_position.get(), ..request };
        let ask_one = |upstream: Upstream, request| async move {
            ask(&upstream, terms, upstream.recommendations().list_readers(request)).await
        };
        Ok(self.first_answer(terms, request, ask_one).await?.user_ids)
    }

    /// What most users have read within a day, or had at a time.
    pub(crate) async fn most_read(
        &self,
        limit: u32,
        as_of: Option<&str>,
        terms: Terms,
    ) -> Result<Vec<MostRead>, QueryError> {
        let request = GetMostReadRequest { as_of: as_of.map(str::to_owned), limit };
        let ask_one = |upstream: Upstream, request| async move {
            ask(&upstream, terms, upstream.recommendations().get_most_read(request)).await
        };
        Ok(self.first_answer(terms, request, ask_one).await?.items)
    }

    /// The first answer of those query-stacks that have one: they all keep the same view. While
    /// one is late the next is asked.
    async fn first_answer<R: Clone, T, F>(
        &self,
        terms: Terms,
        request: R,
        ask_one: impl Fn(Upstream, R) -> F,
    ) -> Result<T, QueryError>
    where
        F: Future<Output = Result<T, QueryError>> + Send,
    {
        // Whom somebody found silent comes last, and who refuses at once need not wait for a turn.
        let is_silent = |upstream: &&Upstream| upstream.is_cut_off(Duration::ZERO);
        let (silent, others): (Vec<_>, Vec<_>) = self.upstreams().partition(is_silent);
        let asked = others.into_iter().chain(silent).zip(0..).map(|(upstream, turn)| {
            let turn = if upstream.is_cut_off(terms.deadline) { 0 } else { turn };
            let answer = ask_one(upstream.clone(), request.clone());
            Box::pin(async move {
                sleep(LATE * turn).await;
                match answer.await {
                    Err(QueryError::Unavailable) => Err(QueryError::Unavailable),
                    answer => Ok(answer),
                }
            })
        });
        let answer = timeout(terms.deadline, select_ok(asked)).await;
        answer.unwrap_or(Err(QueryError::Unavailable))?.0
    }
}

pub(crate) async fn list_articles(
    upstream: &Upstream,
    request: ListArticlesRequest,
    terms: Terms,
) -> Result<ArticlePage, QueryError> {
    let request = ListArticlesRequest { min_position: terms.min_position.get(), ..request };
    ask(upstream, terms, upstream.queries().list_articles(request)).await
}

pub(crate) async fn get_section(
    upstream: &Upstream,
    request: GetSectionRequest,
    terms: Terms,
) -> Result<Section, QueryError> {
    let request = GetSectionRequest { min_position: terms.min_position.get(), ..request };
    let is_past = request.as_of.is_some();
    ask_now_or_past(upstream, terms, is_past, upstream.queries().get_section(request)).await
}

pub(crate) async fn get_article(
    upstream: &Upstream,
    request: GetArticleRequest,
    terms: Terms,
) -> Result<ArticleAnswer, QueryError> {
    let request = GetArticleRequest { min_position: terms.min_position.get(), ..request };
    let is_past = request.version.is_some() || request.as_of.is_some();
    ask_now_or_past(upstream, terms, is_past, upstream.queries().get_article(request)).await
}

/// From the log, which no position can be ahead of.
pub(crate) async fn get_history(
    upstream: &Upstream,
    request: GetHistoryRequest,
    terms: Terms,
) -> Result<HistoryAnswer, QueryError> {
    ask_log(upstream, terms, upstream.queries().get_history(request)).await
}

/// Asks for what is in the views, unless the query-stack is known to be silent.
async fn ask<T>(
    upstream: &Upstream,
    terms: Terms,
    call: impl Future<Output = Result<tonic::Response<T>, Status>>,
) -> Result<T, QueryError> {
    if upstream.is_cut_off(terms.deadline) {
        return Err(QueryError::Unavailable);
    }
    let asked = Instant::now();
    let answer = answer_of(terms, call).await;
    match answer.as_ref().map_err(Error::source) {
        Err(Some(cause)) if cause.is::<Elapsed>() => upstream.silent(asked, terms.deadline),
        Err(Some(_)) => upstream.silent(asked, Duration::MAX),
        // What the service says itself has no cause on this side.
        Ok(_) | Err(None) => upstream.answered(),
    }
    answer.map_err(|status| refused(upstream, &status))
}

/// Asks for what is in the log alone: whether that answers says nothing of the views.
async fn ask_log<T>(
    upstream: &Upstream,
    terms: Terms,
    call: impl Future<Output = Result<tonic::Response<T>, Status>>,
) -> Result<T, QueryError> {
    answer_of(terms, call).await.map_err(|status| refused(upstream, &status))
}

/// Asks for what is, or for what was, which is in the log alone.
async fn ask_now_or_past<T>(
    upstream: &Upstream,
    terms: Terms,
    is_past: bool,
    call: impl Future<Output = Result<tonic::Response<T>, Status>>,
) -> Result<T, QueryError> {
    if is_past { ask_log(upstream, terms, call).await } else { ask(upstream, terms, call).await }
}

async fn answer_of<T>(
    terms: Terms,
    call: impl Future<Output = Result<tonic::Response<T>, Status>>,
) -> Result<T, Status> {
    match timeout(terms.deadline, call).await {
        Ok(answer) => Ok(answer?.into_inner()),
        Err(elapsed) => Err(Status::from_error(elapsed.into())),
    }
}

fn refused(upstream: &Upstream, status: &Status) -> QueryError {
    match status.code() {
        Code::NotFound => QueryError::NotFound,
        Code::FailedPrecondition => QueryError::Behind,
        code => {
            let (upstream, reason) = (upstream.name(), status.message());
            let cause = status.source().map(|cause| Chain(cause).to_string());
            tracing::warn!(upstream, ?code, reason, cause, "a query has no answer");
            QueryError::Unavailable
        }
    }
}
