//! How long after a command was answered its readers see it, measured for `scripts/bench project`.
//!
//! Publishes articles at the door that `BENCH_DOOR` names, with the token `BENCH_TOKEN`, at a fixed
//! rate whether or not those before were answered (open loop), in the three default categories in
//! turn. As soon as a command is answered, its article is asked for with `Portal-Min-Position`: the
//! time until that is answered 200 is one sample, and contains the second request as well. What is
//! answered otherwise counts as wrong. Prints the number of samples, of wrong answers, and p50, p99
//! and p99.9 in milliseconds.

mod percentiles;

use std::time::{Duration, Instant};

use percentiles::percentile;
use reqwest::Client;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

type Error = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let (door, token) = (std::env::var("BENCH_DOOR")?, std::env::var("BENCH_TOKEN")?);
    let rate: u32 = std::env::var("BENCH_RATE")?.parse()?;
    let seconds: u32 = std::env::var("BENCH_SECONDS")?.parse()?;
    let client = Client::builder().timeout(Duration::from_secs(10)).build()?;
    let mut ticks = interval(Duration::from_secs(1) / rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut under_way = JoinSet::new();
    for number in 0..rate * seconds {
        ticks.tick().await;
        let (client, door, token) = (client.clone(), door.clone(), token.clone());
        under_way.spawn(async move { sample(&client, &door, &token, number).await });
    }
    let samples = under_way.join_all().await;
    // The first second is for connections and caches.
    let after_warm_up = usize::try_from(rate)?.min(samples.len());
    let good = samples.iter().skip(after_warm_up).filter_map(|sample| sample.as_ref().ok());
    let mut good: Vec<_> = good.copied().collect();
    good.sort_unstable();
    let at = |per_mille| percentile(&good, per_mille);
    let wrong = samples.iter().filter(|sample| sample.is_err()).count();
    println!("{} {wrong} {:.1} {:.1} {:.1}", good.len(), at(500), at(990), at(999));
    if let Some(Err(error)) = samples.iter().find(|sample| sample.is_err()) {
        eprintln!("the first that was wrong: {error}");
    }
    Ok(())
}

async fn sample(client: &Client, door: &str, token: &str, number: u32) -> Result<Duration, Error> {
    let category = ["famous", "politics", "sports"][usize::try_from(number % 3)?];
    let article = format!(
        r#"{{"title": "Article {number}", "content": "{}", "tags": ["bench"]}}"#,
        "Sentence of the text. ".repeat(45)
    );
    let command = client.post(format!("{door}/v1/news/{category}")).bearer_auth(token);
    let command = command.header("content-type", "application/json").body(article);
    let answer = command.send().await?.error_for_status()?;
    let of = |name: &str| answer.headers().get(name).cloned().ok_or("a header is missing");
    let (position, location) = (of("portal-position")?, of("location")?);
    let answered = Instant::now();
    let read = client.get(format!("{door}{}", location.to_str()?));
    read.header("portal-min-position", position).send().await?.error_for_status()?;
    Ok(answered.elapsed())
}
