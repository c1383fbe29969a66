//! Queries over gRPC.
//!
//! Lists, articles, users and the front page come from the views alone; PostgreSQL and RabbitMQ may
//! be down. Only past states come from the log (`crate::history`).

mod article_history;
mod articles;
mod follow;
mod front_page;
mod most_read;
mod recommendations;
mod section;
mod section_as_of;
mod users;
mod waiting;

use std::num::NonZeroUsize;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use events::news::Viewer;
use events::personal::Keyring;
use events::{Category, Chain, Dependency, EventReader, LogError, UserId};
use futures::StreamExt;
use futures::stream::BoxStream;
use proto::conventions::{Need, follow_calls, health_report, liveness, states};
use proto::metrics::exposition;
use proto::v1::queries_server::{self, QueriesServer};
use proto::v1::recommendations_server::RecommendationsServer;
use proto::v1::{
    self, ArticleAnswer, ArticlePage, FollowRequest, Front, GetArticleRequest, GetFrontRequest,
    GetHistoryRequest, GetSectionRequest, GetUserRequest, Happened, HistoryAnswer,
    ListArticlesRequest, ListUsersRequest, Section, UserPage,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use self::most_read::Counted;
use crate::Unavailable;
use crate::figures::parked_views;
use crate::projection::views;
use crate::reading_store::ReadingStore;
use crate::view_store::{ListPlace, View, ViewStore};

/// Concurrent queries of the view store.
///
/// More would not be answered sooner, and the projectors need their share of the same server.
const LOOKS: usize = 8;
/// Queries that may wait for a position; each polls a store that is already behind.
const WAITING: usize = 512;
/// The longest gRPC request in bytes: names, ids and a cursor.
pub const LARGEST_QUESTION: usize = 64 << 10;

/// Answers queries for the views of these categories.
#[derive(Clone)]
pub struct Queries {
    store: Arc<dyn ViewStore>,
    readings: Arc<dyn ReadingStore>,
    log: Arc<dyn EventReader>,
    keyring: Keyring,
    /// Limits concurrent folds of article histories.
    ledgers: Arc<Semaphore>,
    /// Limits concurrent folds of past sections.
    pasts: Arc<Semaphore>,
    /// Limits concurrent queries of the view store.
    looks: Arc<Semaphore>,
    /// Limits the queries that wait for a position.
    waiting: Arc<Semaphore>,
    counted: Counted,
    categories: Arc<[Category]>,
}

impl Queries {
    /// Queries against these stores.
    ///
    /// `log` provides past states, and tells a waiting reader early that there is nothing to wait
    /// for. `keyring` decrypts personal data just before an answer.
    #[must_use]
    pub fn new(
        store: Arc<dyn ViewStore>,
        readings: Arc<dyn ReadingStore>,
        log: Arc<dyn EventReader>,
        keyring: Keyring,
        categories: &[Category],
    ) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let [ledgers, pasts] = [(); 2].map(|()| Arc::new(Semaphore::new(cores)));
        let looks = Arc::new(Semaphore::new(LOOKS));
        let waiting = Arc::new(Semaphore::new(WAITING));
        let categories = categories.into();
        let counted = Counted::default();
        Self { store, readings, log, keyring, ledgers, pasts, looks, waiting, counted, categories }
    }

    /// The gRPC services, and health checks and metrics over plain HTTP, on one port.
    pub fn router(self, bus: Arc<dyn Dependency>) -> Router {
        let asked = self.clone();
        let ready = get(async move || asked.ready(&*bus).await);
        let recommendations = RecommendationsServer::new(self.clone());
        let queries = QueriesServer::new(self).max_decoding_message_size(LARGEST_QUESTION);
        let router = tonic::service::Routes::new(queries)
            .add_service(recommendations.max_decoding_message_size(LARGEST_QUESTION))
            .into_axum_router()
            .route("/health/live", get(liveness))
            .route("/health/ready", ready)
            .route("/metrics", get(exposition));
        follow_calls(router)
    }

    async fn ready(&self, bus: &dyn Dependency) -> axum::response::Response {
        let store = ("view store", Need::Vital, &*self.store as &dyn Dependency);
        let log = ("event log", Need::Useful, &*self.log as &dyn Dependency);
        let dependencies = [store, log, ("bus", Need::Useful, bus)];
        let views = views(&self.categories);
        let parked = parked_views(&*self.store, &views);
        let (states, parked) = tokio::join!(states(&dependencies), parked);
        health_report(&states, &parked)
    }

    fn category(&self, name: &str) -> Result<&Category, Status> {
        let known = self.categories.iter().find(|known| known.as_str() == name);
        known.ok_or_else(|| Status::not_found("this query-stack does not serve the category"))
    }

    async fn look<T>(
        &self,
        asking: impl Future<Output = Result<T, Unavailable>>,
    ) -> Result<T, Status> {
        let _turn = self.looks.acquire().await;
        asking.await.map_err(unavailable)
    }

    async fn body(&self, view: &View, id: Uuid, min: i64) -> Result<Option<Value>, Status> {
        let live = self.live(view, min).await?;
        let found = self.look(self.store.documents(view, live.generation, &[id])).await?;
        Ok(found.into_iter().next().map(|document| document.body))
    }
}

