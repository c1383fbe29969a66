//! `GET /v1/recommendations/…`: what a user may like to read, and why; and for admins, who has read
//! about something.

use std::collections::{HashMap, HashSet};

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use events::UserId;
use proto::Problem;
use proto::conventions::Address;
use proto::fields::query;
use proto::v1::{ArticleSummary, Label, ListReadersRequest, MostRead, Profile};
use schemars::JsonSchema;
use serde::Serialize;

use crate::Door;
use crate::list::ListPage;
use crate::parameters::{OnlyLimit, limit};
use crate::private::private;
use crate::queries::{ANSWER_DEADLINE, QueryError, Terms};

const DEFAULT_LIMIT: u32 = 20;

/// An article, and why it is recommended.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Recommended {
    #[serde(flatten)]
    pub(crate) article: ArticleSummary,
    /// For the reader, such as `you read about sports`.
    pub(crate) reason: String,
}

/// What is known of somebody's reading, and what follows from it.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Recommendations {
    enabled: bool,
    labels: Vec<Label>,
    articles: Vec<Recommended>,
}

/// What somebody with this profile may like, at most `limit`: the articles that share the heaviest
/// labels, of these the newest first. Whoever shares nothing with any of them gets what most have
/// read, or what is new. What was read is left out.
#[must_use]
pub(crate) fn recommend<'a>(
    profile: &Profile,
    candidates: impl IntoIterator<Item = &'a ArticleSummary>,
    most_read: &[MostRead],
    limit: usize,
) -> Vec<Recommended> {
    let mut left_out: HashSet<_> = profile.read.iter().map(String::as_str).collect();
    // A candidate may come twice.
    let candidates = candidates.into_iter();
    let mut unread: Vec<_> = candidates.filter(|article| left_out.insert(&article.id)).collect();
    unread.sort_unstable_by(|a, b| (&b.published_at, &b.id).cmp(&(&a.published_at, &a.id)));
    let mut chosen = by_labels(profile, &unread);
    if chosen.is_empty() {
        chosen = by_readers(most_read, &unread);
    }
    if chosen.is_empty() {
        chosen = unread.iter().map(|article| because(article, "new".to_owned())).collect();
    }
    chosen.truncate(limit);
    chosen
}

fn by_labels(profile: &Profile, unread: &[&ArticleSummary]) -> Vec<Recommended> {
    let weights: HashMap<_, _> =
        profile.labels.iter().map(|label| (label.label.as_str(), label.weight)).collect();
    let scored = unread.iter().filter_map(|article| {
        let labels: HashSet<_> =
            article.tags.iter().chain([&article.category]).map(String::as_str).collect();
        let shared = labels.iter().filter_map(|label| Some((*label, *weights.get(label)?)));
        let shared: Vec<_> = shared.collect();
        let heaviest = |a: &&(&str, f64), b: &&(&str, f64)| a.1.total_cmp(&b.1).then(b.0.cmp(a.0));
        let (label, _) = shared.iter().max_by(heaviest)?;
        let mut weights: Vec<_> = shared.iter().map(|(_, weight)| *weight).collect();
        // The same sum, whatever the order of the labels.
        weights.sort_unstable_by(f64::total_cmp);
        let score: f64 = weights.into_iter().sum();
        Some((score, because(article, format!("you read about {label}"))))
    });
    let mut scored: Vec<_> = scored.collect();
    // Stable: ties stay newest first.
    scored.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    scored.into_iter().map(|(_, recommended)| recommended).collect()
}

fn by_readers(most_read: &[MostRead], unread: &[&ArticleSummary]) -> Vec<Recommended> {
    let by_id: HashMap<_, _> = unread.iter().map(|article| (&article.id, *article)).collect();
    let found = most_read.iter().filter_map(|most_read| by_id.get(&most_read.article_id));
    found.map(|article| because(article, "most read".to_owned())).collect()
}

fn because(article: &ArticleSummary, reason: String) -> Recommended {
    Recommended { article: article.clone(), reason }
}

/// What is known of a user's reading is for that user alone.
pub(crate) async fn for_user(
    State(portal): State<Door>,
    Address(id): Address<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    private(own(&portal, &id, &uri, &headers).await.map(Json))
}

async fn own(
    portal: &Door,
    id: &str,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Recommendations, Problem> {
    let terms = Terms::of(headers, ANSWER_DEADLINE)?;
    let principal = portal.identity.require(headers).await?;
    if id.parse() != Ok(principal.user_id.0) {
        return Err(Problem::forbidden("you see your own recommendations only")
            .refusing("not allowed", Some(principal.user_id)));
    }
    let OnlyLimit { limit } = OnlyLimit::read(uri)?;
    let (profile, front_page) = tokio::join!(
        portal.queries.profile(principal.user_id, terms),
        portal.front_page.material(terms.min_position),
    );
    let (profile, front_page) = (profile?, front_page?);
    if profile.enabled && front_page.is_nothing() {
        return Err(QueryError::Unavailable.into());
    }
    let articles = front_page.recommend(&profile, limit as usize).unwrap_or_default();
    Ok(Recommendations { enabled: profile.enabled, labels: profile.labels, articles })
}

pub(crate) async fn readers(
    State(portal): State<Door>,
    Address(label): Address<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    private(of_label(&portal, label, &uri, &headers).await)
}

async fn of_label(
    portal: &Door,
    label: String,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let terms = Terms::of(headers, ANSWER_DEADLINE)?;
    portal.identity.require_admin(headers).await?;
    let (limit, after) = query(uri, |fields| {
        let (limit, after) = (limit(fields, DEFAULT_LIMIT), fields.optional::<UserId>("after"));
        Ok((limit?, after?.map(|id| id.to_string())))
    })?;
    let request = ListReadersRequest { label, limit: limit + 1, after, ..Default::default() };
    let mut items = portal.queries.readers(request, terms).await?;
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let next = items.last().filter(|_| more).cloned();
    Ok(Json(ListPage { items, next }).into_response())
}

#[cfg(test)]
mod tests;
