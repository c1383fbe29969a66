//! A command-stack that tells what was handed on to it, and a query-stack that knows four articles.

use axum::extract::Request as HttpRequest;
use axum::routing::get;
use axum::{Json, Router};
use futures::StreamExt;
use futures::stream::{BoxStream, iter, pending};
use orchestrator::upstream::Upstream;
use proto::token::{PublicKeys, SigningKey};
use proto::v1::queries_server::{Queries, QueriesServer};
use proto::v1::recommendations_server::{Recommendations, RecommendationsServer};
use proto::v1::{
    Article, ArticleAnswer, ArticlePage, ArticleSummary, Change, FieldValue, FollowRequest, Front,
    GetArticleRequest, GetFrontRequest, GetHistoryRequest, GetMostReadRequest, GetProfileRequest,
    GetSectionRequest, GetUserRequest, Happened, History, HistoryAnswer, HistoryEntry,
    ListArticlesRequest, ListReadersRequest, ListUsersRequest, MostReadAnswer, Profile,
    PublicEvent, ReaderPage, Retracted, Section, Texts, User, UserPage, article_answer,
    field_value, history_answer,
};
use serde_json::json;
use tonic::{Request, Response, Status};

pub(crate) const PUBLISHED: &str = "00000000-0000-0000-0000-000000000001";
pub(crate) const DRAFT: &str = "00000000-0000-0000-0000-000000000002";
pub(crate) const MOVED: &str = "00000000-0000-0000-0000-000000000003";
pub(crate) const RETRACTED: &str = "00000000-0000-0000-0000-000000000004";
const TIME: &str = "2026-11-21T07:00:00.000Z";

pub(crate) fn commands(key: &SigningKey) -> Upstream {
    let keys: PublicKeys = [key.public().clone()].into_iter().collect();
    let router = Router::new()
        .route("/.well-known/jwks.json", get(async move || Json(keys)))
        .fallback(async |request: HttpRequest| {
            let what = format!("{} {}", request.method(), request.uri().path());
            let of = request.headers().get("x-forwarded-for").and_then(|value| value.to_str().ok());
            Json(json!({"forwarded": what, "for": of}))
        });
    Upstream::in_process("command-stack", router)
}

pub(crate) fn queries() -> Upstream {
    let service = tonic::service::Routes::new(QueriesServer::new(Stack));
    let service = service.add_service(RecommendationsServer::new(Stack));
    Upstream::in_process("query-stack", service.into_axum_router())
}

pub(crate) struct Stack;

fn retracted() -> Retracted {
    Retracted { at: TIME.to_owned(), reason: "Untrue.".to_owned() }
}

fn article(request: GetArticleRequest) -> Result<article_answer::Answer, Status> {
    let version = request.version.unwrap_or(2);
    let publish_at = (request.id == DRAFT).then(|| "2026-11-22T07:00:00.000Z".to_owned());
    let published_at = (request.id == PUBLISHED).then(|| TIME.to_owned());
    let GetArticleRequest { category, id, .. } = request;
    let article = Article { category, version, publish_at, published_at, ..Default::default() };
    match id.as_str() {
        MOVED => Ok(article_answer::Answer::Moved("politics".to_owned())),
        RETRACTED => Ok(article_answer::Answer::Retracted(retracted())),
        DRAFT if request.viewer.is_none() => Err(Status::not_found("for the newsroom")),
        _ => Ok(article_answer::Answer::Article(Article { id, ..article })),
    }
}

/// The public gets one entry, the newsroom two. The draft has a long history.
fn history(request: &GetHistoryRequest) -> history_answer::Answer {
    let length = if request.id == DRAFT { 5 * 1024 * 1024 } else { 1 };
    let items = ["a", "b"].map(|text| text.repeat(length)).to_vec();
    let to = Some(FieldValue { kind: Some(field_value::Kind::List(Texts { items })) });
    let change = Change { field: "tags".to_owned(), from: None, to, diff: None };
    let entry = HistoryEntry { version: 1, changes: vec![change], ..Default::default() };
    let entries = vec![entry; if request.viewer.is_some() { 2 } else { 1 }];
    match request.id.as_str() {
        MOVED => history_answer::Answer::Moved("politics".to_owned()),
        RETRACTED => history_answer::Answer::Retracted(retracted()),
        _ => history_answer::Answer::History(History { entries }),
    }
}

