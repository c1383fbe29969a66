//! `GET /v1/home`: the front page, composed from all categories at the same time.
//!
//! A category that does not answer in time is marked, not waited for: the page is `degraded` and
//! still 200. A page of which nothing could be read is no page: 503.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use events::{Category, Position, Timestamp};
use futures::future::join_all;
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
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum SectionStatus {
    Ok,
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
        Ok::<_, Problem>((category, list_articles(upstream, request, terms).await))
    });
    let answers: Vec<_> = join_all(asked).await.into_iter().collect::<Result<_, _>>()?;
    Ok(Json(compose(answers)?).into_response())
}

fn compose(answers: Vec<(&Category, Result<ArticlePage, QueryError>)>) -> Result<Home, QueryError> {
    let mut position = Position::START;
    let mut sections = Vec::with_capacity(answers.len());
    for (category, answer) in answers {
        let (status, articles) = match answer {
            Ok(page) => {
                position = position.max(Position::new(page.position));
                (SectionStatus::Ok, page.items)
            }
            // The reader asked for a page that is not older than a position: this one would be.
            Err(QueryError::Behind) => return Err(QueryError::Behind),
            Err(QueryError::Unavailable | QueryError::NotFound) => {
                (SectionStatus::Unavailable, Vec::new())
            }
        };
        sections.push(Section { category: category.clone(), status, articles });
    }
    if sections.iter().all(|section| section.status == SectionStatus::Unavailable) {
        return Err(QueryError::Unavailable);
    }
    let degraded = sections.iter().any(|section| section.status != SectionStatus::Ok);
    let generated_at = chrono::Utc::now().into();
    Ok(Home { position, generated_at, degraded, sections, most_read: Vec::new() })
}
