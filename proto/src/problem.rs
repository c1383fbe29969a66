//! Error responses: RFC 9457 `application/problem+json`.

use axum::Json;
use axum::http::header::{CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use events::UserId;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// An error in one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FieldError {
    /// RFC 6901 pointer into the body, or the name of a query parameter.
    pub pointer: String,
    /// One sentence that describes the error.
    pub detail: String,
}

impl FieldError {
    /// An error in the field at this pointer.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

/// Why a caller was refused.
/// A response extension, from which [`crate::conventions::follow`] writes the security record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The reason, in a few words.
    pub why: &'static str,
    /// The account concerned, if known.
    pub whose: Option<UserId>,
}

/// An error response. `detail` is for the client: no SQL, no stack, no file name.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    detail: String,
    members: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Boxed, because few problems have one and every response may be a problem.
    refusal: Option<Box<Refusal>>,
}

impl Problem {
    /// A problem of the type `/problems/<kind>`.
    pub fn new(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        let (members, headers, refusal) = (Map::new(), Vec::new(), None);
        Self { status, kind, title, detail: detail.into(), members, headers, refusal }
    }

    /// 404 for a resource that does not exist or is hidden from the caller.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    /// 401 for a request that needs an access token and has none.
    pub fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::challenge("Bearer", detail)
    }

    /// 401 for an invalid access token (RFC 6750, 3.1): the client needs another one.
    pub fn invalid_token(detail: impl Into<String>) -> Self {
        Self::challenge("Bearer error=\"invalid_token\"", detail)
    }

    fn challenge(challenge: &'static str, detail: impl Into<String>) -> Self {
        let (status, title) = (StatusCode::UNAUTHORIZED, "Not signed in");
        let mut problem = Self::new(status, "unauthenticated", title, detail);
        problem.headers.push((WWW_AUTHENTICATE, HeaderValue::from_static(challenge)));
        problem
    }

    /// 403 for a signed-in caller without the required right.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Forbidden", detail)
    }

    /// 422 with every wrong field.
    #[must_use]
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let count = errors.len();
        let detail = format!("{count} field{} of the request", if count == 1 { "" } else { "s" });
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Self::new(status, "invalid-fields", "Invalid fields", detail).with("errors", json!(errors))
    }

    /// 503: a dependency is unavailable; a retry may help.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self::new(status, "unavailable", "Temporarily unavailable", detail).retry_after(1)
    }

    /// 503: overloaded; nothing was done for the request.
    pub fn overloaded(detail: impl Into<String>) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self::new(status, "overloaded", "Too much to do", detail).retry_after(1)
    }

    /// 503: the view has not reached `Portal-Min-Position` in time.
    #[must_use]
    pub fn view_behind() -> Self {
        let detail = "the view has not reached Portal-Min-Position yet";
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self::new(status, "view-behind", "View behind", detail).retry_after(1)
    }

    /// 500: an internal error. The cause is in the log, not in the response.
    #[must_use]
    pub fn internal() -> Self {
        let detail = "an unexpected error; the request id names it in our log";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error", detail)
    }

    /// Adds an extension member.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.members.insert(name.to_owned(), value);
        self
    }

    /// Marks the problem as a refusal, with the account concerned if known.
    #[must_use]
    pub fn refusing(mut self, why: &'static str, whose: Option<UserId>) -> Self {
        self.refusal = Some(Box::new(Refusal { why, whose }));
        self
    }

    /// Adds `Retry-After` in seconds.
    #[must_use]
    pub fn retry_after(self, seconds: u32) -> Self {
        self.with_header(RETRY_AFTER, seconds.into())
    }

    /// Adds a header field.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(flatten)]
    members: &'a Map<String, Value>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Body {
            kind: format!("/problems/{}", self.kind),
            title: self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
            members: &self.members,
        };
        let mut response = (self.status, Json(body)).into_response();
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        response.headers_mut().extend(self.headers);
        if let Some(refusal) = self.refusal {
            response.extensions_mut().insert(*refusal);
        }
        response
    }
}
