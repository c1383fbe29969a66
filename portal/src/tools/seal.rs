//! `portal seal`: writes down what the log is, so that `portal verify --seal` can tell whether it
//! still is that.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use events::seal::{Seal, Sealing};
use events::{EventReader, Position};

use crate::progress::Meter;
use crate::settings::{Addresses, SealFile};
use crate::wiring;

/// Events in memory at most.
const PAGE: usize = 1_000;

/// Adds what has come since the last seal of the file, after a look at what it ends with.
pub(crate) async fn run(addresses: &Addresses, arguments: SealFile) -> Result<()> {
    let log = wiring::existing_event_log(addresses).await?;
    let path = &arguments.file;
    let known = match read(path) {
        Err(error) if is_missing(&error) => Vec::new(),
        known => known?,
    };
    let walked = walk(&*log, &known, Start::LastLink).await?;
    if let Some(difference) = walked.difference {
        bail!("{difference}; nothing was sealed");
    }
    let file = OpenOptions::new().create(true).append(true).open(path);
    let mut file = file.with_context(|| path.display().to_string())?;
    let newest = known.last().map_or(Position::START, |seal| seal.position);
    for seal in walked.links.iter().chain([&walked.head]).filter(|seal| seal.position > newest) {
        writeln!(file, "{}", serde_json::to_string(seal)?)?;
    }
    file.sync_all()?;
    println!("sealed up to position {}: {}", walked.head.position, walked.head.hash);
    Ok(())
}

fn is_missing(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::NotFound)
}

/// Compares the log with every seal of a file. One line is enough.
pub(super) async fn compare(log: &dyn EventReader, path: &Path) -> Result<Compared> {
    let known = read(path)?;
    let Some(last) = known.last() else { bail!("{}: no seal in it", path.display()) };
    let walked = walk(log, &known, Start::Beginning).await?;
    Ok(Compared { position: last.position, difference: walked.difference })
}

/// What came of a comparison.
pub(super) struct Compared {
    /// Up to where the file seals.
    pub(super) position: Position,
    /// One sentence, if there is one.
    pub(super) difference: Option<String>,
}

fn read(path: &Path) -> Result<Vec<Seal>> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    let lines = BufReader::new(file).lines().zip(1..);
    let seal = |(line, number): (std::io::Result<String>, u32)| {
        let seal = serde_json::from_str(&line?);
        seal.with_context(|| format!("{}, line {number}: not a seal", path.display()))
    };
    lines.map(seal).collect()
}

enum Start {
    /// All of the log.
    Beginning,
    /// Where the last link of the file lets the chain go on.
    LastLink,
}

struct Walked {
    links: Vec<Seal>,
    head: Seal,
    difference: Option<String>,
}

/// Reads the log and seals it, comparing with the seals that are known, up to the first difference.
async fn walk(log: &dyn EventReader, known: &[Seal], start: Start) -> Result<Walked> {
    let end = log.last_position(None, Position::END).await?;
    let from = match start {
        Start::Beginning => None,
        Start::LastLink => known.iter().rev().find(|seal| seal.is_link()),
    };
    let mut sealing = from.and_then(Sealing::after).unwrap_or_default();
    let begun = sealing.position();
    let mut agreed = begun;
    let mut expected = known.iter().filter(|seal| seal.position > begun);
    let (mut next, mut links) = (expected.next(), Vec::new());
    let mut meter = Meter::new("seal".to_owned(), "events");
    while sealing.position() < end {
        for event in log.read_after(sealing.position(), None, PAGE).await? {
            sealing.add(&event)?;
            if let Some(wanted) = next.filter(|wanted| wanted.position <= event.position) {
                let seal = sealing.seal();
                if *wanted != seal {
                    let (from, to) = (agreed.get() + 1, wanted.position);
                    let text =
                        format!("the events from {from} to {to} are not those that were sealed");
                    return Ok(Walked { links, head: seal, difference: Some(text) });
                }
                (agreed, next) = (wanted.position, expected.next());
            }
            if sealing.is_at_link() {
                links.push(sealing.seal());
            }
        }
        // What was sealed before is no work of this run.
        let since = |position: Position| (position.get() - begun.get()).unsigned_abs();
        let done = since(sealing.position());
        meter.show(done, done, since(end));
    }
    let head = sealing.seal();
    meter.finish();
    let difference = next.map(|wanted| {
        let (end, sealed) = (head.position, wanted.position);
        format!("the log ends at position {end} and was sealed up to {sealed} and beyond")
    });
    Ok(Walked { links, head, difference })
}
