//! Listening, and stopping without cutting anybody off.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long requests that were accepted may take after SIGTERM.
const DRAIN: Duration = Duration::from_secs(15);

/// A token that SIGTERM and Ctrl-C cancel.
pub(crate) fn shutdown_on_signal() -> Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let cancelled = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: what was accepted is finished first");
        cancelled.cancel();
    });
    Ok(token)
}

/// Answers on an address until the token is cancelled, then finishes what it has accepted.
/// `guide` is printed once it answers, after the line that says where.
pub(crate) async fn serve(
    listen: &str,
    scheme: &str,
    router: Router,
    shutdown: CancellationToken,
    guide: impl FnOnce(&str) -> String,
) -> Result<()> {
    proto::metrics::started(env!("CARGO_PKG_VERSION"));
    let listener = TcpListener::bind(listen).await;
    let listener = listener.with_context(|| format!("--listen {listen} is not possible"))?;
    let address = listener.local_addr()?.to_string();
    println!("listening on {scheme}://{address}{}", guide(&address));
    // Small answers must not wait for Nagle's algorithm.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let stopping = shutdown.clone();
    let router = router.into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, router)
        .with_graceful_shutdown(async move { stopping.cancelled().await });
    let mut serving = std::pin::pin!(serving.into_future());
    tokio::select! {
        served = &mut serving => return Ok(served?),
        () = shutdown.cancelled() => {}
    }
    match timeout(DRAIN, serving).await {
        Ok(served) => Ok(served?),
        Err(_) => {
            tracing::warn!("some connections were still busy and are cut off");
            Ok(())
        }
    }
}
