//! How long after a command was sent those who listen hear of it, and how long who only writes the
//! same bytes into as many sockets takes: measured for `scripts/bench live`.
//!
//! `BENCH_CLIENTS` clients listen to `/v1/live` at the door that `BENCH_DOOR` names. When all are
//! there, articles are published with the token `BENCH_TOKEN`, `BENCH_RATE` a second for
//! `BENCH_SECONDS`. One sample is the time from when a command was sent, so that its commit is in
//! it, until one client has its frame. The same clients then hear as many frames as long as the last
//! one from two threads that do nothing else. Prints for each of the two, in a line, the number of
//! samples, and p50, p99 and the maximum in milliseconds; fails if anybody misses one, or hears of one twice
//! or too late.
//!
//! A client is a socket, and two threads read all of them, so that not the clients are what is
//! measured.

mod percentiles;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{JoinHandle, scope, sleep, spawn};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use percentiles::percentile;
use reqwest::Client;
use tokio::task::JoinSet;
use tokio::time::interval;

/// Of those who listen, and of those who only write.
const THREADS: usize = 2;
/// For those who have not heard everything long after the last was sent.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);

type Error = Box<dyn std::error::Error + Send + Sync>;
/// When what stands at a position was sent, or heard.
type Times = HashMap<u64, Instant>;
type Accepting = JoinHandle<Result<Vec<TcpStream>, Error>>;

#[derive(Clone, Copy)]
struct Load {
    clients: usize,
    rate: u32,
    events: u32,
}

fn main() -> Result<(), Error> {
    let of = |name| std::env::var(name).map_err(|error| format!("{name}: {error}"));
    let (door, token) = (of("BENCH_DOOR")?, of("BENCH_TOKEN")?);
    let rate: u32 = of("BENCH_RATE")?.parse()?;
    let seconds: u32 = of("BENCH_SECONDS")?.parse()?;
    let load = Load { clients: of("BENCH_CLIENTS")?.parse()?, rate, events: rate * seconds };
    let address = door.trim_start_matches("http://");
    let bytes = measure(load, address, || publish(&door, &token, load))?;
    let (address, accepting) = accept_all(load)?;
    let mut sockets = Vec::new();
    measure(load, &address, || {
        sockets = accepting.join().map_err(|_| "panicked")??;
        write_to_all(&mut sockets, load, bytes)
    })?;
    Ok(())
}

/// Prints what it measured, and returns how long a frame is, in bytes.
fn measure(
    load: Load,
    address: &str,
    send: impl FnOnce() -> Result<Times, Error>,
) -> Result<usize, Error> {
    let clients: Result<Vec<_>, _> = (0..load.clients).map(|_| Listener::at(address)).collect();
    let mut clients = clients?;
    let (sent, heard) = scope(|scope| {
        let each = load.clients.div_ceil(THREADS);
        let listening =
            clients.chunks_mut(each).map(|some| scope.spawn(|| listen(some, load.events)));
        let listening: Vec<_> = listening.collect();
        // Also where it failed: those who listen then give up by themselves.
        let sent = send();
        let heard = listening.into_iter().map(|some| some.join().map_err(|_| "panicked")?);
        let heard: Result<Vec<_>, Error> = heard.collect();
        Ok::<_, Error>((sent?, heard?))
    })?;
    let mut samples = Vec::with_capacity(load.clients * sent.len());
    for (position, at) in heard.into_iter().flatten() {
        let sent = sent.get(&position).ok_or("an event that nobody sent")?;
        samples.push(at.saturating_duration_since(*sent));
    }
    samples.sort_unstable();
    let at = |per_mille| percentile(&samples, per_mille);
    println!("{} {:.1} {:.1} {:.1}", samples.len(), at(500), at(990), at(1000));
    Ok(clients.first().map_or(0, |client| client.frame))
}

/// Somebody who listens.
struct Listener {
    socket: mio::net::TcpStream,
    /// A line of which the end is missing.
    begun: Vec<u8>,
    /// The id that was named last.
    id: u64,
    /// The last position of which it heard.
    heard: Option<u64>,
    events: u32,
    /// Bytes since the last frame ended.
    bytes: usize,
    /// Bytes that the last frame took, as it was sent.
    frame: usize,
}

impl Listener {
    /// One to whom the head of the answer was sent.
    fn at(address: &str) -> Result<Self, Error> {
        let mut socket = TcpStream::connect(address)?;
        write!(socket, "GET /v1/live HTTP/1.1\r\nhost: {address}\r\n\r\n")?;
        let mut head = BufReader::new(&socket);
        let mut line = String::new();
        head.read_line(&mut line)?;
        if !line.starts_with("HTTP/1.1 200 ") {
            return Err(format!("answered {line}").into());
        }
        while !line.trim().is_empty() {
            line.clear();
            head.read_line(&mut line)?;
        }
        let begun = head.buffer().to_vec();
        socket.set_nonblocking(true)?;
        let socket = mio::net::TcpStream::from_std(socket);
        Ok(Self { socket, begun, id: 0, heard: None, events: 0, bytes: 0, frame: 0 })
    }

