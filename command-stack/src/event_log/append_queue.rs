//! Coalesces appends: while one batch is being committed, the requests that arrive wait, and go
//! together in the next one. The log's lock admits one commit at a time, so this is what makes
//! sixty-four clients cost a few commits and not sixty-four.
//!
//! Invariant: whoever would wait too long is told so, at once if it can be foreseen and else when
//! it is so, and then nothing of it is recorded. Only who is in the batch that the database has in
//! hand cannot be told anything before the database answers or its timeout is over.

mod waiting;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use events::{BoxError, LogError, StreamId};
use proto::metrics;
use proto::trace::{SpanKind, Step};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use self::waiting::{Course, Ticket, Waiting};
use super::{Append, AppendError, Appended};

/// Requests that wait in the channel, and as many that were taken out of it: one more is turned
/// away at once instead of late.
const CAPACITY: usize = 1_024;
/// Events in one batch at most, to bound the statement and the time that others wait.
const BATCH_EVENTS: usize = 512;
/// Bytes in one batch at most, unless one request alone has more.
const BATCH_BYTES: usize = 8 << 20;
/// Memory of those who wait.
const WAITING_BYTES: usize = 64 << 20;
/// How long a request waits for its batch; a client that hears nothing for longer would rather have
/// been told to come back.
const APPEND_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) type Answer = Result<Appended, AppendError>;

/// What a database does with one batch, in one transaction.
#[async_trait]
pub(super) trait AppendBatch: Send + Sync + 'static {
    /// One answer per request, in order. No two of them touch the same stream or command id.
    async fn append_batch(&self, batch: &[Append]) -> Result<Vec<Answer>, BatchError>;

    /// See [`events::Dependency::system`].
    fn system(&self) -> &'static str;
}

/// Why a whole batch failed.
#[derive(Debug)]
pub(super) enum BatchError {
    /// The database did not answer; each request may or may not be recorded.
    Unavailable(BoxError),
    /// The database refused the batch and recorded nothing, because of one of its requests.
    Refused(BoxError),
}

/// The way into the log. Dropping the last clone lets the task end after what is waiting.
#[derive(Clone)]
pub(super) struct AppendQueue {
    sender: mpsc::Sender<Waiting>,
    course: Arc<Course>,
}

impl AppendQueue {
    pub(super) fn new(database: Arc<dyn AppendBatch>) -> Self {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        let course = Arc::new(Course::default());
        tokio::spawn(run(database, receiver, Arc::clone(&course)));
        Self { sender, course }
    }

    pub(super) async fn append(&self, append: Append) -> Answer {
        let answer = self.wait(append).await;
        if matches!(answer, Err(AppendError::Overloaded)) {
            metrics::append_overloaded();
        }
        metrics::append(match &answer {
            Ok(_) => "appended",
            Err(AppendError::Conflict) => "conflict",
            Err(AppendError::Repeated(_)) => "repeated",
            Err(AppendError::Overloaded) => "overloaded",
            Err(AppendError::Log(_)) => "failed",
        });
        answer
    }

    async fn wait(&self, append: Append) -> Answer {
        let (answer, mut answered) = oneshot::channel();
        let ticket = Arc::new(Ticket::default());
        let waiting = self.course.wait(append, answer, Arc::clone(&ticket));
        let sent = self.sender.try_send(waiting.ok_or(AppendError::Overloaded)?);
        sent.map_err(|_| AppendError::Overloaded)?;
        let ended = match timeout(APPEND_TIMEOUT, &mut answered).await {
            Err(_) if ticket.give_up() => return Err(AppendError::Overloaded),
            // It is in the batch that the database has in hand: what becomes of it, only that tells.
            Err(_) => answered.await,
            Ok(ended) => ended,
        };
        ended.unwrap_or_else(|ended| Err(unavailable(ended.into())))
    }
}

fn unavailable(error: BoxError) -> AppendError {
    AppendError::Log(LogError::Unavailable(error))
}

fn is_unavailable(answer: &Answer) -> bool {
    matches!(answer, Err(AppendError::Log(LogError::Unavailable(_))))
}

/// Who waited while the database did not answer has waited long enough: batch after batch, each
/// with a timeout of its own, would make the last of them wait for minutes.
fn turn_away(waiting: impl Iterator<Item = Waiting>) {
    for Waiting { answer, .. } in waiting {
        let _ = answer.send(Err(unavailable("the batch before was not answered".into())));
    }
}

