//! Queries over gRPC, answered from the views alone: PostgreSQL and RabbitMQ may be down.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use events::{Category, Chain, Dependency, EventReader, Partition, Position};
use proto::conventions::{Need, liveness, readiness};
use proto::v1::article_answer::Answer;
use proto::v1::queries_server::{self, QueriesServer};
use proto::v1::{
    self, ArticleAnswer, ArticlePage, GetArticleRequest, GetUserRequest, ListArticlesRequest,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::view_store::{ListFilter, ListPlace, Unavailable, View, ViewState, ViewStore};

/// How long a query waits for its `min_position`.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between looks at a checkpoint that another process moves.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The queries of the views of these categories.
#[derive(Clone)]
pub struct Queries {
    store: Arc<dyn ViewStore>,
    log: Arc<dyn EventReader>,
    categories: Arc<[Category]>,
}

impl Queries {
    /// Queries against this store. The log is only asked where a waiting reader could be told
    /// sooner that there is nothing to wait for.
    #[must_use]
    pub fn new(
        store: Arc<dyn ViewStore>,
        log: Arc<dyn EventReader>,
        categories: &[Category],
    ) -> Self {
        Self { store, log, categories: categories.into() }
    }

    /// The gRPC service, and the health checks over plain HTTP on the same port.
    pub fn router(self, bus: Arc<dyn Dependency>) -> Router {
        let (store, log) = (Arc::clone(&self.store), Arc::clone(&self.log));
        let ready = get(async move || {
            let views = ("view store", Need::Vital, &*store as &dyn Dependency);
            let log = ("event log", Need::Useful, &*log as &dyn Dependency);
            readiness(&[views, log, ("bus", Need::Useful, &*bus)]).await
        });
        tonic::service::Routes::new(QueriesServer::new(self))
            .into_axum_router()
            .route("/health/live", get(liveness))
            .route("/health/ready", ready)
    }

    fn articles(&self, category: &str) -> Result<View, Status> {
        let known = self.categories.iter().find(|known| known.as_str() == category);
        known
            .map(|category| View::of(Partition::News(category.clone())))
            .ok_or_else(|| Status::not_found("this query-stack does not serve the category"))
    }

    /// The state of a view that has everything of its partition up to `min`.
    async fn state(&self, view: &View, min: Position) -> Result<ViewState, Status> {
        let deadline = Instant::now() + PATIENCE;
        let mut needed = None;
        loop {
            let mut state = self.store.state(view).await.map_err(unavailable)?;
            if state.live.position >= needed.unwrap_or(min) {
                state.live.position = state.live.position.max(min);
                return Ok(state);
            }
            if needed.is_none() {
                // This may take its time when the log is down: look at the view again after it.
                needed = Some(self.last_of_partition(view, min).await);
                continue;
            }
            if Instant::now() >= deadline {
                return Err(Status::failed_precondition("the view is behind"));
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// The view's partition may have nothing up to `min` that the view does not have: then there
    /// is nothing to wait for. If the log itself is not at `min`, or does not answer, the cautious
    /// answer is `min`.
    async fn last_of_partition(&self, view: &View, min: Position) -> Position {
        let of_partition = self.log.last_position(Some(&view.partition), min);
        match tokio::try_join!(self.log.last_position(None, min), of_partition) {
            Ok((of_log, of_partition)) if of_log == min => of_partition,
            _ => min,
        }
    }

    async fn document(&self, view: &View, id: &str, min: i64) -> Result<Value, Status> {
        let id = Uuid::parse_str(id).map_err(|_| Status::not_found("no such id"))?;
        let state = self.state(view, Position::new(min)).await?;
        let found = self.store.documents(view, state.live.generation, &[id]).await;
        let document = found.map_err(unavailable)?.pop();
        document.map(|document| document.body).ok_or_else(|| Status::not_found("not in the view"))
    }
}

fn unavailable(error: Unavailable) -> Status {
    tracing::warn!(error = %Chain(&error), "a query failed");
    Status::unavailable("the view store does not answer")
}

/// A message from the body of a document: their fields have the same names.
fn read<T: DeserializeOwned>(body: Value) -> Result<T, Status> {
    serde_json::from_value(body).map_err(|error| {
        tracing::error!(%error, "a document is not what its projection writes");
        Status::internal("a document cannot be read")
    })
}

#[tonic::async_trait]
impl queries_server::Queries for Queries {
    async fn list_articles(
        &self,
        request: Request<ListArticlesRequest>,
    ) -> Result<Response<ArticlePage>, Status> {
        let request = request.into_inner();
        let view = self.articles(&request.category)?;
        let state = self.state(&view, Position::new(request.min_position)).await?;
        let filter = filter(&request)?;
        let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
        let documents = self.store.list(&view, state.live.generation, &filter, limit).await;
        let items = documents.map_err(unavailable)?.into_iter().map(|found| read(found.body));
        let items = items.collect::<Result<_, _>>()?;
        Ok(Response::new(ArticlePage { items, position: state.live.position.get() }))
    }

    async fn get_article(
        &self,
        request: Request<GetArticleRequest>,
    ) -> Result<Response<ArticleAnswer>, Status> {
        let GetArticleRequest { category, id, min_position } = request.into_inner();
        let view = self.articles(&category)?;
        let mut body = self.document(&view, &id, min_position).await?;
        let answer = match body.get_mut("retraction") {
            Some(retraction) => Answer::Retracted(read(retraction.take())?),
            None => Answer::Published(read(body)?),
        };
        Ok(Response::new(ArticleAnswer { answer: Some(answer) }))
    }

    async fn get_user(
        &self,
        request: Request<GetUserRequest>,
    ) -> Result<Response<v1::User>, Status> {
        let GetUserRequest { id, min_position } = request.into_inner();
        let view = View::of(Partition::Users);
        Ok(Response::new(read(self.document(&view, &id, min_position).await?)?))
    }
}

fn filter(request: &ListArticlesRequest) -> Result<ListFilter, Status> {
    let malformed = |_| Status::invalid_argument("malformed place or author");
    let place = |after: &v1::ListPlace| {
        let listed_at = after.published_at.parse().map_err(|_| malformed(()))?;
        let id = Uuid::parse_str(&after.id).map_err(|_| malformed(()))?;
        Ok::<_, Status>(ListPlace { listed_at, id })
    };
    let author = |id: &String| Uuid::parse_str(id).map_err(|_| malformed(()));
    Ok(ListFilter {
        tag: request.tag.clone(),
        author_id: request.author_id.as_ref().map(author).transpose()?,
        after: request.after.as_ref().map(place).transpose()?,
    })
}