fn unavailable(error: Unavailable) -> Status {
    tracing::warn!(error = %Chain(&error), "a query failed");
    Status::unavailable("the view store does not answer")
}

fn silent_log(error: LogError) -> Status {
    tracing::warn!(error = %Chain(&error), "the event log does not answer a query");
    Status::unavailable("the event log does not answer")
}

fn nothing() -> Status {
    Status::not_found("there is no such thing, or not for everybody")
}

fn malformed() -> Status {
    Status::invalid_argument("a part of the request cannot be read")
}

/// Converts the body of a document to a message; their fields have the same names.
fn read<T: DeserializeOwned>(body: Value) -> Result<T, Status> {
    serde_json::from_value(body).map_err(|error| {
        tracing::error!(%error, "a document is not what its projection writes");
        Status::internal("a document cannot be read")
    })
}

/// Parses an id; a malformed one is answered like an unknown one.
fn id(text: &str) -> Result<Uuid, Status> {
    Uuid::parse_str(text).map_err(|_| nothing())
}

fn viewer(viewer: Option<v1::Viewer>) -> Result<Option<Viewer>, Status> {
    let read = |viewer: v1::Viewer| {
        let user_id = UserId(viewer.user_id.parse().map_err(|_| malformed())?);
        Ok(Viewer { user_id, editor: viewer.editor })
    };
    viewer.map(read).transpose()
}

fn place(after: Option<&v1::ListPlace>) -> Result<Option<ListPlace>, Status> {
    let read = |after: &v1::ListPlace| {
        let listed_at = after.listed_at.parse().map_err(|_| malformed())?;
        let id = after.id.parse().map_err(|_| malformed())?;
        Ok(ListPlace { listed_at, id })
    };
    after.map(read).transpose()
}

fn at_most(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

#[tonic::async_trait]
impl queries_server::Queries for Queries {
    async fn list_articles(
        &self,
        request: Request<ListArticlesRequest>,
    ) -> Result<Response<ArticlePage>, Status> {
        self.articles(request.into_inner()).await.map(Response::new)
    }

    async fn get_article(
        &self,
        request: Request<GetArticleRequest>,
    ) -> Result<Response<ArticleAnswer>, Status> {
        let answer = Some(self.article(request.into_inner()).await?);
        Ok(Response::new(ArticleAnswer { answer }))
    }

    async fn get_history(
        &self,
        request: Request<GetHistoryRequest>,
    ) -> Result<Response<HistoryAnswer>, Status> {
        let answer = Some(self.history(request.into_inner()).await?);
        Ok(Response::new(HistoryAnswer { answer }))
    }

    async fn get_user(
        &self,
        request: Request<GetUserRequest>,
    ) -> Result<Response<v1::User>, Status> {
        self.user(request.into_inner()).await.map(Response::new)
    }

    async fn list_users(
        &self,
        request: Request<ListUsersRequest>,
    ) -> Result<Response<UserPage>, Status> {
        self.users(request.into_inner()).await.map(Response::new)
    }

    async fn get_section(
        &self,
        request: Request<GetSectionRequest>,
    ) -> Result<Response<Section>, Status> {
        self.section(request.into_inner()).await.map(Response::new)
    }

    type FollowStream = BoxStream<'static, Result<Happened, Status>>;

    async fn follow(
        &self,
        request: Request<FollowRequest>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        let ending = request.extensions().get().cloned().unwrap_or_default();
        let happening = self.clone().happening(request.into_inner().after, ending);
        Ok(Response::new(happening.boxed()))
    }

    async fn get_front(
        &self,
        request: Request<GetFrontRequest>,
    ) -> Result<Response<Front>, Status> {
        self.front(request.into_inner()).await.map(Response::new)
    }
}

#[cfg(test)]
pub(crate) mod tests;
