//! A section at a past time, from the log, because views have only the current state.

use std::collections::HashMap;

use events::{
    ArticleId, Category, EventKind, Position, RecordedEvent, StreamId, Timestamp, Visibility,
};
use proto::v1::Section;
use tonic::Status;
use uuid::Uuid;

use super::{Queries, silent_log};
use crate::fold::fold_streams;
use crate::rebuild::position_at;
use crate::view_store::{Document, View};

/// Events per read of the log.
const PAGE: usize = 250;

impl Queries {
    /// The newest articles at that time.
    ///
    /// Reads the log backwards, and stops when no older article can be among the newest.
    pub(super) async fn past_section(
        &self,
        category: Category,
        as_of: Timestamp,
        limit: usize,
        named: Vec<Uuid>,
    ) -> Result<Section, Status> {
        // A separate limit, so that past pages do not delay histories.
        let _turn = self.pasts.acquire().await;
        let view = View::articles(category);
        let then = position_at(&*self.log, as_of).await.map_err(silent_log)?;
        let mut past = EarlierArticles { queries: self, view: &view, then, seen: HashMap::new() };
        let mut newest: Vec<(Timestamp, Uuid)> = Vec::new();
        let mut from = then;
        'walk: loop {
            let page = self.log.read_back(from, &view.partition, PAGE).await;
            let page = page.map_err(silent_log)?;
            for event in &page {
                let is_full = newest.len() == limit;
                if is_full && newest.last().is_none_or(|(at, _)| *at > event.recorded_at) {
                    break 'walk;
                }
                let brings = came(event).filter(|id| !past.seen.contains_key(id));
                let Some(id) = brings else { continue };
                newest.extend(past.listed_at(id).await?.map(|at| (at, id)));
                newest.sort_unstable_by(|a, b| b.cmp(a));
                newest.truncate(limit);
            }
            let Some(oldest) = page.last().filter(|_| page.len() == PAGE) else { break };
            from = Position::new(oldest.position.get() - 1);
        }
        for id in &named {
            past.listed_at(*id).await?;
        }
        let mut take = |id: &Uuid| past.seen.get_mut(id).and_then(Option::take);
        let newest: Vec<_> = newest.iter().filter_map(|(_, id)| take(id)).collect();
        let named: Vec<_> = named.iter().filter_map(take).collect();
        let (newest, named) = (self.summaries(newest).await?, self.summaries(named).await?);
        Ok(Section { newest, named, position: then.get(), taken_back: Vec::new() })
    }
}

/// The id of the article that this event may have shown to readers.
fn came(event: &RecordedEvent) -> Option<Uuid> {
    let brings = event.kind().is_some_and(|kind| kind.visibility() == Visibility::Shown);
    brings.then(|| event.stream_id.aggregate_id().ok()).flatten()
}

/// Past articles of a category, each read from the log once.
struct EarlierArticles<'a> {
    queries: &'a Queries,
    view: &'a View,
    then: Position,
    /// `None`: not listed then, or not visible now.
    seen: HashMap<Uuid, Option<Document>>,
}

impl EarlierArticles<'_> {
    /// The publication time of an article, if it was listed then.
    async fn listed_at(&mut self, id: Uuid) -> Result<Option<Timestamp>, Status> {
        if !self.seen.contains_key(&id) {
            let stream = StreamId::from(ArticleId(id));
            let events = self.queries.log.read_stream(&stream).await.map_err(silent_log)?;
            self.seen.insert(id, self.document(&events));
        }
        Ok(self.seen.get(&id).and_then(Option::as_ref).and_then(|document| document.listed_at))
    }

    /// The past document; `None` if the article was retracted since.
    fn document(&self, events: &[RecordedEvent]) -> Option<Document> {
        if taken_back(events) {
            return None;
        }
        let until = events.partition_point(|event| event.position <= self.then);
        let mut folded = fold_streams(self.view, &events[..until]).documents;
        folded.pop().filter(|document| document.listed_at.is_some())
    }
}

fn taken_back(events: &[RecordedEvent]) -> bool {
    let kinds = events.iter().filter_map(RecordedEvent::kind);
    kinds.map(EventKind::visibility).any(|visibility| visibility == Visibility::Retracted)
}
