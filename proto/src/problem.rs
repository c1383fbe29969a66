//! Errors as clients see them: RFC 9457 `application/problem+json`.

use axum::Json;
use axum::http::header::{CONTENT_TYPE, HeaderName, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// RFC 6901 pointer into the body, or the name of a query parameter.
    pub pointer: String,
    /// One sentence.
    pub detail: String,
}

impl FieldError {
    /// An error of the field at this pointer.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

/// An error answer. `detail` is for the client: no SQL, no stack, no file name.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    detail: String,
    members: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem of the type `/problems/<kind>`.
    pub fn new(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        let (members, headers) = (Map::new(), Vec::new());
        Self { status, kind, title, detail: detail.into(), members, headers }
    }

    /// 404 for something that is not there, or not for everybody.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    /// 422 with every field that is wrong.
    #[must_use]
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let count = errors.len();
        let detail = format!("{count} field{} of the request", if count == 1 { "" } else { "s" });
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Self::new(status, "invalid-fields", "Invalid fields", detail).with("errors", json!(errors))
    }

    /// 503: something we depend on does not answer; a retry may help.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self::new(status, "unavailable", "Temporarily unavailable", detail).retry_after(1)
    }

    /// 503: the view has not reached `Portal-Min-Position` in time.
    #[must_use]
    pub fn view_behind() -> Self {
        let detail = "the view has not reached Portal-Min-Position yet";
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self::new(status, "view-behind", "View behind", detail).retry_after(1)
    }

    /// 500: our mistake. The cause is in our log, not in the answer.
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

    /// Adds `Retry-After` in seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.headers.push((RETRY_AFTER, seconds.into()));
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
        response
    }
}
