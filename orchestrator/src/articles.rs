//! `GET /v1/news…`: lists and articles. The public is answered first; who asks is only looked at
//! where the public gets nothing, or for what is not the same for all.

use axum::Json;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, ETAG, IF_NONE_MATCH, LOCATION};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use events::personal::FORMER_CONTRIBUTOR;
use events::{Category, Version};
use futures::future::try_join_all;
use proto::Problem;
use proto::conventions::{Address, EntityTags, etag};
use proto::v1::article_answer::Answer;
use proto::v1::{ArticleAnswer, ArticleSummary, GetArticleRequest, Retracted, Viewer};
use serde::Serialize;
use serde_json::json;

use crate::Door;
use crate::documents::{self, Form, negotiated};
use crate::list::{ListPage, ListParameters};
use crate::parameters::EarlierState;
use crate::private::{private, varying};
use crate::queries::{ANSWER_DEADLINE, QueryError, Terms, get_article, list_articles};
use crate::site::Site;
use crate::upstream::Upstream;

/// All categories in one list. Unlike the front page it must be whole: a page with holes would
/// never be filled by the pages after it.
pub(crate) async fn list_all(
    State(portal): State<Door>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let parameters = ListParameters::read(&uri)?;
    let asked = match &parameters.category {
        Some(category) => std::slice::from_ref(portal.queries.category(category)?),
        None => portal.queries.all(),
    };
    Ok(answer_list(&portal, &parameters, asked, &headers).await)
}

/// One category.
pub(crate) async fn list(
    State(portal): State<Door>,
    Address(category): Address<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let parameters = ListParameters::read_of_category(&uri)?;
    let asked = std::slice::from_ref(portal.queries.category(&category)?);
    Ok(answer_list(&portal, &parameters, asked, &headers).await)
}

/// A status is asked for by the newsroom; what everybody may read has only one.
async fn answer_list(
    portal: &Door,
    parameters: &ListParameters,
    asked: &[(Category, Upstream)],
    headers: &HeaderMap,
) -> Response {
    if parameters.status.is_none() {
        return page(parameters, asked, headers, None).await.map(Json).into_response();
    }
    let page = async {
        let viewer = portal.identity.require_viewer(headers).await?;
        page(parameters, asked, headers, Some(viewer)).await
    };
    private(page.await.map(Json))
}

pub(crate) async fn page(
    parameters: &ListParameters,
    asked: &[(Category, Upstream)],
    headers: &HeaderMap,
    viewer: Option<Viewer>,
) -> Result<ListPage<ArticleSummary>, Problem> {
    let terms = Terms::of(headers, ANSWER_DEADLINE)?;
    let pages = try_join_all(asked.iter().map(async |(category, upstream)| {
        let request = parameters.articles(category.as_str(), viewer.clone());
        Ok::<_, Problem>(list_articles(upstream, request, terms).await?.items)
    }));
    let mut items = pages.await?.concat();
    items.sort_unstable_by(|a, b| parameters.place(b).cmp(&parameters.place(a)));
    Ok(parameters.page(items, |item| parameters.place(item)))
}

pub(crate) async fn get(
    State(portal): State<Door>,
    Address((category, id)): Address<(String, String)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let past = EarlierState::read(&uri)?;
    let terms = Terms::of(&headers, ANSWER_DEADLINE)?;
    let (category, upstream) = portal.queries.category(&category)?;
    let (version, as_of) = (past.version, past.as_of.map(|time| time.to_string()));
    let category = category.to_string();
    let request = GetArticleRequest { category, id, version, as_of, ..Default::default() };
    if !past.is_asked_for() {
        match get_article(upstream, request.clone(), terms).await {
            // Perhaps the newsroom has it.
            Err(QueryError::NotFound) => {}
            answer => {
                let answer = answer.map_err(Problem::from);
                // A HEAD, which comes here as well, reads nothing.
                if let (Ok(answer), &Method::GET) = (&answer, &method) {
                    portal.readings.note(answer, &headers);
                }
                let shown = answer.and_then(|answer| show(answer, &portal.site, &uri, &headers));
                return Ok(negotiated(varying(shown)));
            }
        }
    }
    let answer = async {
        let viewer = portal.identity.viewer(&headers).await?;
        if viewer.is_none() && !past.is_asked_for() {
            return Err(QueryError::NotFound.into());
        }
        let request = GetArticleRequest { viewer, ..request };
        show(get_article(upstream, request, terms).await?, &portal.site, &uri, &headers)
    };
    Ok(negotiated(for_who_asks(&headers, answer.await)))
}

/// An answer for which the token, if there is one, was looked at.
pub(crate) fn for_who_asks(headers: &HeaderMap, answer: impl IntoResponse) -> Response {
    if headers.contains_key(AUTHORIZATION) { private(answer) } else { varying(answer) }
}

fn show(
    answer: ArticleAnswer,
    site: &Site,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    match (answer.answer, Form::accepted(headers)) {
        (Some(Answer::Article(article)), Form::Json) => {
            // The tag is the version, which erasing an author does not change: whoever may still
            // have the name gets the article again.
            let forgotten = article.byline.as_deref() == Some(FORMER_CONTRIBUTOR);
            let none = HeaderMap::new();
            let headers = if forgotten { &none } else { headers };
            Ok(versioned(headers, Version::new(article.version), &article))
        }
        (Some(Answer::Article(article)), form) => documents::show(form, site, &article, headers),
        (Some(Answer::Retracted(retracted)), Form::Ninjs) => {
            let id = uri.path().rsplit('/').next().unwrap_or_default();
            documents::canceled(site, id, &retracted)
        }
        (Some(Answer::Retracted(retracted)), _) => Err(gone(&retracted)),
        (Some(Answer::Moved(to)), _) => moved(uri, &to),
        (None, _) => Err(QueryError::Unavailable.into()),
    }
}

pub(crate) fn gone(retracted: &Retracted) -> Problem {
    let detail = "this article was taken back";
    Problem::new(StatusCode::GONE, "retracted", "Retracted", detail)
        .with("reason", json!(retracted.reason))
        .with("retracted_at", json!(retracted.at))
}

/// 301 to the same address in another category. To be asked for again each time: the article may
/// come back, and who remembered both ways would go round for ever.
pub(crate) fn moved(uri: &Uri, to: &str) -> Result<Response, Problem> {
    let mut parts: Vec<_> = uri.path().split('/').collect();
    // "", "v1", "news", the category
    if let Some(category) = parts.get_mut(3) {
        *category = to;
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let location = HeaderValue::try_from(parts.join("/") + &query);
    let mut response = StatusCode::MOVED_PERMANENTLY.into_response();
    response.headers_mut().insert(LOCATION, location.map_err(|_| Problem::internal())?);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_for_what_moved_is_sent_to_the_same_place_elsewhere() {
        for (from, to) in [
            ("/v1/news/sports/1", "/v1/news/politics/1"),
            ("/v1/news/sports/1/history", "/v1/news/politics/1/history"),
            ("/v1/news/sports/1?version=2", "/v1/news/politics/1?version=2"),
        ] {
            let answer = moved(&from.parse().expect("an address"), "politics").expect("an answer");
            assert_eq!(answer.status(), StatusCode::MOVED_PERMANENTLY);
            assert_eq!(answer.headers()[LOCATION], to);
            assert_eq!(answer.headers()[CACHE_CONTROL], "no-cache");
        }
    }
}
