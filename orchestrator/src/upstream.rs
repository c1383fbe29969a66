//! The services behind the orchestrator.
//!
//! Only this module decides whether a service is another process or this one: both are `tower`
//! services of HTTP requests, and gRPC uses the same.

mod breaker;
mod trust;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::uri::{Authority, PathAndQuery, Scheme};
use axum::http::{Request, Response, Uri};
use events::BoxError;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use proto::conventions::{ParkedView, carry};
use proto::v1::queries_client::QueriesClient;
use proto::v1::recommendations_client::RecommendationsClient;
use serde::Deserialize;
use tokio::time::timeout;
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt};

use self::breaker::Breaker;
pub use self::trust::Trust;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Pings detect a dead HTTP/2 connection, which carries all queries at once.
///
/// Idle HTTP/1 connections (commands) are closed instead, earlier than the service closes them
/// (`portal/src/serve/connection.rs`), or a request could meet a closed connection.
const PING_INTERVAL: Duration = Duration::from_secs(1);
const PING_TIMEOUT: Duration = Duration::from_secs(2);
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);
const HEALTH_TIMEOUT: Duration = Duration::from_secs(3);
/// The longest gRPC answer in bytes: a history of some hundred versions of the longest texts.
const LARGEST_ANSWER: usize = 256 << 20;

const HEALTH_LIMIT: usize = 64 << 10;

type HttpTransport = BoxCloneSyncService<Request<Body>, Response<Body>, NoAnswer>;
type GrpcTransport = BoxCloneSyncService<Request<tonic::body::Body>, Response<Body>, NoAnswer>;

/// The service is unreachable or closed the connection.
#[derive(Debug, thiserror::Error)]
#[error("no answer")]
pub struct NoAnswer(#[source] hyper_util::client::legacy::Error);

/// A service behind the orchestrator.
#[derive(Clone)]
pub struct Upstream {
    name: Arc<str>,
    service: HttpTransport,
    breaker: Breaker,
}

/// A service's own health report.
#[derive(Debug, Default, Deserialize)]
pub struct Health {
    /// Whether it can do its work.
    #[serde(skip)]
    pub ready: bool,
    /// Its views with parked streams.
    #[serde(default)]
    pub parked: Vec<ParkedView>,
}

/// The HTTP version for a service in another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// For the command-stack.
    Http1,
    /// HTTP/2 without negotiation (prior knowledge), for gRPC.
    Http2,
}

impl Upstream {
    /// A service in this process; requests are function calls.
    #[must_use]
    pub fn in_process(name: &str, router: Router) -> Self {
        let service = ServiceBuilder::new()
            .map_err(|never: Infallible| -> NoAnswer { match never {} })
            .service(router);
        Self::new(name, BoxCloneSyncService::new(service))
    }

    fn new(name: &str, service: HttpTransport) -> Self {
        Self { name: name.into(), service, breaker: Breaker::closed() }
    }

    /// A service at `http://host:port` or `https://host:port`.
    ///
    /// # Errors
    /// When the address is malformed.
    pub fn at(
        name: &str,
        address: &str,
        protocol: Protocol,
        trust: &Trust,
    ) -> Result<Self, String> {
        let (scheme, authority) = scheme_and_authority(address)?;
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let tls = HttpsConnectorBuilder::new().with_tls_config(trust.0.clone()).https_or_http();
        let connector = match protocol {
            Protocol::Http1 => tls.enable_http1().wrap_connector(connector),
            Protocol::Http2 => tls.enable_http2().wrap_connector(connector),
        };
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .http2_only(protocol == Protocol::Http2)
            .http2_keep_alive_interval(PING_INTERVAL)
            .http2_keep_alive_timeout(PING_TIMEOUT)
            .build(connector);
        let service = ServiceBuilder::new()
            .map_request(move |request| towards(&scheme, &authority, request))
            .map_response(|response: Response<_>| response.map(Body::new))
            .map_err(NoAnswer)
            .service(client);
        Ok(Self::new(name, BoxCloneSyncService::new(service)))
    }

    /// The name in health reports, logs and metrics.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends a request without a deadline; the caller sets one.
    ///
    /// # Errors
    /// When the service does not answer.
    pub async fn send(&self, request: Request<Body>) -> Result<Response<Body>, NoAnswer> {
        self.service.clone().oneshot(request).await
    }

    /// A gRPC client for queries.
    pub(crate) fn queries(&self) -> QueriesClient<GrpcTransport> {
        QueriesClient::new(self.grpc()).max_decoding_message_size(LARGEST_ANSWER)
    }

    /// A gRPC client for recommendations.
    pub(crate) fn recommendations(&self) -> RecommendationsClient<GrpcTransport> {
        RecommendationsClient::new(self.grpc())
    }

    fn grpc(&self) -> GrpcTransport {
        let service = ServiceBuilder::new()
            .map_request(|request: Request<tonic::body::Body>| {
                let mut request = request.map(Body::new);
                carry(request.headers_mut());
                request
            })
            .service(self.service.clone());
        BoxCloneSyncService::new(service)
    }

    /// Requests `/health/ready`.
    ///
    /// # Errors
    /// When there is no answer within the timeout.
    pub async fn health(&self) -> Result<Health, BoxError> {
        let request = Request::get("/health/ready").body(Body::empty())?;
        let answer = async {
            let answer = self.send(request).await?;
            let ready = answer.status().is_success();
            let body = to_bytes(answer.into_body(), HEALTH_LIMIT).await?;
            // A body without details is accepted; the status suffices.
            let health: Health = serde_json::from_slice(&body).unwrap_or_default();
            Ok(Health { ready, ..health })
        };
        timeout(HEALTH_TIMEOUT, answer).await?
    }
}

fn scheme_and_authority(address: &str) -> Result<(Scheme, Authority), String> {
    let wrong = || format!("{address:?} is not an address like http://HOST:PORT");
    let uri: Uri = address.parse().map_err(|_| wrong())?;
    let parts = uri.into_parts();
    let plain = matches!(parts.path_and_query.as_ref().map_or("", PathAndQuery::as_str), "" | "/");
    let scheme = parts.scheme.filter(|scheme| [Scheme::HTTP, Scheme::HTTPS].contains(scheme));
    scheme.zip(parts.authority).filter(|_| plain).ok_or_else(wrong)
}

fn towards(scheme: &Scheme, authority: &Authority, mut request: Request<Body>) -> Request<Body> {
    let path = request.uri().path_and_query().cloned();
    let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
    let uri =
        Uri::builder().scheme(scheme.clone()).authority(authority.clone()).path_and_query(path);
    // Cannot fail: all three parts are present.
    if let Ok(uri) = uri.build() {
        *request.uri_mut() = uri;
    }
    request
}
