//! `GET /v1/news…`: lists and articles.

use axum::Json;
use axum::extract::State;
use axum::http::header::{ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use events::Version;
use futures::future::try_join_all;
use proto::Problem;
use proto::conventions::{Address, EntityTags, etag};
use proto::v1::article_answer::Answer;
use serde::Serialize;
use serde_json::json;

use crate::Orchestrator;
use crate::list::{ListParameters, Page, newest_first};
use crate::queries::{ANSWER_DEADLINE, QueryError, Terms, get_article, list_articles};

/// All categories in one list. Unlike the front page it must be whole: a page with holes would
/// never be filled by the pages after it.
pub(crate) async fn list_all(
    State(portal): State<Orchestrator>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<Page>, Problem> {
    let parameters = ListParameters::read(&uri)?;
    let terms = Terms::of(&headers, ANSWER_DEADLINE)?;
    let asked = match &parameters.category {
        Some(category) => std::slice::from_ref(portal.queries.category(category)?),
        None => portal.queries.all(),
    };
    let pages = try_join_all(asked.iter().map(async |(category, upstream)| {
        let request = parameters.request(category.as_str())?;
        Ok::<_, Problem>(list_articles(upstream, request, terms).await?.items)
    }));
    let mut items = pages.await?.concat();
    items.sort_unstable_by(newest_first);
    Ok(Json(parameters.page(items)))
}

/// One category.
pub(crate) async fn list(
    State(portal): State<Orchestrator>,
    Address(category): Address<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<Page>, Problem> {
    let parameters = ListParameters::read(&uri)?.without_category()?;
    let terms = Terms::of(&headers, ANSWER_DEADLINE)?;
    let (category, upstream) = portal.queries.category(&category)?;
    let request = parameters.request(category.as_str())?;
    Ok(Json(parameters.page(list_articles(upstream, request, terms).await?.items)))
}

pub(crate) async fn get(
    State(portal): State<Orchestrator>,
    Address((category, id)): Address<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let terms = Terms::of(&headers, ANSWER_DEADLINE)?;
    let (category, upstream) = portal.queries.category(&category)?;
    match get_article(upstream, category, &id, terms).await?.answer {
        Some(Answer::Published(article)) => {
            Ok(versioned(&headers, Version::new(article.version), &article))
        }
        Some(Answer::Retracted(retracted)) => {
            let detail = "this article was taken back";
            Err(Problem::new(StatusCode::GONE, "retracted", "Retracted", detail)
                .with("reason", json!(retracted.reason))
                .with("retracted_at", json!(retracted.at)))
        }
        None => Err(QueryError::Unavailable.into()),
    }
}

/// 200 with its `ETag`, or 304 for who has it.
pub(crate) fn versioned<T: Serialize>(headers: &HeaderMap, version: Version, body: &T) -> Response {
    let known = EntityTags::read(headers, &IF_NONE_MATCH, true);
    let mut response = match known {
        Some(tags) if tags.matches(version) => StatusCode::NOT_MODIFIED.into_response(),
        _ => Json(body).into_response(),
    };
    response.headers_mut().insert(ETAG, etag(version));
    response
}
