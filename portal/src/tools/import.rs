//! `portal import`: takes in articles: JSON, one object a line, an export of WordPress, or a feed.
//! `docs/import.md` says what becomes of what.
//!
//! Safe to run again: the `source_id` of an article (or, without one, a digest of its text) is the
//! id of its command, and the log carries a command out once.

mod article;
mod decoding;
mod entry;
mod html;
mod items;
mod lines;
mod namespaces;
mod xml;

use std::pin::Pin;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use command_stack::clock::Clock;
use command_stack::command_handler::{CommandError, CommandHandler, Context, Target};
use command_stack::news::{NewsCommand, NewsError};
use events::news::Article;
use events::{Backoff, LogError};
use futures::{Stream, StreamExt};
use uuid::Uuid;

use self::article::Shelves;
use self::decoding::Format;
use self::entry::{Count, Entry, Unusable};
use crate::progress::{self, Meter};
use crate::settings::{Import, Settings};
use crate::wiring;

/// Articles on their way at the same time: they share the log's batches.
const IN_FLIGHT: usize = 64;

/// How long one article is tried again while the log does not answer.
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);

type Entries = Pin<Box<dyn Stream<Item = Result<Entry>> + Send>>;

enum Outcome {
    Added,
    AlreadyThere,
    Unusable(Unusable),
    /// An earlier one with the same `source_id` is still on its way.
    Twin(Context),
}

pub(crate) async fn run(settings: Settings, arguments: Import) -> Result<ExitCode> {
    let Import { file: path, map, category } = arguments;
    let configured = settings.categories.clone();
    if let Some(unknown) =
        map.iter().map(|(_, to)| to).chain(&category).find(|to| !configured.contains(to))
    {
        anyhow::bail!("{unknown} is none of --categories");
    }
    let shelves = Shelves { configured, mapped: map, otherwise: category };
    let (format, length) = decoding::open(&path)?;
    let name = format!("import {}", path.display());
    let (entries, unit): (Entries, _) = match format {
        Format::Lines => (Box::pin(lines::read(path).await?), "lines"),
        Format::Xml(file) => (Box::pin(items::read(path, *file)), "items"),
    };
    let log = wiring::event_log(&settings.addresses).await?.events;
    let handler = CommandHandler::new(log, Clock::system());
    let mut count = Count::default();
    let mut meter = Meter::new(name, unit);
    let taken_in = import(&handler, &shelves, entries, length, &mut count, &mut meter).await;
    let pace = meter.finish();
    if let Some(peak) = progress::peak_memory_mib() {
        eprintln!("{pace}, peak memory {peak} MiB");
    }
    // Also where the rest of the file cannot be read: what is before it went in.
    count.print(unit);
    taken_in?;
    Ok(if count.refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn import(
    handler: &CommandHandler,
    shelves: &Shelves,
    entries: Entries,
    length: u64,
    count: &mut Count,
    meter: &mut Meter,
) -> Result<()> {
    let batch = Uuid::now_v7().to_string();
    let entries = entries.map(|entry| take(handler, shelves, &batch, entry));
    // In order, so that of two with one source_id the first counts: each says that it is on its way
    // before it waits for anything.
    let mut outcomes = std::pin::pin!(entries.buffered(IN_FLIGHT));
    while let Some(taken) = outcomes.next().await {
        let (place, at, outcome) = taken?;
        count.seen += 1;
        meter.show(count.seen, at, length);
        // In order: the earlier twin has arrived by now.
        let outcome = match outcome {
            Outcome::Twin(context) => second(handler, &context).await?,
            known => known,
        };
        match outcome {
            Outcome::Added => count.added += 1,
            Outcome::AlreadyThere | Outcome::Twin(_) => count.already_there += 1,
            Outcome::Unusable(unusable) => count.unusable(&place, &unusable),
        }
    }
    Ok(())
}

/// Where it was, and what became of it.
async fn take(
    handler: &CommandHandler,
    shelves: &Shelves,
    batch: &str,
    entry: Result<Entry>,
) -> Result<(String, u64, Outcome)> {
    let Entry { place, at, article } = entry?;
    let article = match article {
        Ok(article) => article,
        Err(unusable) => return Ok((place, at, Outcome::Unusable(unusable))),
    };
    let context = article.context(batch);
    let outcome = match article.command(shelves) {
        Ok(command) => carry_out(handler, &command, context).await?,
        Err(reason) => refused(&reason),
    };
    Ok((place, at, outcome))
}

async fn carry_out(
    handler: &CommandHandler,
    command: &NewsCommand,
    context: Context,
) -> Result<Outcome> {
    let (id, began) = (Uuid::now_v7(), Instant::now());
    let mut backoff = Backoff::default();
    loop {
        return match handler.handle::<Article>(Target::New(id), command, &context).await {
            Ok(handled) if handled.aggregate.id.0 == id => Ok(Outcome::Added),
            Ok(_) => Ok(Outcome::AlreadyThere),
            Err(CommandError::InProgress) => Ok(Outcome::Twin(context)),
            Err(error) if is_passing(&error) && began.elapsed() < RETRY_TIMEOUT => {
                backoff.pause().await;
                continue;
            }
            Err(error) => not_added(error),
        };
    }
}

/// Whether the database may only be busy. What was appended nevertheless is known again by its key.
const fn is_passing(error: &CommandError<NewsError>) -> bool {
    matches!(error, CommandError::Overloaded | CommandError::Log(LogError::Unavailable(_)))
}

/// What becomes of an article whose `source_id` an earlier one has brought.
async fn second(handler: &CommandHandler, context: &Context) -> Result<Outcome> {
    match handler.first_answer::<Article>(context).await {
        Ok(Some(_)) => Ok(Outcome::AlreadyThere),
        Ok(None) => Ok(refused("an earlier one with its source_id was refused")),
        Err(error) => not_added(error),
    }
}

fn refused(reason: &str) -> Outcome {
    Outcome::Unusable(Unusable::Refused(reason.to_owned()))
}

fn not_added(error: CommandError<NewsError>) -> Result<Outcome> {
    match error {
        CommandError::KeyReused => Ok(refused(
            "its source_id was imported before with another text; correct the article instead",
        )),
        CommandError::Refused(rule) => Ok(refused(&explained(&rule))),
        error => Err(error.into()),
    }
}

/// Which field a rule is about.
fn explained(rule: &NewsError) -> String {
    let field = match rule {
        NewsError::PublishedInFuture => "published_at",
        NewsError::EmbargoPast => "embargo_until",
        _ => "publish_at",
    };
    format!("/{field}: {rule}")
}
