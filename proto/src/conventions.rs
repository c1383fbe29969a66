//! What holds for every HTTP answer of ours: entity tags, positions, request ids, and problems
//! also where the framework would answer by itself.

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{ALLOW, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::{Router, middleware};
use events::{BoxError, Position, Version};
use tower_http::catch_panic::CatchPanicLayer;
use uuid::Uuid;

use crate::Problem;

/// The largest request body, in bytes.
pub const BODY_LIMIT: usize = 1 << 20;
/// One id per request, given by the client or by us, on every answer and in every log line.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Where in the log a command's last event stands.
pub const PORTAL_POSITION: HeaderName = HeaderName::from_static("portal-position");
/// What a query's view must have seen.
pub const PORTAL_MIN_POSITION: HeaderName = HeaderName::from_static("portal-min-position");
/// W3C Trace Context.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// `"<version>"`, a strong entity tag (RFC 9110, 8.8.3).
#[must_use]
pub fn etag(version: Version) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{version}\""))
        .unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// The entity tags of an `If-Match` or `If-None-Match` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntityTags {
    /// `*`
    Any,
    /// The versions listed. A tag that is no version of ours matches nothing and is left out.
    Versions(Vec<Version>),
}

impl EntityTags {
    /// Reads the header; `None` when it is absent. A weak tag counts only where `weak` says so:
    /// `If-Match` compares strongly, `If-None-Match` weakly (RFC 9110, 13.1).
    #[must_use]
    pub fn read(headers: &HeaderMap, name: &HeaderName, weak: bool) -> Option<Self> {
        let mut versions = Vec::new();
        let mut values = headers.get_all(name).iter().peekable();
        values.peek()?;
        for tag in values.filter_map(|value| value.to_str().ok()).flat_map(|list| list.split(',')) {
            let tag = tag.trim();
            if tag == "*" {
                return Some(Self::Any);
            }
            let tag = if weak { tag.strip_prefix("W/").unwrap_or(tag) } else { tag };
            let number = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
            versions.extend(number.and_then(|number| number.parse().ok()).map(Version::new));
        }
        Some(Self::Versions(versions))
    }

    /// Whether this version is among them.
    #[must_use]
    pub fn matches(&self, version: Version) -> bool {
        match self {
            Self::Any => true,
            Self::Versions(versions) => versions.contains(&version),
        }
    }
}

/// The `Portal-Min-Position` of a query; [`Position::START`] when it asks for none.
///
/// # Errors
/// 400 when the header is not a position.
pub fn min_position(headers: &HeaderMap) -> Result<Position, Problem> {
    let Some(value) = headers.get(PORTAL_MIN_POSITION) else { return Ok(Position::START) };
    value.to_str().ok().and_then(|text| text.parse().ok()).ok_or_else(|| {
        let detail = "Portal-Min-Position is a position that a command answered";
        Problem::new(StatusCode::BAD_REQUEST, "malformed-header", "Malformed header", detail)
    })
}

/// The `traceparent` of a request if it is one of version 00 (W3C Trace Context, 3.2), else none:
/// the standard asks to go on as if a malformed one were absent.
#[must_use]
pub fn traceparent(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(TRACEPARENT)?.to_str().ok()?;
    let lengths: Vec<_> = value.split('-').map(str::len).collect();
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c) || c == '-';
    let well_formed = lengths == [2, 32, 16, 2] && value.starts_with("00-");
    (well_formed && value.chars().all(hex)).then(|| value.to_owned())
}

/// The request id that [`follow`] has put into the request.
#[must_use]
pub fn request_id(headers: &HeaderMap) -> &str {
    headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default()
}

/// Lets a router follow the conventions: request ids, and problems for unknown routes, wrong
/// methods and panics.
pub fn follow(router: Router) -> Router {
    router
        .fallback(async || Problem::not_found("there is nothing at this address"))
        .layer(CatchPanicLayer::custom(|_panic| Problem::internal().into_response().map(Body::new)))
        .layer(middleware::from_fn(name_request))
        .layer(middleware::map_response(explain_method_not_allowed))
}

async fn name_request(mut request: Request, next: Next) -> Response<Body> {
    let given = request.headers().get(REQUEST_ID);
    let acceptable = |id: &&HeaderValue| id.len() <= 128 && id.to_str().is_ok_and(|id| !id.is_empty());
    let id = match given.filter(acceptable) {
        Some(id) => id.clone(),
        None => HeaderValue::from_str(&Uuid::now_v7().to_string())
            .unwrap_or_else(|_| HeaderValue::from_static("unnamed")),
    };
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let mut response = next.run(request).await;
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// axum answers a wrong method with an empty 405.
async fn explain_method_not_allowed(response: Response<Body>) -> Response<Body> {
    let allow = response.headers().get(ALLOW).cloned();
    let (StatusCode::METHOD_NOT_ALLOWED, Some(allow)) = (response.status(), allow) else {
        return response;
    };
    let detail = format!("this address takes {}", allow.to_str().unwrap_or("other methods"));
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let problem = Problem::new(status, "method-not-allowed", "Method not allowed", detail);
    let mut explained = problem.into_response();
    for name in [ALLOW, REQUEST_ID] {
        if let Some(value) = response.headers().get(&name) {
            explained.headers_mut().insert(name, value.clone());
        }
    }
    explained
}

/// The response of a health check: 200 when every dependency answers, else 503, with the state of
/// each. The reasons go to our log, not to whoever asks.
pub async fn readiness(dependencies: &[(&'static str, &dyn events::Dependency)]) -> Response<Body> {
    let checks = dependencies.iter().map(async |(name, dependency)| {
        let timeout = tokio::time::Duration::from_secs(2);
        let answer = tokio::time::timeout(timeout, dependency.ping()).await;
        let outcome: Result<(), BoxError> = answer.unwrap_or_else(|late| Err(late.into()));
        if let Err(error) = &outcome {
            tracing::warn!(dependency = name, error, "not ready");
        }
        (*name, outcome.is_ok())
    });
    let states = futures::future::join_all(checks).await;
    health_report(&states)
}

/// `{"status", "dependencies": [{"name", "state"}]}`; 503 unless all are up.
#[must_use]
pub fn health_report(states: &[(&str, bool)]) -> Response<Body> {
    let ready = states.iter().all(|(_, up)| *up);
    let state = |up: bool| if up { "up" } else { "down" };
    let dependencies: Vec<_> = states
        .iter()
        .map(|(name, up)| serde_json::json!({"name": name, "state": state(*up)}))
        .collect();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = if ready { "ready" } else { "unavailable" };
    let body = serde_json::json!({"status": word, "dependencies": dependencies});
    (status, axum::Json(body)).into_response()
}
