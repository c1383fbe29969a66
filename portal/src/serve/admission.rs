//! Admission of requests: rejects requests above the limits at once with 503.
//! A rejection costs little; accepting too many would slow down all requests.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::HttpBody;
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use proto::conventions::{BODY_LIMIT, REQUEST_ID, request_id_or_new};
use proto::{Problem, metrics};
use query_stack::LARGEST_QUESTION;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower::ServiceExt;

/// Maximum number of concurrent requests.
const REQUESTS: usize = 512;
/// Memory for request bodies, in KiB: 64 of the largest, or thousands of usual ones.
const BODIES_KIB: usize = 64 << 10;
const GRPC: &str = "application/grpc";
/// Deadline from the head of a request to the head of its response, request body included.
/// Longer than the inner timeouts (body 10 s, command-stack 10 s), whose errors are more precise.
const REQUEST_TIME: Duration = Duration::from_secs(21);

/// Limits the requests of one listener. Clones share the limits.
#[derive(Clone)]
pub(super) struct Admission {
    requests: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
}

impl Default for Admission {
    fn default() -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self { requests: semaphore(REQUESTS), bodies: semaphore(BODIES_KIB) }
    }
}

impl Admission {
    /// Returns the router's response, or 503 if a limit or the deadline is exceeded.
    pub(super) async fn answer(&self, router: Router, mut request: Request) -> Response {
        // Health and metrics must be available above all under overload.
        let path = request.uri().path();
        if path.starts_with("/health/") || path == "/metrics" {
            return route(router, request).await;
        }
        let id = request_id_or_new(request.headers());
        let requests = self.requests.try_acquire();
        let bodies = self.bodies.try_acquire_many(kib(&request));
        let (Ok(_request), Ok(_body)) = (requests, bodies) else {
            metrics::request_overloaded();
            return named(id, Problem::overloaded("too many requests at once"));
        };
        request.headers_mut().insert(REQUEST_ID, id.clone());
        match timeout(REQUEST_TIME, route(router, request)).await {
            Ok(response) => response,
            Err(_) => named(id, Problem::unavailable("the request was not answered in time")),
        }
    }
}

async fn route(router: Router, request: Request) -> Response {
    router.oneshot(request).await.unwrap_or_else(|never| match never {})
}

fn named(id: axum::http::HeaderValue, problem: Problem) -> Response {
    let mut response = problem.into_response();
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// The memory to reserve for a body, in KiB: its declared size, at most the limit.
/// gRPC requests declare no size; their limit is small (`query-stack/src/grpc.rs`).
fn kib(request: &Request) -> u32 {
    let is_grpc = request.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == GRPC);
    let limit = if is_grpc { LARGEST_QUESTION } else { BODY_LIMIT } as u64;
    let body = request.body();
    let bytes = HttpBody::size_hint(body).upper().map_or(limit, |size| size.min(limit));
    u32::try_from(bytes.div_ceil(1 << 10)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::routing::{get, post};

    use super::*;

    /// A service that never responds, except to health checks.
    fn stuck() -> Router {
        let stuck = async || std::future::pending::<()>().await;
        Router::new()
            .route("/", get(stuck).post(stuck))
            .route("/health/live", get(async || "live"))
            .route("/echo", post(async |body: String| body))
    }

    fn request(method: &str, path: &str, body: Body) -> Request {
        Request::builder().method(method).uri(path).body(body).expect("a request")
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_too_many_is_turned_away_at_once_and_the_others_are_not_left_waiting() {
        let admission = Admission::default();
        let ask = |path| admission.answer(stuck(), request("GET", path, Body::empty()));
        let waiting = futures::future::join_all((0..REQUESTS).map(|_| ask("/")));
        let (waited, late) = futures::join!(waiting, async {
            let refused = timeout(Duration::from_millis(1), ask("/")).await.expect("at once");
            assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(refused.headers().contains_key("retry-after"));
            assert!(refused.headers().contains_key(REQUEST_ID));
            ask("/health/live").await.status()
        });
        assert_eq!(late, StatusCode::OK);
        let unavailable = |response: &Response| response.status().as_u16() == 503;
        assert!(waited.iter().all(unavailable), "each got an answer in the end");
        let echo = admission.answer(stuck(), request("POST", "/echo", Body::from("a"))).await;
        assert_eq!(echo.status(), StatusCode::OK, "all places were given back");
    }

    #[tokio::test(start_paused = true)]
    async fn large_bodies_take_more_room_than_small_ones() {
        let admission = Admission::default();
        let send = |size| {
            let body = Body::from(vec![b'a'; size]);
            admission.answer(stuck(), request("POST", "/", body))
        };
        let large = futures::future::join_all((0..64).map(|_| send(BODY_LIMIT)));
        let small = async {
            let refused = timeout(Duration::from_millis(1), send(1)).await.expect("at once");
            let none = timeout(Duration::from_millis(1), send(0)).await;
            assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(none.is_err(), "without a body it is let in");
        };
        futures::join!(large, small);
    }
}