async fn run(
    database: Arc<dyn AppendBatch>,
    mut receiver: mpsc::Receiver<Waiting>,
    course: Arc<Course>,
) {
    let mut deferred = VecDeque::new();
    loop {
        if deferred.is_empty() {
            match receiver.recv().await {
                Some(first) => deferred.push_back(first),
                None => return,
            }
        }
        while deferred.len() < CAPACITY
            && let Ok(next) = receiver.try_recv()
        {
            deferred.push_back(next);
        }
        let (appends, senders) = next_batch(&mut deferred);
        if appends.is_empty() {
            continue; // all of them had given up
        }
        course.begin();
        let began = SystemTime::now();
        let answers = commit(&*database, &appends).await;
        course.end();
        metrics::append_batch(appends.len());
        if Step::is_wanted() {
            trace(&appends, &answers, began, database.system());
        }
        if answers.iter().any(is_unavailable) {
            turn_away(deferred.drain(..));
            turn_away(std::iter::from_fn(|| receiver.try_recv().ok()));
        }
        for (sender, answer) in senders.into_iter().zip(answers) {
            // A client that went away does not need its answer.
            let _ = sender.send(answer);
        }
    }
}

/// The batch is one statement, and a step of every trace that has a part in it.
fn trace(appends: &[Append], answers: &[Answer], began: SystemTime, system: &'static str) {
    for (append, answer) in appends.iter().zip(answers) {
        let parent = append.metadata.traceparent.as_deref();
        let mut step = Step::since(began, SpanKind::Client, parent, || "append events".to_owned());
        step.note("db.system.name", system);
        step.note("db.operation.name", "append");
        step.note("db.collection.name", "events");
        step.note("db.operation.batch.size", i64::try_from(appends.len()).unwrap_or(i64::MAX));
        step.fail_if(answer.is_err());
    }
}

/// What two requests of one batch must not share.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Name {
    Stream(StreamId),
    Command(String),
}

/// Takes a batch from the front. A request that shares a stream or a command id with one before it
/// stays for the next batch: it must see what that one did.
fn next_batch(waiting: &mut VecDeque<Waiting>) -> (Vec<Append>, Vec<oneshot::Sender<Answer>>) {
    let (mut appends, mut answers) = (Vec::new(), Vec::new());
    let mut later = VecDeque::new();
    let mut touched = HashSet::new();
    let (mut events, mut bytes) = (0, 0);
    while let Some(next) = waiting.pop_front() {
        if next.ticket.is_given_up() {
            continue;
        }
        let streams =
            next.append.streams.iter().map(|stream| Name::Stream(stream.stream_id.clone()));
        let key = next.append.key.iter().map(|key| Name::Command(key.id.clone()));
        // A set, because a request is never in its own way.
        let names: HashSet<_> = streams.chain(key).collect();
        let (more, size) = waiting::size(&next.append);
        let full =
            !appends.is_empty() && (events + more > BATCH_EVENTS || bytes + size > BATCH_BYTES);
        // A deferred request marks its names too, or a later one could overtake it.
        let seen = names.into_iter().filter(|name| !touched.insert(name.clone())).count();
        if seen > 0 || full {
            later.push_back(next);
        } else if next.ticket.take() {
            events += more;
            bytes += size;
            appends.push(next.append);
            answers.push(next.answer);
        }
    }
    *waiting = later;
    (appends, answers)
}

async fn commit(database: &dyn AppendBatch, batch: &[Append]) -> Vec<Answer> {
    match database.append_batch(batch).await {
        Ok(answers) => answers,
        Err(BatchError::Refused(error)) if batch.len() == 1 => {
            vec![Err(AppendError::Log(LogError::Corrupt(error)))]
        }
        // One bad request must not fail its neighbours: each gets a batch of its own.
        Err(BatchError::Refused(_)) => {
            let mut answers = Vec::with_capacity(batch.len());
            for append in batch {
                let alone = std::slice::from_ref(append);
                answers.extend(Box::pin(commit(database, alone)).await);
                if answers.last().is_some_and(is_unavailable) {
                    break;
                }
            }
            let gone = || Err(unavailable("the request before was not answered".into()));
            answers.resize_with(batch.len(), gone);
            answers
        }
        Err(BatchError::Unavailable(error)) => {
            let error: Arc<dyn std::error::Error + Send + Sync> = error.into();
            batch.iter().map(|_| Err(unavailable(Arc::clone(&error).into()))).collect()
        }
    }
}
