//! Forwards commands to the command-stack and returns its responses.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderName, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use events::Chain;
use proto::Problem;
use proto::conventions::{FORWARDED_FOR, read_body};
use tokio::time::timeout;

use crate::Door;

/// Longer than any command takes, so a timeout means that no response will come.
const DEADLINE: Duration = Duration::from_secs(10);

/// Headers of one connection only (RFC 9110, 7.6.1), and headers that the next hop sets itself.
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

/// Forwards a request to the command-stack.
pub(crate) async fn forward(State(portal): State<Door>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let bytes = match read_body(body).await {
        Ok(bytes) => bytes,
        Err(problem) => return problem.into_response(),
    };
    strip(&mut parts.headers);
    if let Some(ConnectInfo(peer)) = parts.extensions.get::<ConnectInfo<SocketAddr>>() {
        add_peer(&mut parts.headers, peer.ip());
    }
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

/// Forwards a request that matches no query of the orchestrator.
/// All public reads have their own route, so a successful read here is answered with 404.
pub(crate) async fn hand_on(portal: State<Door>, request: Request) -> Response {
    let safe = request.method().is_safe();
    let response = forward(portal, request).await;
    if safe && response.status().is_success() {
        return Problem::not_found("there is nothing at this address").into_response();
    }
    response
}

fn strip(headers: &mut HeaderMap) {
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Appends the peer to `X-Forwarded-For`; the last entry is the direct sender.
fn add_peer(headers: &mut HeaderMap, peer: IpAddr) {
    let came = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let hands: Vec<_> = came.map(str::to_owned).chain([peer.to_canonical().to_string()]).collect();
    if let Ok(hands) = HeaderValue::try_from(hands.join(", ")) {
        headers.insert(FORWARDED_FOR, hands);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peer_is_added_to_those_who_had_the_request_before() {
        let peer = IpAddr::from([127, 0, 0, 1]);
        let mut headers = HeaderMap::new();
        add_peer(&mut headers, peer);
        assert_eq!(headers[FORWARDED_FOR], "127.0.0.1");
        headers.insert(FORWARDED_FOR, HeaderValue::from_static("192.0.2.1, 192.0.2.2"));
        headers.append(FORWARDED_FOR, HeaderValue::from_static("192.0.2.3"));
        add_peer(&mut headers, peer);
        let all: Vec<_> = headers.get_all(FORWARDED_FOR).iter().collect();
        assert_eq!(all, ["192.0.2.1, 192.0.2.2, 192.0.2.3, 127.0.0.1"]);
    }
}
