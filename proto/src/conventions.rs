//! Conventions of all HTTP responses: entity tags, positions, request ids and problems.
//! They also apply to the responses of the framework itself.

mod course;

use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequestParts, Path};
use axum::http::header::{HeaderMap, HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use axum::{Json, Router, middleware};
use events::{Chain, Dependency, Position, Version};
use futures::future::join_all;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::{Duration, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use self::course::{answer_at_once, carry, log_panics};
use self::course::{name_call, name_request};
use crate::Problem;

/// The largest request body, in bytes.
pub const BODY_LIMIT: usize = 1 << 20;
/// Time limit for a request body: the largest body at 1 Mbit/s.
pub const BODY_TIME: Duration = Duration::from_secs(10);
const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);
/// The id of a request, from the client or new, in every response and log record.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The log position of a command's last event.
pub const PORTAL_POSITION: HeaderName = HeaderName::from_static("portal-position");
/// The log position that the view of a query must have reached.
pub const PORTAL_MIN_POSITION: HeaderName = HeaderName::from_static("portal-min-position");
/// The hops of a request, the client first; each hop appends the address of its peer.
pub const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// W3C Trace Context.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// A request extension: the token is cancelled when the service stops.
/// An endless response must end then, or it is cut off.
#[derive(Debug, Clone, Default)]
pub struct Ending(pub Arc<CancellationToken>);

/// `"<version>"`, a strong entity tag (RFC 9110, 8.8.3).
#[must_use]
pub fn etag(version: Version) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{version}\""))
        .unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// The path parameters of a request; a value that does not parse results in 404.
#[derive(Debug)]
pub struct Address<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Address<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(parameters) = Path::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::not_found("there is nothing at this address"))?;
        Ok(Self(parameters))
    }
}

/// The entity tags of an `If-Match` or `If-None-Match` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntityTags {
    /// `*`
    Any,
    /// The listed versions, without tags that are no version.
    Versions(Vec<Version>),
}

impl EntityTags {
    /// Parses the header; `None` when it is absent.
    /// Weak tags count only if `weak` is set: `If-Match` compares strongly, `If-None-Match` weakly
    /// (RFC 9110, 13.1).
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

    /// Whether the version is listed.
    #[must_use]
    pub fn matches(&self, version: Version) -> bool {
        match self {
            Self::Any => true,
            Self::Versions(versions) => versions.contains(&version),
        }
    }
}

/// The `Portal-Min-Position` of a query; [`Position::START`] without the header.
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

/// The `traceparent` of a request, if it has version 00 (W3C Trace Context, 3.2).
/// The standard requires a malformed header to be treated as absent.
#[must_use]
pub fn traceparent(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(TRACEPARENT)?.to_str().ok()?;
    let lengths: Vec<_> = value.split('-').map(str::len).collect();
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c) || c == '-';
    let zero = |id: &str| id.chars().all(|c| c == '0');
    let named = value.get(3..35).zip(value.get(36..52)).is_some_and(|(t, s)| !zero(t) && !zero(s));
    let well_formed = lengths == [2, 32, 16, 2] && value.starts_with("00-") && named;
    (well_formed && value.chars().all(hex)).then(|| value.to_owned())
}

/// The request id that [`follow`] set on the request.
#[must_use]
pub fn request_id(headers: &HeaderMap) -> &str {
    headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default()
}

/// The request id of the client if it has 1 to 128 printable characters, otherwise a new one.
#[must_use]
pub fn request_id_or_new(headers: &HeaderMap) -> HeaderValue {
    let given = headers.get(REQUEST_ID);
    let acceptable =
        |id: &&HeaderValue| id.len() <= 128 && id.to_str().is_ok_and(|id| !id.is_empty());
    match given.filter(acceptable) {
        Some(id) => id.clone(),
        None => {
            let id = Uuid::now_v7().hyphenated();
            HeaderValue::from_str(id.encode_lower(&mut Uuid::encode_buffer()))
                .unwrap_or_else(|_| HeaderValue::from_static("unnamed"))
        }
    }
}

