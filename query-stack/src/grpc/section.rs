//! Everything that a section of the front page needs, in one query.

use std::collections::HashSet;

use events::news::Retraction;
use futures::future::try_join;
use proto::v1::{ArticleSummary, GetSectionRequest, Section, TakenBack};
use tonic::Status;
use uuid::Uuid;

use super::{Queries, at_most, malformed, read};
use crate::view_store::{Document, ListFilter, View};

/// Most article ids per request.
const NAMED: usize = 200;

impl Queries {
    pub(super) async fn section(&self, request: GetSectionRequest) -> Result<Section, Status> {
        let category = self.category(&request.category)?.clone();
        if request.ids.len() > NAMED {
            return Err(malformed());
        }
        let ids: HashSet<_> = request.ids.iter().map(|id| Uuid::parse_str(id)).collect();
        let ids: Vec<_> = ids.into_iter().collect::<Result<_, _>>().map_err(|_| malformed())?;
        let limit = at_most(request.limit);
        if let Some(as_of) = &request.as_of {
            let as_of = as_of.parse().map_err(|_| malformed())?;
            return self.past_section(category, as_of, limit, ids).await;
        }
        let view = View::articles(category);
        let live = self.live(&view, request.min_position).await?;
        let all = ListFilter::default();
        let newest = self.look(self.store.list(&view, live.generation, &all, limit));
        let taken_back = self.taken_back(&view, live.generation, request.retracted);
        let (newest, taken_back) = try_join(newest, taken_back).await?;
        let named = match &ids[..] {
            [] => Vec::new(),
            ids => self.look(self.store.documents(&view, live.generation, ids)).await?,
        };
        let listed = named.into_iter().filter(|document| document.listed_at.is_some());
        let (newest, named) = (self.summaries(newest).await?, self.summaries(listed).await?);
        Ok(Section { newest, named, position: live.position.get(), taken_back })
    }

    async fn taken_back(
        &self,
        view: &View,
        generation: i64,
        limit: u32,
    ) -> Result<Vec<TakenBack>, Status> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let retracted = self.store.retracted(view, generation, at_most(limit));
        let told = |mut document: Document| {
            let Retraction { at, reason } = read(document.body["retraction"].take())?;
            Ok(TakenBack { id: document.id.to_string(), at: at.to_string(), reason })
        };
        self.look(retracted).await?.into_iter().map(told).collect()
    }

    pub(super) async fn summaries(
        &self,
        documents: impl IntoIterator<Item = Document>,
    ) -> Result<Vec<ArticleSummary>, Status> {
        let mut bodies: Vec<_> = documents.into_iter().map(|document| document.body).collect();
        self.open_bylines(&mut bodies).await;
        bodies.into_iter().map(read).collect()
    }
}
