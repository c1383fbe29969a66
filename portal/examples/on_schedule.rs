//! How long an answer takes at a steady rate, measured for `scripts/bench home` and `scripts/load`.
//!
//! Asks the door that `BENCH_DOOR` names `BENCH_RATE` times a second for `BENCH_SECONDS`, over 32
//! connections (`BENCH_CONNECTIONS`) in turn, for the front page (`BENCH_PATH`), as nobody or with
//! `BENCH_TOKEN`. An answer's time counts from when its request was due (open model): one that is
//! late makes those after it late as well, as it would for readers, who come whether or not those
//! before were answered. Who would begin two seconds late has gone: that counts as wrong, as every
//! answer but 200 does, and bounds a run at a rate that nobody can keep up with. Prints the number of
//! samples, p50, p99 and the maximum in milliseconds, and how many were wrong.
//!
//! Threads that block, because the ticks of tokio's clock are longer than what is measured.

mod percentiles;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use percentiles::percentile;

/// Until the first request is due: all are connected by then.
const START: Duration = Duration::from_millis(200);
/// How late somebody still asks, and how long somebody waits for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

type Error = Box<dyn std::error::Error + Send + Sync>;

/// What one connection saw.
#[derive(Default)]
struct Seen {
    samples: Vec<Duration>,
    wrong: usize,
}

fn main() -> Result<(), Error> {
    let setting = |name: &str, default: &str| std::env::var(name).unwrap_or(default.to_owned());
    let door = std::env::var("BENCH_DOOR")?;
    let rate: u32 = std::env::var("BENCH_RATE")?.parse()?;
    let seconds: u32 = std::env::var("BENCH_SECONDS")?.parse()?;
    let connections: u32 = setting("BENCH_CONNECTIONS", "32").parse()?;
    let address = door.trim_start_matches("http://");
    let mut request =
        format!("GET {} HTTP/1.1\r\nhost: {address}\r\n", setting("BENCH_PATH", "/v1/home"));
    if let Ok(token) = std::env::var("BENCH_TOKEN") {
        request += &format!("authorization: Bearer {token}\r\n");
    }
    request += "\r\n";
    let began = Instant::now() + START;
    let due = |turn: u32| began + Duration::from_secs_f64(f64::from(turn) / f64::from(rate));
    let (mut samples, mut wrong) = (Vec::new(), 0);
    thread::scope(|scope| {
        let connection = |number: u32| {
            let turns = (number..rate * seconds).step_by(connections as usize);
            let request = &request;
            scope.spawn(move || ask(address, request, turns.map(due)))
        };
        let connections: Vec<_> = (0..connections).map(connection).collect();
        for connection in connections {
            let seen = connection.join().map_err(|_| "a connection panicked")?;
            samples.extend(seen.samples);
            wrong += seen.wrong;
        }
        Ok::<_, Error>(())
    })?;
    samples.sort_unstable();
    let at = |per_mille| percentile(&samples, per_mille);
    println!("{} {:.2} {:.2} {:.2} {wrong}", samples.len(), at(500), at(990), at(1000));
    Ok(())
}

/// One connection, made again when it fails: how late each of its answers was.
fn ask(address: &str, request: &str, dues: impl Iterator<Item = Instant>) -> Seen {
    let mut seen = Seen::default();
    let mut connection = connect(address).ok();
    for due in dues {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if due.elapsed() > ANSWER_TIMEOUT {
            seen.wrong += 1;
            continue;
        }
        let answered =
            connection.take().map_or_else(|| connect(address), Ok).and_then(|mut open| {
                let good = exchange(&mut open, request)?;
                connection = Some(open);
                Ok(good)
            });
        match answered {
            Ok(true) => seen.samples.push(due.elapsed()),
            Ok(false) | Err(_) => seen.wrong += 1,
        }
    }
    seen
}

fn connect(address: &str) -> Result<BufReader<TcpStream>, Error> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    Ok(BufReader::new(stream))
}

/// Whether the answer is 200.
fn exchange(connection: &mut BufReader<TcpStream>, request: &str) -> Result<bool, Error> {
    connection.get_mut().write_all(request.as_bytes())?;
    let (mut line, mut length) = (String::new(), 0);
    connection.read_line(&mut line)?;
    let good = line.starts_with("HTTP/1.1 200 ");
    while !line.trim().is_empty() {
        line.clear();
        connection.read_line(&mut line)?;
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    let body = std::io::copy(&mut connection.take(length), &mut std::io::sink())?;
    if body == length { Ok(good) } else { Err("an answer was cut off".into()) }
}
