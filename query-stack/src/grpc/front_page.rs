//! The front page: the current one from the view, a past one from the log.

use std::collections::HashMap;

use events::front::FrontPinned;
use events::{BoxError, Chain, Partition, Position, Timestamp};
use proto::v1::{Front, GetFrontRequest, Pins};
use tonic::Status;

use super::{Queries, malformed, read, silent_log};
use crate::front::{Shown, shown};
use crate::view_store::View;

/// Documents or events of the front page per read.
const PAGE: usize = 250;

impl Queries {
    pub(super) async fn front(&self, request: GetFrontRequest) -> Result<Front, Status> {
        match request.as_of {
            Some(time) => self.past_front(time.parse().map_err(|_| malformed())?).await,
            None => self.present_front(request.min_position).await,
        }
    }

    async fn present_front(&self, min: i64) -> Result<Front, Status> {
        let view = View::front();
        let live = self.live(&view, min).await?;
        let (mut places, mut after) = (Vec::new(), None);
        loop {
            let page = self.look(self.store.scan(&view, live.generation, after, PAGE)).await?;
            after = page.last().map(|document| document.id);
            let is_last = page.len() < PAGE;
            let page = page.into_iter().map(|document| read(document.body));
            places.extend(page.collect::<Result<Vec<Shown>, _>>()?);
            if is_last {
                return Ok(front(places, live.position));
            }
        }
    }

    /// The newest event of each place at that time.
    ///
    /// Editors change the front page by hand, so its partition is small.
    async fn past_front(&self, time: Timestamp) -> Result<Front, Status> {
        let (mut newest, mut position) = (HashMap::new(), Position::START);
        loop {
            let page = self.log.read_after(position, Some(&Partition::Front), PAGE).await;
            let page = page.map_err(silent_log)?;
            let is_last = page.last().is_none_or(|event| event.recorded_at > time);
            for event in page.into_iter().take_while(|event| event.recorded_at <= time) {
                position = event.position;
                newest.insert(event.stream_id.clone(), event);
            }
            if is_last {
                break;
            }
        }
        let places = newest.into_values().map(|event| shown(event.decode()?));
        let places = places.collect::<Result<_, _>>().map_err(|error: BoxError| {
            tracing::error!(error = %Chain(&*error), "the past of the front page cannot be told");
            Status::internal("an event of the front page cannot be read")
        })?;
        Ok(front(places, position))
    }
}

fn front(places: Vec<Shown>, position: Position) -> Front {
    let mut front = Front { position: position.get(), ..Default::default() };
    for place in places {
        match place {
            Shown::Pins(FrontPinned { articles, .. }) if articles.is_empty() => {}
            Shown::Pins(FrontPinned { category, articles }) => {
                let article_ids = articles.iter().map(ToString::to_string).collect();
                front.pins.push(Pins { category: category.to_string(), article_ids });
            }
            Shown::Breaking(article) => front.breaking = article.map(|id| id.to_string()),
        }
    }
    front.pins.sort_unstable_by(|a, b| a.category.cmp(&b.category));
    front
}
