//! What caches must know of answers that depend on who asked.

use axum::http::HeaderValue;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, VARY};
use axum::response::{IntoResponse, Response};

/// An answer that was composed for one person, also a refusal: nobody keeps it.
pub(crate) fn private(answer: impl IntoResponse) -> Response {
    let mut response = varying(answer);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// An answer for everybody, at an address where somebody else may get another one.
pub(crate) fn varying(answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    response.headers_mut().append(VARY, HeaderValue::from_name(AUTHORIZATION));
    response
}