fn user(id: &str) -> User {
    let (id, name) = (id.to_owned(), "Ada".to_owned());
    User { id, name, created_at: TIME.to_owned(), ..Default::default() }
}

#[tonic::async_trait]
impl Queries for Stack {
    async fn list_articles(
        &self,
        request: Request<ListArticlesRequest>,
    ) -> Result<Response<ArticlePage>, Status> {
        let request = request.into_inner();
        assert_eq!(request.status.is_some(), request.viewer.is_some());
        let (id, created_at) = (PUBLISHED.to_owned(), TIME.to_owned());
        let items = vec![ArticleSummary { id, created_at, ..Default::default() }];
        Ok(Response::new(ArticlePage { items, position: 1 }))
    }

    async fn get_article(
        &self,
        request: Request<GetArticleRequest>,
    ) -> Result<Response<ArticleAnswer>, Status> {
        let answer = Some(article(request.into_inner())?);
        Ok(Response::new(ArticleAnswer { answer }))
    }

    async fn get_history(
        &self,
        request: Request<GetHistoryRequest>,
    ) -> Result<Response<HistoryAnswer>, Status> {
        let answer = Some(history(&request.into_inner()));
        Ok(Response::new(HistoryAnswer { answer }))
    }

    async fn get_user(&self, request: Request<GetUserRequest>) -> Result<Response<User>, Status> {
        match request.into_inner().id.as_str() {
            "nobody" => Err(Status::not_found("no such user")),
            id => Ok(Response::new(user(id))),
        }
    }

    async fn list_users(&self, _: Request<ListUsersRequest>) -> Result<Response<UserPage>, Status> {
        Ok(Response::new(UserPage { items: vec![user(PUBLISHED), user(DRAFT)] }))
    }

    async fn get_section(
        &self,
        request: Request<GetSectionRequest>,
    ) -> Result<Response<Section>, Status> {
        let request = request.into_inner();
        let id = if request.as_of.is_some() { MOVED } else { PUBLISHED };
        let (id, published_at) = (id.to_owned(), Some(TIME.to_owned()));
        let category = request.category;
        let newest = vec![ArticleSummary { id, category, published_at, ..Default::default() }];
        Ok(Response::new(Section { newest, position: 1, ..Default::default() }))
    }

    type FollowStream = BoxStream<'static, Result<Happened, Status>>;

    /// Where the log ends, and then two events and no more.
    async fn follow(
        &self,
        request: Request<FollowRequest>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        let after = request.into_inner().after.unwrap_or(10);
        let event = |position, category: &str| PublicEvent {
            position,
            event: "article_published".to_owned(),
            category: Some(category.to_owned()),
            ..Default::default()
        };
        let events = vec![event(after + 1, "sports"), event(after + 2, "politics")];
        let happened = [
            Happened { position: after, ..Default::default() },
            Happened { events, position: after + 2, erased: None },
        ];
        Ok(Response::new(iter(happened.map(Ok)).chain(pending()).boxed()))
    }

    async fn get_front(&self, _: Request<GetFrontRequest>) -> Result<Response<Front>, Status> {
        Ok(Response::new(Front::default()))
    }
}

/// Nobody has read anything.
#[tonic::async_trait]
impl Recommendations for Stack {
    async fn get_profile(
        &self,
        _: Request<GetProfileRequest>,
    ) -> Result<Response<Profile>, Status> {
        Ok(Response::new(Profile { enabled: true, ..Default::default() }))
    }

    async fn list_readers(
        &self,
        _: Request<ListReadersRequest>,
    ) -> Result<Response<ReaderPage>, Status> {
        Ok(Response::new(ReaderPage::default()))
    }

    async fn get_most_read(
        &self,
        _: Request<GetMostReadRequest>,
    ) -> Result<Response<MostReadAnswer>, Status> {
        Ok(Response::new(MostReadAnswer::default()))
    }
}
