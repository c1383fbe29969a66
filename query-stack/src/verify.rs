//! Is the view the fold of the log? Walks the streams of a partition and the documents of the view
//! side by side, in the order of their ids, and compares them: bounded memory, no writes, and
//! commands may go on meanwhile.

use std::collections::{HashSet, VecDeque};
use std::slice;

use events::{EventReader, Position, StreamId, StreamPages};
use uuid::Uuid;

use crate::fold::{Program, fold, fold_streams};
use crate::projection::ProjectError;
use crate::rebuild::{OnProgress, Progress};
use crate::view_store::{Document, Parked, ParkedCounts, View, ViewState, ViewStore};

/// Documents of the view held in memory at most.
const PAGE: usize = 500;
/// Differences that are told one by one.
const TOLD: usize = 20;

/// The outcome of a verification.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    pub documents: usize,
    /// How far the view has come: what is beyond was not compared.
    pub position: Position,
    /// One sentence each; empty when the view equals the log but for parked streams. At most twenty.
    pub differences: Vec<String>,
    /// How many streams the view leaves out: their documents were not compared.
    pub parked: ParkedCounts,
    /// Which, at most twenty.
    pub parked_streams: Vec<Parked>,
}

/// Compares a view with the log, and tells how far it is.
///
/// # Errors
/// When the log or the store does not answer.
pub async fn verify(
    log: &dyn EventReader,
    store: &dyn ViewStore,
    view: &View,
    on_progress: OnProgress<'_>,
) -> Result<Verified, ProjectError> {
    let state = store.state(view).await?;
    let position = state.live.position;
    let mut verified = Verified { position, ..Default::default() };
    if position > log.last_position(Some(&view.partition), Position::END).await? {
        let ahead = format!("the checkpoint {position} is beyond the log");
        verified.differences.push(ahead);
    }
    let partition = slice::from_ref(&view.partition);
    let progress = Progress { events: 0, total: log.count(partition, position).await? };
    let pages = log.streams(partition, position);
    let (page, failed) = (VecDeque::new(), Vec::new());
    let mut expected = Expected { pages, view, page, failed, progress, on_progress };
    let mut actual = Actual { store, view, state, after: None, page: VecDeque::new() };
    loop {
        let (want, have) = (expected.peek().await?, actual.peek().await?);
        if !expected.failed.is_empty() {
            let failed = std::mem::take(&mut expected.failed);
            verified.differences.extend(not_parked(store, view, state, &failed).await?);
            verified.differences.truncate(TOLD);
        }
        let id = match (want, have) {
            (None, None) => break,
            (Some(id), None) | (None, Some(id)) => id,
            (Some(want), Some(have)) => want.min(have),
        };
        let pair = (expected.take(id), actual.take(id));
        verified.documents += usize::from(pair.1.is_some());
        if pair.0 != pair.1
            && verified.differences.len() < TOLD
            && let Some(difference) = really_differs(log, store, view, state, id).await?
        {
            verified.differences.push(difference);
        }
    }
    let generation = state.live.generation;
    verified.parked = store.count_parked(view, generation).await?;
    verified.parked_streams = store.parked(view, generation, None, TOLD).await?;
    Ok(verified)
}

/// What cannot be taken has to be parked, or nobody knows that the view is behind there.
async fn not_parked(
    store: &dyn ViewStore,
    view: &View,
    state: ViewState,
    failed: &[StreamId],
) -> Result<Vec<String>, ProjectError> {
    let parked = store.parked_among(view, state.live.generation, failed).await?;
    let parked: HashSet<_> = parked.iter().map(|parked| &parked.stream).collect();
    let missing = failed.iter().filter(|stream| !parked.contains(stream));
    Ok(missing.map(|stream| format!("{stream} cannot be taken and is not parked")).collect())
}

/// A document may have moved on since the checkpoint was read. So a difference is one only if the
/// document is not the fold of its stream up to its own version. That of a parked stream is not
/// compared.
async fn really_differs(
    log: &dyn EventReader,
    store: &dyn ViewStore,
    view: &View,
    state: ViewState,
    id: Uuid,
) -> Result<Option<String>, ProjectError> {
    let (stream, generation) = (stream(view, id), state.live.generation);
    if !store.parked_among(view, generation, std::slice::from_ref(&stream)).await?.is_empty() {
        return Ok(None);
    }
    // Looked at again: it may have been parked when it was looked at first.
    let actual = store.documents(view, generation, &[id]).await?.pop();
    let mut events = log.read_stream(&stream).await?;
    // What happened to an article in other categories is not this view's.
    events.retain(|event| event.partition == view.partition);
    match &actual {
        Some(document) => events.retain(|event| event.version <= document.version),
        None => events.retain(|event| event.position <= state.live.position),
    }
    let folded = fold(Program::of(view), Vec::new(), &events, HashSet::new());
    let expected = match folded.complete() {
        Ok(mut documents) => documents.pop(),
        Err(failure) => return Ok(Some(format!("{id} cannot be compared: {failure}"))),
    };
    let word = match (&expected, &actual) {
        (expected, actual) if expected == actual => return Ok(None),
        (None, _) => "is in the view and not in the log",
        (_, None) => "is in the log and not in the view",
        _ => "is not what its events say",
    };
    Ok(Some(format!("{id} {word}")))
}

fn stream(view: &View, id: Uuid) -> StreamId {
    match view.partition {
        events::Partition::News(_) => events::ArticleId(id).into(),
        events::Partition::Users => events::UserId(id).into(),
        events::Partition::Front => events::front::FrontId(id).into(),
    }
}

/// The documents that the log asks for, in the order of ids, up to the view's checkpoint.
struct Expected<'a> {
    pages: StreamPages,
    view: &'a View,
    page: VecDeque<Document>,
    /// Streams of that page of which an event cannot be taken.
    failed: Vec<StreamId>,
    progress: Progress,
    on_progress: OnProgress<'a>,
}

impl Expected<'_> {
    async fn peek(&mut self) -> Result<Option<Uuid>, ProjectError> {
        while self.page.is_empty() {
            let Some(events) = self.pages.next().await? else { return Ok(None) };
            self.progress.events += events.len() as u64;
            (self.on_progress)(self.progress);
            let folded = fold_streams(self.view, &events);
            self.page = folded.documents.into();
            self.failed.extend(folded.failed.into_iter().map(|failure| failure.stream));
        }
        Ok(self.page.front().map(|document| document.id))
    }

    fn take(&mut self, id: Uuid) -> Option<Document> {
        self.page.pop_front_if(|document| document.id == id)
    }
}

/// The documents that the view has, in the order of ids.
struct Actual<'a> {
    store: &'a dyn ViewStore,
    view: &'a View,
    state: ViewState,
    after: Option<Uuid>,
    page: VecDeque<Document>,
}

impl Actual<'_> {
    async fn peek(&mut self) -> Result<Option<Uuid>, ProjectError> {
        if self.page.is_empty() {
            let generation = self.state.live.generation;
            let page = self.store.scan(self.view, generation, self.after, PAGE).await?;
            self.after = page.last().map(|document| document.id).or(self.after);
            self.page = page.into();
        }
        Ok(self.page.front().map(|document| document.id))
    }

    fn take(&mut self, id: Uuid) -> Option<Document> {
        self.page.pop_front_if(|document| document.id == id)
    }
}
