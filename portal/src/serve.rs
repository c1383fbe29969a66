//! Listening, and stopping without cutting anybody off.
//!
//! Invariant: whatever comes in is bounded here, before anything is done for it: connections, what
//! one of them may take its time for (`connection`), and requests (`admission`). What the limits
//! are and why is in docs/limits.md.

mod admission;
mod connection;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::serve::Listener;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::admission::Admission;
use self::connection::Connections;
use crate::settings::Settings;
use crate::tls;

/// How long requests that were accepted may take after SIGTERM: longer than any may take at all.
const DRAIN: Duration = Duration::from_secs(25);

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
/// What it answers with is made when it is known where it is reached; `guide` is printed once it
/// answers, after the line that says where.
pub(crate) async fn serve(
    settings: &Settings,
    scheme: &str,
    router: impl FnOnce(&str) -> Result<Router>,
    shutdown: CancellationToken,
    guide: impl FnOnce(&str) -> String,
) -> Result<()> {
    proto::metrics::started(env!("CARGO_PKG_VERSION"), env!("PORTAL_COMMIT"));
    let listen = &settings.listen;
    let tls = tls::acceptor(&settings.tls)?;
    let listener = TcpListener::bind(listen).await;
    let mut listener = listener.with_context(|| format!("--listen {listen} is not possible"))?;
    let with_tls = if tls.is_some() { "s" } else { "" };
    let url = format!("{scheme}{with_tls}://{}", listener.local_addr()?);
    let router = router(&url)?;
    println!("listening on {url}{}", guide(&url));
    let places = Arc::new(Semaphore::new(settings.max_connections.get().into()));
    let admission = Admission::default();
    let (stop, idle) = (shutdown.clone(), settings.idle_timeout);
    let connections = Connections::new(router, admission, tls, stop, Arc::clone(&places), idle);
    let open = TaskTracker::new();
    let accepting = async {
        // Closed never, so that this ends with the token alone.
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            // Waits and tries again when the process has no descriptor left.
            let (stream, peer) = Listener::accept(&mut listener).await;
            let connection = connections.clone();
            open.spawn(async move {
                connection.serve(stream, peer).await;
                drop(place);
            });
        }
    };
    shutdown.run_until_cancelled(accepting).await;
    drop(listener);
    open.close();
    if timeout(DRAIN, open.wait()).await.is_err() {
        tracing::warn!("some connections were still busy and are cut off");
    }
    Ok(())
}
