//! `portal import`: takes in articles, one JSON object a line.
//!
//! Safe to run again: the `source_id` of an article (or, without one, a digest of its line) is the
//! id of its command, and the log carries a command out once.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use command_stack::access::Caller;
use command_stack::aggregate::Aggregate;
use command_stack::clock::Clock;
use command_stack::command_handler::{CommandError, CommandHandler, Context, Target};
use command_stack::event_log::CommandKey;
use command_stack::http::{NewArticle, NewStatus};
use command_stack::news::NewsError;
use events::news::Article;
use events::{Category, Metadata, Timestamp};
use futures::{StreamExt, stream};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, BufReader};
use uuid::Uuid;

use crate::progress::Meter;
use crate::settings::{Import, Settings};
use crate::wiring;

/// Articles on their way at the same time: they share the log's batches.
const IN_FLIGHT: usize = 64;
/// As for a request over HTTP.
const LONGEST_LINE: usize = proto::conventions::BODY_LIMIT;

/// A line. Fields that we do not know are somebody else's and are passed over.
#[derive(Deserialize)]
struct Line {
    source_id: Option<String>,
    category: String,
    title: String,
    content: String,
    summary: Option<String>,
    tags: Option<Vec<String>>,
    #[serde(alias = "author")]
    byline: Option<String>,
    status: Option<NewStatus>,
    publish_at: Option<Timestamp>,
    embargo_until: Option<Timestamp>,
}

enum Outcome {
    Added,
    AlreadyThere,
    Refused(String),
    /// An earlier line with the same `source_id` is still on its way.
    Twin(Context),
}

#[derive(Default)]
struct Count {
    lines: u64,
    added: u64,
    already_there: u64,
    refused: u64,
}

