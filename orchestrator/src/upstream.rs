//! The services behind the door. Whether one is another process or this one is decided here and
//! nowhere else: both are a `tower` service of HTTP requests, and gRPC goes over the same.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::uri::{Authority, PathAndQuery, Scheme};
use axum::http::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use proto::conventions::ParkedView;
use proto::v1::queries_client::QueriesClient;
use serde::Deserialize;
use tokio::time::timeout;
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const HEALTH_TIMEOUT: Duration = Duration::from_secs(3);

const HEALTH_LIMIT: usize = 64 << 10;

type HttpTransport = BoxCloneSyncService<Request<Body>, Response<Body>, NoAnswer>;
type GrpcTransport = BoxCloneSyncService<Request<tonic::body::Body>, Response<Body>, NoAnswer>;

/// The service did not answer.
#[derive(Debug, thiserror::Error)]
#[error("no answer")]
pub struct NoAnswer(#[source] hyper_util::client::legacy::Error);

/// One service behind the door.
#[derive(Clone)]
pub struct Upstream {
    name: Arc<str>,
    service: HttpTransport,
}

/// What a service that is ready says of itself.
#[derive(Debug, Default, Deserialize)]
pub struct Health {
    /// The views of it that leave out streams.
    #[serde(default)]
    pub parked: Vec<ParkedView>,
}

/// Which HTTP a service in another process is spoken to with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1: the command-stack.
    Http1,
    /// HTTP/2 without TLS, known beforehand: gRPC.
    Http2,
}

impl Upstream {
    /// A service in this process: calls are function calls.
    #[must_use]
    pub fn in_process(name: &str, router: Router) -> Self {
        let service = ServiceBuilder::new()
            .map_err(|never: Infallible| -> NoAnswer { match never {} })
            .service(router);
        Self { name: name.into(), service: BoxCloneSyncService::new(service) }
    }

    /// A service at `http://host:port`.
    ///
    /// # Errors
    /// When the address is another kind of address.
    pub fn at(name: &str, address: &str, protocol: Protocol) -> Result<Self, String> {
        let authority = authority(address)?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let client = Client::builder(TokioExecutor::new())
            .http2_only(protocol == Protocol::Http2)
            .build(connector);
        let service = ServiceBuilder::new()
            .map_request(move |request| towards(&authority, request))
            .map_response(|response: Response<_>| response.map(Body::new))
            .map_err(NoAnswer)
            .service(client);
        Ok(Self { name: name.into(), service: BoxCloneSyncService::new(service) })
    }

    /// For health reports.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends a request. No deadline: the caller sets one.
    ///
    /// # Errors
    /// When the service does not answer.
    pub async fn send(&self, request: Request<Body>) -> Result<Response<Body>, NoAnswer> {
        self.service.clone().oneshot(request).await
    }

    /// The same service, spoken to in gRPC.
    pub(crate) fn queries(&self) -> QueriesClient<GrpcTransport> {
        let service = ServiceBuilder::new()
            .map_request(|request: Request<tonic::body::Body>| request.map(Body::new))
            .service(self.service.clone());
        // A ledger has no largest size, and what answers is ours.
        QueriesClient::new(BoxCloneSyncService::new(service)).max_decoding_message_size(usize::MAX)
    }

    /// What its `/health/ready` says; `None`: that it is not ready, or nothing.
    pub async fn health(&self) -> Option<Health> {
        let request = Request::get("/health/ready").body(Body::empty()).ok()?;
        let answer = async {
            let answer = self.send(request).await.ok()?;
            let ready = answer.status().is_success();
            let body = to_bytes(answer.into_body(), HEALTH_LIMIT).await.ok()?;
            // Whoever is ready need not say more.
            ready.then(|| serde_json::from_slice(&body).unwrap_or_default())
        };
        timeout(HEALTH_TIMEOUT, answer).await.ok().flatten()
    }
}

fn authority(address: &str) -> Result<Authority, String> {
    let wrong = || format!("{address:?} is not an address like http://HOST:PORT");
    let uri: Uri = address.parse().map_err(|_| wrong())?;
    let plain = uri.scheme() == Some(&Scheme::HTTP) && matches!(uri.path(), "" | "/");
    uri.authority().filter(|_| plain).cloned().ok_or_else(wrong)
}

fn towards(authority: &Authority, mut request: Request<Body>) -> Request<Body> {
    let path = request.uri().path_and_query().cloned();
    let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
    let uri = Uri::builder().scheme(Scheme::HTTP).authority(authority.clone()).path_and_query(path);
    // All three parts are there, so that this cannot fail.
    if let Ok(uri) = uri.build() {
        *request.uri_mut() = uri;
    }
    request
}
