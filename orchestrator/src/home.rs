//! `GET /v1/home`: the front page.

mod cached_part;
mod composition;
mod front;
mod front_page;
mod page;
mod section;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, VARY};
use axum::http::{HeaderMap, HeaderValue, Method, Uri};
use axum::response::{IntoResponse, Response};
use events::{Position, Timestamp, UserId};
use futures::future::join;
use proto::Problem;
use proto::conventions::{answer_at_once, min_position};
use proto::fields::query;
use schemars::JsonSchema;

pub(crate) use self::cached_part::Status;
use self::composition::CHOICE;
pub(crate) use self::composition::Home;
pub(crate) use self::front_page::{FrontPage, Newest};
use self::page::VARIES;
pub(crate) use self::page::{EncodedPage, KEEP, Kind, list, weight};
use crate::Door;
use crate::parameters::{Limit, limit};
use crate::queries::{QueryError, SECTION_DEADLINE, Terms};
use crate::rate_limits::is_for_everybody;

/// A personal page is for one reader and must not be cached.
const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-store");
/// Articles per section if the request sets no limit.
const DEFAULT_LIMIT: u32 = 10;

#[derive(JsonSchema)]
pub(crate) struct HomeParameters {
    /// Articles in a section: 10 if nothing is said.
    #[schemars(with = "Option<Limit>")]
    limit: u32,
    /// The page as it was.
    as_of: Option<Timestamp>,
}

impl HomeParameters {
    fn read(uri: &Uri) -> Result<Self, Problem> {
        query(uri, |fields| {
            let (limit, as_of) = (limit(fields, DEFAULT_LIMIT), fields.optional("as_of"));
            Ok(Self { limit: limit?, as_of: as_of? })
        })
    }
}

/// Where the page is.
pub(crate) const ROUTE: &str = "/v1/home";

/// Serves the cached public page before routing; `None` for every other request.
pub(crate) fn at_once(portal: &Door, request: &Request) -> Option<Response> {
    let is_it = request.uri().path() == ROUTE && *request.method() == Method::GET;
    if !is_it || !is_for_everybody(request) {
        return None;
    }
    answer_at_once(request, ROUTE, || {
        let limit = HomeParameters::read(request.uri()).ok()?.limit as usize;
        Some(portal.front_page.kept(limit)?.answer(request.headers()))
    })
}

pub(crate) async fn get(
    State(portal): State<Door>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let HomeParameters { limit, as_of } = HomeParameters::read(&uri)?;
    let limit = limit as usize;
    let (front_page, min) = (&portal.front_page, min_position(&headers)?);
    if let Some(time) = as_of {
        return Ok(front_page.page_as_of(limit, time).await?.answer(&headers));
    }
    // A reader whose session has expired gets the public page: there is always a front page.
    if let Ok(Some(reader)) = portal.identity.identify(&headers).await {
        return personal(&portal, limit, min, reader.user_id).await;
    }
    Ok(front_page.page(limit, min).await?.answer(&headers))
}

/// The page with recommendations; without a profile it has none and is degraded.
async fn personal(
    portal: &Door,
    limit: usize,
    min: Position,
    reader: UserId,
) -> Result<Response, Problem> {
    let profile = portal.queries.profile(reader, Terms::new(min, SECTION_DEADLINE));
    let (material, profile) = join(portal.front_page.material(min), profile).await;
    let material = material?;
    if material.is_nothing() {
        return Err(QueryError::Unavailable.into());
    }
    let is_silent = matches!(profile, Err(QueryError::Behind | QueryError::Unavailable));
    let for_you = profile.ok().and_then(|profile| material.recommend(&profile, CHOICE));
    let mut home = material.compose(limit, for_you.as_deref(), Timestamp::from(chrono::Utc::now()));
    home.degraded |= is_silent;
    let mut response = Json(home).into_response();
    response.headers_mut().insert(CACHE_CONTROL, PRIVATE);
    response.headers_mut().insert(VARY, VARIES);
    Ok(response)
}