pub(crate) async fn run(settings: Settings, arguments: Import) -> Result<ExitCode> {
    let path = &arguments.file;
    let file = File::open(path).await.with_context(|| format!("{}", path.display()))?;
    let length = file.metadata().await?.len();
    let log = wiring::event_log(&settings).await?.events;
    let handler = CommandHandler::new(log, Clock::system());
    let count = import(&handler, &settings.categories, path, file, length).await?;
    let Count { lines, added, already_there, refused } = count;
    println!("{lines} lines: {added} added, {already_there} already there, {refused} refused");
    Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn import(
    handler: &CommandHandler,
    categories: &[Category],
    path: &Path,
    file: File,
    length: u64,
) -> Result<Count> {
    let mut meter = Meter::new(format!("import {}", path.display()), "lines");
    let batch = Uuid::now_v7().to_string();
    let lines = lines(BufReader::new(file)).map(|(number, read)| {
        let batch = batch.clone();
        async move {
            let line = match read {
                Ok(line) => line,
                Err(error) => return (number, 0, Err(error)),
            };
            let outcome = import_line(handler, categories, &line, &batch).await;
            (number, line.len() as u64, outcome)
        }
    });
    // In order, so that of two lines with one source_id the first counts: each line says that it is
    // on its way before it waits for anything.
    let mut outcomes = std::pin::pin!(lines.buffered(IN_FLIGHT));
    let (mut count, mut bytes) = (Count::default(), 0);
    while let Some((number, read, outcome)) = outcomes.next().await {
        count.lines += 1;
        bytes += read;
        meter.show(count.lines, bytes, length);
        // In order: the earlier twin has arrived by now.
        let outcome = match outcome? {
            Outcome::Twin(context) => second(handler, &context).await?,
            known => known,
        };
        match outcome {
            Outcome::Added => count.added += 1,
            Outcome::AlreadyThere | Outcome::Twin(_) => count.already_there += 1,
            Outcome::Refused(reason) => {
                count.refused += 1;
                println!("line {number}: {reason}");
            }
        }
    }
    meter.finish();
    Ok(count)
}

/// The lines with their numbers, from 1; blank ones are passed over.
fn lines(file: BufReader<File>) -> impl futures::Stream<Item = (u64, Result<Vec<u8>>)> {
    let next = async |(mut file, mut number): (BufReader<File>, u64)| loop {
        let mut line = Vec::new();
        number += 1;
        match file.read_until(b'\n', &mut line).await {
            Ok(0) => return None,
            Ok(_) if line.trim_ascii().is_empty() => {}
            Ok(_) => return Some(((number, Ok(line)), (file, number))),
            Err(error) => return Some(((number, Err(error.into())), (file, number))),
        }
    };
    stream::unfold((file, 0), next)
}

async fn import_line(
    handler: &CommandHandler,
    categories: &[Category],
    line: &[u8],
    batch: &str,
) -> Result<Outcome> {
    let refused = |reason: String| Ok(Outcome::Refused(reason));
    if line.len() > LONGEST_LINE {
        return refused(format!("longer than {LONGEST_LINE} bytes"));
    }
    let line: Line = match serde_json::from_slice(line.trim_ascii_end()) {
        Ok(line) => line,
        Err(error) => {
            // It counts lines from this one, which would contradict the number before it.
            let reason = error.to_string();
            let reason = reason.split(" at line ").next().unwrap_or_default();
            return refused(format!("column {}: {reason}", error.column()));
        }
    };
    let Some(category) = categories.iter().find(|known| known.as_str() == line.category) else {
        return refused(format!("the category {:?} is not configured", line.category));
    };
    let context = context(&line, batch);
    let Line { title, content, summary, tags, byline, status, publish_at, embargo_until, .. } =
        line;
    let article =
        NewArticle { title, content, summary, tags, byline, status, publish_at, embargo_until };
    let command = match article.command(category.clone(), None) {
        Ok(command) => command,
        Err(errors) => {
            let errors: Vec<_> =
                errors.iter().map(|error| format!("{}: {}", error.pointer, error.detail)).collect();
            return refused(errors.join("; "));
        }
    };
    carry_out(handler, &command, context).await
}

fn context(line: &Line, batch: &str) -> Context {
    let mut digest = Sha256::new();
    let status = format!("{:?}", line.status.unwrap_or_default());
    let optional = |text: &'_ Option<String>| text.clone().unwrap_or_default();
    let (summary, byline) = (optional(&line.summary), optional(&line.byline));
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
    let plan = format!("{} {}", time(line.publish_at), time(line.embargo_until));
    // Lines without one were imported before there were plans.
    let plan = (plan != " ").then_some(&plan);
    let fixed = [&line.category, &line.title, &line.content, &summary, &byline, &status];
    for part in fixed.into_iter().chain(line.tags.iter().flatten()).chain(plan) {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    let fingerprint: [u8; 32] = digest.finalize().into();
    let id = match &line.source_id {
        Some(id) => format!("import:{id}"),
        None => format!("import:sha256:{}", hex(&fingerprint)),
    };
    let caller = Caller::Portal("import");
    let metadata = Metadata {
        actor: caller.actor(),
        correlation_id: batch.to_owned(),
        causation_id: Uuid::now_v7(),
        traceparent: None,
    };
    Context { caller, metadata, key: Some(CommandKey { id, fingerprint }) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn carry_out(
    handler: &CommandHandler,
    command: &<Article as Aggregate>::Command,
    context: Context,
) -> Result<Outcome> {
    let id = Uuid::now_v7();
    match handler.handle::<Article>(Target::New(id), command, &context).await {
        Ok(handled) if handled.aggregate.id.0 == id => Ok(Outcome::Added),
        Ok(_) => Ok(Outcome::AlreadyThere),
        Err(CommandError::InProgress) => Ok(Outcome::Twin(context)),
        Err(error) => not_added(error),
    }
}

/// What becomes of a line whose `source_id` an earlier line has brought.
async fn second(handler: &CommandHandler, context: &Context) -> Result<Outcome> {
    match handler.first_answer::<Article>(context).await {
        Ok(_) => Ok(Outcome::AlreadyThere),
        Err(error) => not_added(error),
    }
}

fn not_added(error: CommandError<NewsError>) -> Result<Outcome> {
    match error {
        CommandError::KeyReused => Ok(Outcome::Refused(
            "its source_id was imported before with another text; correct the article instead"
                .to_owned(),
        )),
        error => Err(error.into()),
    }
}
