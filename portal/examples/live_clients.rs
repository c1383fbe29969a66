//! How long after a command was sent those who listen hear of it, measured for `scripts/bench live`.
//!
//! `BENCH_CLIENTS` clients listen to `/v1/live` at the door that `BENCH_DOOR` names. When all are
//! there, articles are published with the token `BENCH_TOKEN`, `BENCH_RATE` a second for
//! `BENCH_SECONDS`. One sample is the time from when a command was sent, so that its commit is in
//! it, until one client has its frame. Prints the number of samples, and p50, p99 and the maximum
//! in milliseconds; fails if anybody misses one.
//!
//! A client is a socket of which lines are read, so that not the clients are what is measured.

mod percentiles;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
use percentiles::percentile;
use reqwest::Client;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

/// Clients that connect at a time.
const CONNECTING: usize = 64;
/// For those who have not heard everything when the last command was answered.
const PATIENCE: Duration = Duration::from_secs(30);

type Error = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Error> {
    let door = std::env::var("BENCH_DOOR")?;
    let rate: u32 = std::env::var("BENCH_RATE")?.parse()?;
    let seconds: u32 = std::env::var("BENCH_SECONDS")?.parse()?;
    let clients: usize = std::env::var("BENCH_CLIENTS")?.parse()?;
    let connecting = stream::iter((0..clients).map(|_| connect(&door)));
    let sockets: Vec<_> = connecting.buffer_unordered(CONNECTING).try_collect().await?;
    let events = rate * seconds;
    let listening: JoinSet<_> = sockets.into_iter().map(|socket| listen(socket, events)).collect();
    let sent = publish(&door, rate, events).await?;
    let heard = timeout(PATIENCE, listening.join_all()).await;
    let heard = heard.map_err(|_| "some did not hear everything")?;
    let mut samples = Vec::with_capacity(clients * sent.len());
    for client in heard {
        for (position, at) in client? {
            let sent = sent.get(&position).ok_or("an event that nobody sent")?;
            samples.push(at.saturating_duration_since(*sent));
        }
    }
    samples.sort_unstable();
    let at = |per_mille| percentile(&samples, per_mille);
    println!("{} {:.1} {:.1} {:.1}", samples.len(), at(500), at(990), at(1000));
    Ok(())
}

/// Somebody who listens: the head of the answer was read.
async fn connect(door: &str) -> Result<BufReader<TcpStream>, Error> {
    let address = door.trim_start_matches("http://");
    let mut socket = BufReader::with_capacity(2 << 10, TcpStream::connect(address).await?);
    let request = format!("GET /v1/live HTTP/1.1\r\nhost: {address}\r\n\r\n");
    socket.write_all(request.as_bytes()).await?;
    let mut line = String::new();
    socket.read_line(&mut line).await?;
    if !line.starts_with("HTTP/1.1 200 ") {
        return Err(format!("answered {line}").into());
    }
    while line.trim() != "" {
        line.clear();
        socket.read_line(&mut line).await?;
    }
    Ok(socket)
}

/// When it heard of each position. A frame is one chunk, so its lines begin where lines begin.
async fn listen(
    mut socket: BufReader<TcpStream>,
    events: u32,
) -> Result<Vec<(u64, Instant)>, Error> {
    let (mut heard, mut last, mut line) = (Vec::new(), 0, String::new());
    while heard.len() < events as usize {
        line.clear();
        if socket.read_line(&mut line).await? == 0 {
            return Err("the door has closed".into());
        }
        if let Some(id) = line.strip_prefix("id: ") {
            last = id.trim().parse()?;
        } else if line.starts_with("event: ") {
            heard.push((last, Instant::now()));
        }
    }
    Ok(heard)
}

/// When the command of each position was sent.
async fn publish(door: &str, rate: u32, events: u32) -> Result<HashMap<u64, Instant>, Error> {
    let token = std::env::var("BENCH_TOKEN")?;
    let article = format!(
        r#"{{"title": "An article", "content": "{}", "tags": ["bench"]}}"#,
        "Sentence of the text. ".repeat(45)
    );
    let command = Client::new().post(format!("{door}/v1/news/sports")).bearer_auth(token);
    let command = command.header("content-type", "application/json").body(article);
    let mut ticks = interval(Duration::from_secs(1) / rate);
    let mut under_way = JoinSet::new();
    for _ in 0..events {
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
