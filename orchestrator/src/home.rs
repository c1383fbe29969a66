//! `GET /v1/home`: the front page, composed from all categories at the same time.
//!
//! A category that does not answer in time is not waited for: its section is what it was last, marked
//! as `stale`, and the page is `degraded` and still 200. A page of which nothing could be read, now
//! or before, is no page: 503.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use events::{Category, Position, Timestamp};
use futures::future::try_join_all;
use proto::Problem;
use proto::v1::{ArticlePage, ArticleSummary};
use serde::Serialize;

use crate::Orchestrator;
use crate::list::ListParameters;
use crate::queries::{QueryError, SECTION_DEADLINE, Terms, list_articles};

/// Articles per category when the reader does not say.
const DEFAULT_LIMIT: u32 = 10;

#[derive(Serialize)]
struct Home {
    /// The newest position that a section reflects.
    position: Position,
    generated_at: Timestamp,
    degraded: bool,
    sections: Vec<Section>,
    most_read: Vec<ArticleSummary>,
}

#[derive(Serialize)]
struct Section {
    category: Category,
    status: SectionStatus,
    articles: Vec<ArticleSummary>,
    /// What it reflects.
    #[serde(skip)]
    position: Position,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum SectionStatus {
    Ok,
    /// As it was when the category answered last.
    Stale,
    Unavailable,
}

pub(crate) async fn get(
    State(portal): State<Orchestrator>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let parameters = ListParameters::read(&uri)?.only_limit()?;
    let limit = parameters.limit(DEFAULT_LIMIT)?;
    let terms = Terms::of(&headers, SECTION_DEADLINE)?;
    let asked = portal.queries.all().iter().map(async |(category, upstream)| {
        let mut request = parameters.articles(category.as_str(), None)?;
        request.limit = limit;
        let answer = list_articles(upstream, request, terms).await;
        Ok::<_, Problem>(portal.last_good.section(category, limit, terms.min_position, answer)?)
    });
    Ok(Json(compose(try_join_all(asked).await?)?).into_response())
}

/// The last good sections of the front page, for when a category does not answer.
#[derive(Clone, Default)]
pub(crate) struct LastGood(Arc<Mutex<HashMap<Category, ArticlePage>>>);

impl LastGood {
    /// The newest counts, so that nothing comes back that was taken away; of two at the same
    /// position, the longer one.
    fn keep(&self, category: &Category, page: &ArticlePage) {
        let mut sections = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let worth = |page: &ArticlePage| (page.position, page.items.len());
        if sections.get(category).is_none_or(|kept| worth(kept) < worth(page)) {
            sections.insert(category.clone(), page.clone());
        }
    }

    /// The section that this answer makes.
    fn section(
        &self,
        category: &Category,
        limit: u32,
        min: Position,
        answer: Result<ArticlePage, QueryError>,
    ) -> Result<Section, QueryError> {
        let (status, page) = match answer {
            Ok(page) => {
                self.keep(category, &page);
                (SectionStatus::Ok, page)
            }
            // The reader asked for a page that is not older than a position: this one would be.
            Err(QueryError::Behind) => return Err(QueryError::Behind),
            Err(QueryError::Unavailable | QueryError::NotFound) => {
                match self.of(category, limit, min) {
                    Some(page) => (SectionStatus::Stale, page),
                    None => (SectionStatus::Unavailable, ArticlePage::default()),
                }
            }
        };
        let (articles, position) = (page.items, Position::new(page.position));
        Ok(Section { category: category.clone(), status, articles, position })
    }

    /// What there was, unless the reader has seen something newer.
    fn of(&self, category: &Category, limit: u32, min: Position) -> Option<ArticlePage> {
        let sections = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = sections.get(category).filter(|kept| kept.position >= min.get())?;
        let items = kept.items.iter().take(limit as usize).cloned().collect();
        Some(ArticlePage { items, position: kept.position })
    }
}

fn compose(sections: Vec<Section>) -> Result<Home, QueryError> {
    if sections.iter().all(|section| section.status == SectionStatus::Unavailable) {
        return Err(QueryError::Unavailable);
    }
    let position = sections.iter().map(|section| section.position).max();
    let degraded = sections.iter().any(|section| section.status != SectionStatus::Ok);
    Ok(Home {
        position: position.unwrap_or(Position::START),
        generated_at: chrono::Utc::now().into(),
        degraded,
        sections,
        most_read: Vec::new(),
    })
}
