//! `GET /openapi.json`, and `GET /docs`: Swagger UI from the crate that vendors it.
//!
//! Invariant: the page needs no other host, and its content security policy forbids all others.

use std::sync::LazyLock;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use proto::Problem;
use proto::conventions::Address;
use swagger_ui_dist::{ApiDefinition, OpenApiSource, generate_routes};
use tower::ServiceExt;

use crate::Door;

const PAGE: &str = include_str!("docs/page.html");
const START: &str = include_str!("docs/start.js");
/// The vendored files that the page needs; source maps and the like are not served.
const VENDORED: [&str; 2] = ["swagger-ui.css", "swagger-ui-bundle.js"];
/// `data:` is allowed for the images in the style sheet.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static SWAGGER_UI: LazyLock<Router> = LazyLock::new(|| {
    generate_routes(ApiDefinition {
        uri_prefix: "/docs",
        api_definition: OpenApiSource::Uri("/openapi.json"),
        title: None::<&str>,
    })
});

pub(crate) async fn document(State(portal): State<Door>) -> Response {
    with([(CONTENT_TYPE, "application/json")], (portal.document)())
}

pub(crate) async fn page() -> Response {
    with([(CONTENT_TYPE, "text/html; charset=utf-8")], PAGE)
}

pub(crate) async fn file(Address(file): Address<String>) -> Response {
    if file == "start.js" {
        return with([(CONTENT_TYPE, "text/javascript; charset=utf-8")], START);
    }
    if !VENDORED.contains(&file.as_str()) {
        return Problem::not_found("there is nothing at this address").into_response();
    }
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = format!("/docs/{file}").parse().unwrap_or_default();
    let answer = SWAGGER_UI.clone().oneshot(request).await;
    let answer = answer.unwrap_or_else(|never| match never {});
    // The file changes only with a release of the portal.
    with([(CACHE_CONTROL, "public, max-age=3600")], answer)
}

fn with<const N: usize>(
    headers: [(HeaderName, &'static str); N],
    answer: impl IntoResponse,
) -> Response {
    let mut response = answer.into_response();
    let always = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in headers.into_iter().chain(always) {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
