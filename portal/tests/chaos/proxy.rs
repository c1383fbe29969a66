//! A wire between two programs that can be cut, slow, or dead in one direction or both.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

/// What the wire does with what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    Passes,
    /// Every piece comes so much later.
    Slow(Duration),
    /// Nothing arrives, and nobody is told.
    Silent,
    /// What is asked arrives; the answers do not.
    Deaf,
    /// Every connection is broken, and so is every new one.
    Broken,
    /// The connections that are there go silent for ever; new ones are carried.
    Forgotten,
}

/// What happens to connections is counted, so that it also meets those that slept meanwhile.
#[derive(Debug, Clone, Copy)]
struct State {
    wire: Wire,
    breaks: u64,
    forgets: u64,
}

/// Listens, and carries to one address what comes.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    state: watch::Sender<State>,
    _accepting: AbortOnDropHandle<()>,
}

impl Proxy {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its number");
        let (state, watched) = watch::channel(State { wire: Wire::Passes, breaks: 0, forgets: 0 });
        let accepting = tokio::spawn(accept(listener, target, watched));
        Self { address, state, _accepting: AbortOnDropHandle::new(accepting) }
    }

    pub(crate) fn set(&self, wire: Wire) {
        self.state.send_modify(|state| {
            state.breaks += u64::from(wire == Wire::Broken);
            state.forgets += u64::from(wire == Wire::Forgotten);
            state.wire = wire;
        });
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, state: watch::Receiver<State>) {
    while let Ok((client, _)) = listener.accept().await {
        if state.borrow().wire != Wire::Broken {
            tokio::spawn(carry(client, target, state.clone()));
        }
    }
}

async fn carry(client: TcpStream, target: SocketAddr, state: watch::Receiver<State>) {
    let Ok(server) = TcpStream::connect(target).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let began = *state.borrow();
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    let asks = Direction { state: state.clone(), began, answers: false };
    let answers = Direction { state, began, answers: true };
    tokio::join!(asks.pump(from_client, to_server), answers.pump(from_server, to_client));
}

struct Direction {
    state: watch::Receiver<State>,
    /// As it was when the connection was made.
    began: State,
    answers: bool,
}

impl Direction {
    async fn pump(mut self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut buffer = vec![0; 16 * 1024];
        while let Some(delay) = self.passes().await {
            let read = tokio::select! {
                _ = self.state.changed() => continue,
                read = from.read(&mut buffer) => read,
            };
            let Some(length) = read.ok().filter(|length| *length > 0) else { break };
            sleep(delay).await;
            // What was read before the wire went dead has not left it yet.
            if self.passes().await.is_none() || to.write_all(&buffer[..length]).await.is_err() {
                break;
            }
        }
        let _ = to.shutdown().await;
    }

    /// Waits until something may pass, and tells how slowly; `None` when the connection is broken.
    async fn passes(&mut self) -> Option<Duration> {
        loop {
            let State { wire, breaks, forgets } = *self.state.borrow_and_update();
            if breaks != self.began.breaks {
                return None;
            }
            match wire {
                _ if forgets != self.began.forgets => {}
                Wire::Slow(delay) => return Some(delay),
                Wire::Silent => {}
                Wire::Deaf if self.answers => {}
                _ => return Some(Duration::ZERO),
            }
            self.state.changed().await.ok()?;
        }
    }
}
