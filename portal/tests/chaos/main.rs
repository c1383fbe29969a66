//! Several of each service on real servers under a mixed load, while all of them are killed, paused
//! and restarted and the wires between them are cut, slow or dead: nothing that was acknowledged is
//! lost, nothing is carried out twice, no reader sees anything go backwards, and in the end
//! everything is whole, without help.
//!
//! `scripts/chaos` runs it longer. What happens follows from a seed (`PORTAL_TEST_SEED`); when it
//! happens to which request does not, so that a run cannot be repeated exactly, only likewise.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "it is another program, which uses the rest")]
#[path = "../support/mod.rs"]
mod support;

mod checks;
mod faults;
mod fleet;
mod ledger;
mod proxy;
mod readers;
mod requests;
mod writers;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use faults::{Faults, timestamp};
use fleet::Fleet;
use ledger::Ledger;
use proxy::Wire;
use readers::Reader;
use support::eventually;
use support::http::{Answer, Door};
use support::newsroom::Random;
use writers::Writer;

const WRITERS: usize = 24;
const READERS: usize = 8;
/// How long trouble lasts unless `PORTAL_CHAOS_MINUTES` says otherwise; healing and the checks come on
/// top of it.
const MINUTES: f64 = 1.0 / 3.0;

fn duration() -> Duration {
    let minutes = std::env::var("PORTAL_CHAOS_MINUTES").ok();
    let minutes = minutes.map(|text| text.parse().expect("PORTAL_CHAOS_MINUTES is a number"));
    Duration::from_secs_f64(60.0 * minutes.unwrap_or(MINUTES))
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_done_twice_whatever_fails() {
    let random = Random::seeded();
    let seed = random.0;
    let mut fleet = Fleet::start().await;
    let mut logs = Logs { from: fleet.portal.logs(), seed, kept: false };
    let doors = fleet.doors();
    let ledger = Arc::new(Ledger::default());
    let end = Instant::now() + duration();
    let writer = |number| Writer::new(number, &doors, &random, &ledger).work(end);
    let writers: JoinSet<_> = (0..WRITERS).map(writer).collect();
    let reader = |number| {
        let random = Random(random.0.wrapping_sub(1 + number as u64));
        Reader::new(&doors, random, &ledger).work(end)
    };
    let readers: JoinSet<_> = (0..READERS).map(reader).collect();

    let mut faults = Faults::new(Random(seed ^ 1));
    faults.happen(&mut fleet, duration()).await;
    let healed = Instant::now();
    let after = |what: &str| println!("{} {what} {:?}", timestamp(), healed.elapsed());
    fleet.is_ready().await;
    after("every service is ready after");
    readers.join_all().await;
    writers.join_all().await;
    after("every client knows what became of its commands after");
    let events = checks::is_quiet(&fleet).await;
    after("everything planned is published and every view is whole after");
    let quiet = healed.elapsed();

    faults.wrong.drain(..).for_each(|what| ledger.is_wrong(what));
    checks::is_complete(&ledger, &events);
    checks::plans_were_kept(&ledger, &events);
    let counts = checks::count(&ledger, &events);
    checks::readers_find_each_article(&ledger, &doors).await;

    let (wrong, queries) = (ledger.wrong(), *ledger.queries());
    println!(
        "chaos: seed {seed}, {} faults, {} commands, {} acknowledged, {} refused, {} unknown, \
         {} lost, {} duplicated; {} queries, {} without an answer; quiet after {:.1} s; {} wrong{}",
        faults.count,
        counts.commands,
        counts.acknowledged,
        counts.refused,
        counts.unknown,
        counts.lost,
        counts.duplicated,
        queries.answered,
        queries.unanswered,
        quiet.as_secs_f64(),
        wrong.len(),
        if wrong.is_empty() { String::new() } else { format!("; logs in {}", logs.keep()) },
    );
    assert!(counts.acknowledged > 0, "nothing was tried");
    assert_eq!(wrong, Vec::<String>::new());
}

/// As a firewall does that was restarted: both ends believe that they are connected, and nobody
/// tells them otherwise for a quarter of an hour.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_the_network_has_forgotten_cost_seconds() {
    let fleet = Fleet::start().await;
    let doors = fleet.doors();
    works(&doors).await;
    for _ in 0..2 {
        fleet.wires.iter().for_each(|(_, wire)| wire.set(Wire::Forgotten));
        works(&doors).await;
    }
    checks::is_quiet(&fleet).await;
}

/// Each door takes a command and shows what became of it, soon.
async fn works(doors: &[Door]) {
    for door in doors {
        let body = json!({"title": "News", "content": "Text."});
        let published = eventually("a command that is carried out", async || {
            let request = door.request(Method::POST, "/v1/news/politics").json(&body);
            Answer::try_of(request).await.ok().filter(|answer| answer.status == 201)
        })
        .await;
        let path = published.header("location");
        eventually("the article is readable", async || {
            let answer = Answer::try_of(door.get_at(path, published.position())).await.ok()?;
            (answer.status == 200).then_some(())
        })
        .await;
    }
}

/// What the services logged, for whoever looks into a failure.
struct Logs {
    from: PathBuf,
    seed: u64,
    kept: bool,
}

impl Logs {
    /// Moves them to where they outlive the run.
    fn keep(&mut self) -> String {
        self.kept = true;
        let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("chaos-{}", self.seed));
        std::fs::create_dir_all(&to).expect("a folder");
        for file in std::fs::read_dir(&self.from).into_iter().flatten().flatten() {
            let _ = std::fs::copy(file.path(), to.join(file.file_name()));
            let _ = std::fs::remove_file(file.path());
        }
        to.display().to_string()
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.kept {
            let logs = self.keep();
            println!("chaos: seed {}, not finished; logs in {logs}", self.seed);
        }
    }
}