    /// Reads what there is, and notes which positions it heard of. A frame is one chunk, so its lines
    /// begin where lines begin.
    fn read(&mut self, buffer: &mut [u8], heard: &mut Vec<(u64, Instant)>) -> Result<(), Error> {
        loop {
            let bytes = match self.socket.read(buffer) {
                Ok(0) => return Err("the door has closed".into()),
                Ok(bytes) => bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let now = Instant::now();
            self.begun.extend_from_slice(&buffer[..bytes]);
            let whole = self.begun.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            for line in self.begun[..whole].split_inclusive(|byte| *byte == b'\n') {
                self.bytes += line.len();
                if let Some(id) = line.strip_prefix(b"id: ") {
                    self.id = std::str::from_utf8(id)?.trim().parse()?;
                } else if line.starts_with(b"event: ") {
                    if self.heard.replace(self.id) >= Some(self.id) {
                        return Err("an event came twice, or out of order".into());
                    }
                    self.events += 1;
                    heard.push((self.id, now));
                } else if line == b"\n" {
                    self.frame = std::mem::take(&mut self.bytes);
                }
            }
            self.begun.drain(..whole);
            // The rest has not come yet, or the socket would have filled the buffer.
            if bytes < buffer.len() {
                return Ok(());
            }
        }
    }
}

/// Until each of these has heard of so many events.
fn listen(clients: &mut [Listener], events: u32) -> Result<Vec<(u64, Instant)>, Error> {
    let mut poll = Poll::new()?;
    for (number, client) in clients.iter_mut().enumerate() {
        poll.registry().register(&mut client.socket, Token(number), Interest::READABLE)?;
    }
    let mut ready = Events::with_capacity(1_024);
    let everything = clients.len() * events as usize;
    let mut heard = Vec::with_capacity(everything);
    let mut buffer = [0; 8 << 10];
    let mut heard_last = Instant::now();
    while heard.len() < everything {
        // A heartbeat is no news.
        if heard_last.elapsed() > SILENCE_TIMEOUT {
            return Err("some did not hear everything".into());
        }
        poll.poll(&mut ready, Some(SILENCE_TIMEOUT))?;
        let before = heard.len();
        for event in &ready {
            clients[event.token().0].read(&mut buffer, &mut heard)?;
        }
        if heard.len() > before {
            heard_last = Instant::now();
        }
    }
    let all_heard = clients.iter().all(|client| client.events == events);
    if all_heard { Ok(heard) } else { Err("some heard more than was sent".into()) }
}

/// When the command of each position was sent.
#[tokio::main(flavor = "current_thread")]
async fn publish(door: &str, token: &str, load: Load) -> Result<Times, Error> {
    let article = format!(
        r#"{{"title": "An article", "content": "{}", "tags": ["bench"]}}"#,
        "Sentence of the text. ".repeat(45)
    );
    let command = Client::new().post(format!("{door}/v1/news/sports")).bearer_auth(token);
    let command = command.header("content-type", "application/json").body(article);
    let mut ticks = interval(Duration::from_secs(1) / load.rate);
    let mut under_way = JoinSet::new();
    for _ in 0..load.events {
        ticks.tick().await;
        let command = command.try_clone().ok_or("a body that cannot be sent again")?;
        under_way.spawn(async move {
            let sent = Instant::now();
            let answer = command.send().await?.error_for_status()?;
            let position = answer.headers().get("portal-position").ok_or("no position")?;
            Ok::<_, Error>((position.to_str()?.parse()?, sent))
        });
    }
    under_way.join_all().await.into_iter().collect()
}

/// Takes as many listeners as will come, and answers each with the head: where, and who they are.
fn accept_all(load: Load) -> Result<(String, Accepting), Error> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let accepting = spawn(move || {
        let mut sockets = Vec::with_capacity(load.clients);
        for _ in 0..load.clients {
            let (mut socket, _) = listener.accept()?;
            let request = BufReader::new(&socket).lines();
            request.take_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty())).count();
            socket.set_nodelay(true)?;
            socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")?;
            sockets.push(socket);
        }
        Ok(sockets)
    });
    Ok((address, accepting))
}

/// One frame after the other, as long as that, and nothing else: what this machine can do at best.
/// When each was due.
fn write_to_all(sockets: &mut [TcpStream], load: Load, bytes: usize) -> Result<Times, Error> {
    let pause = Duration::from_secs(1) / load.rate;
    let begin = Instant::now() + pause;
    let due = |position: u32| begin + position * pause;
    let write = |sockets: &mut [TcpStream]| {
        for position in 0..load.events {
            let frame = format!("id: {position}\nevent: bare\ndata: ");
            let rest = bytes.saturating_sub(frame.len() + 2);
            let frame = format!("{frame}{:.<rest$}\n\n", "");
            sleep(due(position).saturating_duration_since(Instant::now()));
            for socket in &mut *sockets {
                socket.write_all(frame.as_bytes())?;
            }
        }
        Ok::<_, Error>(())
    };
    scope(|scope| {
        let some = sockets.chunks_mut(load.clients.div_ceil(THREADS));
        let writing: Vec<_> = some.map(|some| scope.spawn(|| write(some))).collect();
        writing.into_iter().try_for_each(|some| some.join().map_err(|_| "panicked")?)
    })?;
    Ok((0..load.events).map(|position| (position.into(), due(position))).collect())
}
