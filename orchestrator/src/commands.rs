//! Commands go through the door unchanged, and so do their answers.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderName, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use events::Chain;
use proto::Problem;
use proto::conventions::BODY_LIMIT;
use tokio::time::timeout;

use crate::Orchestrator;

/// Longer than any command takes, so that an answer of ours means that there is none.
const DEADLINE: Duration = Duration::from_secs(10);

/// What concerns one connection only (RFC 9110, 7.6.1), and what the next one sets by itself.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HOST,
    CONTENT_LENGTH,
];

/// Hands a request on to the command-stack.
pub(crate) async fn forward(State(portal): State<Orchestrator>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, BODY_LIMIT).await else {
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        let limit = "the limit is 1 MiB";
        return Problem::new(status, "body-too-large", "Body too large", limit).into_response();
    };
    strip(&mut parts.headers);
    parts.extensions.clear();
    let safe = parts.method.is_safe();
    let request = Request::from_parts(parts, Body::from(bytes));
    match timeout(DEADLINE, portal.commands.send(request)).await {
        Ok(Ok(mut response)) => {
            strip(response.headers_mut());
            response
        }
        Ok(Err(error)) => no_answer(&error, safe),
        Err(late) => no_answer(&late, safe),
    }
}

fn strip(headers: &mut HeaderMap) {
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

fn no_answer(error: &(dyn std::error::Error + 'static), safe: bool) -> Response {
    tracing::warn!(error = %Chain(error), "the command-stack does not answer");
    let detail = if safe {
        "this address does not answer right now"
    } else {
        "the command may or may not have been carried out: repeat it with the same Idempotency-Key"
    };
    Problem::unavailable(detail).into_response()
}
