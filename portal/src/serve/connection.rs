//! Serves one connection, with its timeouts and limits.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use proto::conventions::Ending;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::service_fn;

use super::admission::Admission;

/// Timeout of the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Interval of the idle check, which closes a connection without requests since the last check.
/// Longer than `--idle-timeout`, because HTTP/2 uses one connection for a long time.
const IDLE: Duration = Duration::from_secs(60);
/// Maximum size of a request head, in bytes; browsers and our clients with a token need 1 to 4 KiB.
const HEAD_BYTES: usize = 32 << 10;
/// Maximum number of concurrent requests of one HTTP/2 connection.
const STREAMS: u32 = 256;
/// Interval of HTTP/2 keep-alive pings; a peer that does not answer them is disconnected.
const PING: Duration = Duration::from_secs(20);

/// Serves connections. Clones share all state.
#[derive(Clone)]
pub(super) struct Connections {
    router: Router,
    admission: Admission,
    tls: Option<TlsAcceptor>,
    shutdown: CancellationToken,
    ending: Ending,
    /// One permit per connection that may still be accepted.
    places: Arc<Semaphore>,
    http: Arc<Builder<TokioExecutor>>,
}

impl Connections {
    pub(super) fn new(
        router: Router,
        admission: Admission,
        tls: Option<TlsAcceptor>,
        shutdown: CancellationToken,
        places: Arc<Semaphore>,
        idle_timeout: Duration,
    ) -> Self {
        let mut http = Builder::new(TokioExecutor::new());
        let http1 = &mut http.http1();
        http1.timer(TokioTimer::new()).header_read_timeout(idle_timeout).max_buf_size(HEAD_BYTES);
        http.http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX));
        let ending = Ending(Arc::new(shutdown.clone()));
        Self { router, admission, tls, shutdown, ending, places, http: Arc::new(http) }
    }

    /// Returns when the connection is closed.
    pub(super) async fn serve(self, stream: TcpStream, peer: SocketAddr) {
        // Nagle's algorithm would delay small responses.
        let _ = stream.set_nodelay(true);
        let Some(tls) = self.tls.clone() else { return self.speak_http(stream, peer).await };
        match timeout(HANDSHAKE, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.speak_http(stream, peer).await,
            Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS connection came about"),
            Err(_) => tracing::debug!(%peer, "no TLS connection came about in time"),
        }
    }

    async fn speak_http(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: SocketAddr,
    ) {
        // A child token per connection: each wake-up checks the token, and connections that shared
        // one would contend for its lock.
        let (http, shutdown) = (Arc::clone(&self.http), self.shutdown.child_token());
        let served = Arc::new(Served { connections: self, peer, used: Use::default() });
        let of_requests = Arc::clone(&served);
        let service = service_fn(move |request: Request<_>| {
            let served = Arc::clone(&of_requests);
            async move { Ok::<_, Infallible>(served.answer(request.map(Body::new)).await) }
        });
        let connection =
            http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        let mut connection = std::pin::pin!(connection);
        let idle_or_stopped = async {
            tokio::select! {
                () = served.used.ends() => {}
                () = shutdown.cancelled() => {}
            }
        };
        let ended = tokio::select! {
            biased;
            ended = &mut connection => ended,
            () = idle_or_stopped => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "a connection broke");
        }
    }
}

/// One connection, shared by its requests.
struct Served {
    connections: Connections,
    peer: SocketAddr,
    used: Use,
}

impl Served {
    async fn answer(&self, mut request: Request<Body>) -> Response<Body> {
        let Connections { router, admission, places, ending, .. } = &self.connections;
        let _under_way = UnderWay::begin(&self.used);
        request.extensions_mut().insert(ConnectInfo(self.peer));
        request.extensions_mut().insert(ending.clone());
        let keeps_place = request.version() <= Version::HTTP_11;
        let mut response = admission.answer(router.clone(), request).await;
        // When no permit is left, an HTTP/1 connection closes after its response to make room.
        if keeps_place && places.available_permits() == 0 {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// Counts the requests of a connection.
#[derive(Default)]
struct Use {
    under_way: AtomicUsize,
    begun: AtomicUsize,
}

impl Use {
    /// Returns when no request was active from one check to the next.
    async fn ends(&self) {
        let mut looks = interval(IDLE);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        looks.tick().await;
        let mut known = usize::MAX;
        loop {
            let begun = self.begun.load(Ordering::Relaxed);
            if begun == known && self.under_way.load(Ordering::Relaxed) == 0 {
                return;
            }
            known = begun;
            looks.tick().await;
        }
    }
}

/// Counts a request as active until it is dropped.
struct UnderWay<'a>(&'a Use);

impl<'a> UnderWay<'a> {
    fn begin(of: &'a Use) -> Self {
        of.begun.fetch_add(1, Ordering::Relaxed);
        of.under_way.fetch_add(1, Ordering::Relaxed);
        Self(of)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_ends_when_nobody_uses_it_and_not_before() {
        let connection = Use::default();
        let request = UnderWay::begin(&connection);
        assert!(timeout(10 * IDLE, connection.ends()).await.is_err(), "a request is under way");
        drop(request);
        let ended = timeout(3 * IDLE, connection.ends()).await;
        assert!(ended.is_ok(), "nobody uses it");
    }
}
