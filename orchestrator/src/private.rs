//! Cache headers of responses that depend on the caller.

use axum::http::HeaderValue;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, VARY};
use axum::response::{IntoResponse, Response};

/// A response for one caller, also a refusal: caches must not store it.
pub(crate) fn private(answer: impl IntoResponse) -> Response {
    let mut response = varying(answer);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A public response at an address where other callers may get another one.
pub(crate) fn varying(answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    response.headers_mut().append(VARY, HeaderValue::from_name(AUTHORIZATION));
    response
}