/// Reads the whole body of a request.
///
/// # Errors
/// 413 when it is larger than [`BODY_LIMIT`], 408 when it takes longer than [`BODY_TIME`].
pub async fn read_body(body: Body) -> Result<Bytes, Problem> {
    match timeout(BODY_TIME, to_bytes(body, BODY_LIMIT)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => {
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            Err(Problem::new(status, "body-too-large", "Body too large", "the limit is 1 MiB"))
        }
        Err(_) => {
            let (status, limit) = (StatusCode::REQUEST_TIMEOUT, "the limit is 10 seconds");
            Err(Problem::new(status, "body-too-slow", "Body too slow", limit))
        }
    }
}

/// Applies the conventions to a router.
/// Adds request ids, and problems for unknown routes, wrong methods and panics.
pub fn follow(router: Router) -> Router {
    router
        .fallback(async || Problem::not_found("there is nothing at this address"))
        .method_not_allowed_fallback(async || {
            let (kind, title) = ("method-not-allowed", "Method not allowed");
            let detail = "the Allow header names the methods of this address";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, kind, title, detail)
        })
        .layer(middleware::from_fn(name_request))
}

/// Like [`follow`], for a router of gRPC services, which handles unknown methods itself.
/// Calls that no request caused have no request id.
pub fn follow_calls(router: Router) -> Router {
    router.layer(middleware::from_fn(name_call))
}

/// How much a service depends on a dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Without it the service does nothing.
    Vital,
    /// Without it the service does less.
    Useful,
}

/// Checks the dependencies for `/health/ready`; see [`health_report`].
pub async fn readiness(dependencies: &[(&str, Need, &dyn Dependency)]) -> Response<Body> {
    health_report(&states(dependencies).await, &[])
}

/// Which dependencies are up. Errors are logged, not returned to the caller.
pub async fn states<'a>(
    dependencies: &[(&'a str, Need, &dyn Dependency)],
) -> Vec<(&'a str, Need, bool)> {
    let checks = dependencies.iter().map(async |(name, need, dependency)| {
        let answer = timeout(HEALTH_TIMEOUT, dependency.ping()).await;
        let outcome = answer.unwrap_or_else(|late| Err(late.into()));
        if let Err(error) = &outcome {
            tracing::warn!(dependency = name, error = %Chain(&**error), "a dependency does not answer");
        }
        (*name, *need, outcome.is_ok())
    });
    join_all(checks).await
}

/// A view that skips streams because it cannot apply some of their events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ParkedView {
    /// The name of the view.
    pub view: String,
    /// Streams that need an operator.
    pub parked: u64,
    /// Streams that wait for a newer version of the program.
    pub waiting: u64,
}

/// The health of a service and its dependencies.
#[derive(Serialize, JsonSchema)]
pub struct Health<'a> {
    status: Readiness,
    dependencies: Vec<DependencyState<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    parked: &'a [ParkedView],
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Readiness {
    Ready,
    /// A useful dependency is down.
    Degraded,
    /// A vital dependency is down.
    Unavailable,
}

#[derive(Serialize, JsonSchema)]
struct DependencyState<'a> {
    name: &'a str,
    state: &'static str,
}

/// Responds with [`Health`]: 503 `unavailable` if a vital dependency is down, otherwise 200.
/// The status is `degraded` if only useful dependencies are down, otherwise `ready`. Parked streams
/// do not change it, because all other streams continue.
#[must_use]
pub fn health_report(states: &[(&str, Need, bool)], parked: &[ParkedView]) -> Response<Body> {
    let down = |of: Need| states.iter().any(|(_, need, up)| *need == of && !up);
    let (code, status) = match (down(Need::Vital), down(Need::Useful)) {
        (true, _) => (StatusCode::SERVICE_UNAVAILABLE, Readiness::Unavailable),
        (false, true) => (StatusCode::OK, Readiness::Degraded),
        (false, false) => (StatusCode::OK, Readiness::Ready),
    };
    let state = |up: &bool| if *up { "up" } else { "down" };
    let dependencies = states.iter();
    let dependencies =
        dependencies.map(|(name, _, up)| DependencyState { name, state: state(up) }).collect();
    (code, Json(Health { status, dependencies, parked })).into_response()
}

/// Response of `/health/live`: the process responds.
pub async fn liveness() -> Json<serde_json::Value> {
    Json(json!({"status": "live"}))
}
