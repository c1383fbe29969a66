//! The way out of the house: one POST to an address that somebody else has chosen.
//!
//! The addresses of a host are looked at when it is connected to, and it is these that are connected
//! to: a name that is resolved to another address a moment later changes nothing. Redirects are not
//! followed, of the answer only the status is read, and all of it has a deadline.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use axum::http::{Request, Uri};
use events::{BoxError, Chain, Timestamp};
use futures::future::BoxFuture;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use proto::CloudEvent;
use proto::v1::PublicEvent;
use rustls::ClientConfig;
use tokio::net::lookup_host;
use tokio::time::{Instant, timeout};
use tower::Service;

use super::secret::seconds;
use super::{Delivery, Webhook, address};

/// For the whole attempt: finding the host, connecting, and its answer.
const DEADLINE: Duration = Duration::from_secs(15);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer idle, a connection is not used again.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);
/// Of what is noted of an error.
const LONGEST_ERROR: usize = 300;

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

pub(super) struct Sender {
    client: Client<HttpsConnector<HttpConnector<Resolver>>, Body>,
    allow_private: bool,
}

impl Sender {
    pub(super) fn new(allow_private: bool) -> Self {
        let mut connector = HttpConnector::new_with_resolver(Resolver { allow_private });
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let tls = ClientConfig::builder().with_webpki_roots().with_no_client_auth();
        let tls = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(1)
            .build(tls.enable_http1().wrap_connector(connector));
        Self { client, allow_private }
    }

    /// One attempt; never an error, because what became of it is noted either way.
    pub(super) async fn send(
        &self,
        webhook: &Webhook,
        event: &PublicEvent,
        now: Timestamp,
    ) -> Delivery {
        let began = Instant::now();
        let answer = timeout(DEADLINE, self.post(webhook, event, now)).await;
        let answer = answer.unwrap_or_else(|_| Err("no answer in time".into()));
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (status, error) = match answer {
            Ok(status) => (Some(status), None),
            Err(error) => {
                let text = Chain(&*error).to_string();
                (None, Some(text.chars().take(LONGEST_ERROR).collect()))
            }
        };
        Delivery {
            number: webhook.deliveries + 1,
            event_id: event.id.clone(),
            event_type: event.event_type(),
            position: events::Position::new(event.position),
            redelivery: webhook.redelivery.is_some(),
            at: now,
            took_ms,
            status,
            error,
        }
    }

    async fn post(
        &self,
        webhook: &Webhook,
        event: &PublicEvent,
        now: Timestamp,
    ) -> Result<u16, BoxError> {
        // Again, because what is allowed may have changed since.
        let uri = address::parse(&webhook.url, self.allow_private)?;
        let request = request(uri, webhook, event, now)?;
        Ok(self.client.request(request).await?.status().as_u16())
    }
}

fn request(
    uri: Uri,
    webhook: &Webhook,
    event: &PublicEvent,
    now: Timestamp,
) -> Result<Request<Body>, BoxError> {
    let body = serde_json::to_vec(&CloudEvent::from(event))?;
    let former = webhook.former_secret.iter().filter(|(_, until)| now < *until);
    let secrets = std::iter::once(&webhook.secret).chain(former.map(|(secret, _)| secret));
    let signatures: Vec<_> = secrets.map(|secret| secret.sign(&event.id, now, &body)).collect();
    let request = Request::post(uri)
        .header(CONTENT_TYPE, CloudEvent::CONTENT_TYPE)
        .header(USER_AGENT, HeaderValue::from_static(concat!("portal/", env!("CARGO_PKG_VERSION"))))
        .header(WEBHOOK_ID, &event.id)
        .header(WEBHOOK_TIMESTAMP, seconds(now))
        .header(WEBHOOK_SIGNATURE, signatures.join(" "));
    Ok(request.body(Body::from(body))?)
}

/// Finds the addresses of a host, as far as it may be connected to them.
#[derive(Clone)]
struct Resolver {
    allow_private: bool,
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found = lookup_host((name.as_str(), 0)).await?;
            let may = |address: &SocketAddr| allow_private || address::is_public(address.ip());
            let allowed: Vec<_> = found.filter(may).collect();
            if allowed.is_empty() {
                return Err(io::Error::other("the host has no public address"));
            }
            Ok(allowed.into_iter())
        })
    }
}
