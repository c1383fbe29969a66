//! The one public door: composes what readers get from the query-stacks, and hands commands on to
//! the command-stack.
//!
//! Invariant: it keeps nothing that could be lost. Everything it answers comes from the services
//! behind it, each asked with a deadline.

mod articles;
mod commands;
mod history;
mod home;
mod identity;
mod list;
mod parameters;
mod private;
mod queries;
pub mod upstream;
mod users;

use std::sync::Arc;

use axum::extract::State;
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{MethodRouter, any, get};
use axum::{Json, Router};
use events::Category;
use futures::future::join_all;
use proto::conventions::{self, Need, ParkedView, health_report, liveness};
use proto::metrics::exposition;
use serde_json::{Value, json};

use crate::commands::{forward, hand_on};
use crate::home::LastGood;
use crate::identity::Identity;
use crate::private::not_unasked;
use crate::queries::QueryStacks;
use crate::upstream::Upstream;

/// The public door.
#[derive(Clone)]
pub struct Orchestrator {
    queries: Arc<QueryStacks>,
    commands: Upstream,
    identity: Identity,
    last_good: LastGood,
}

type Handlers = fn() -> MethodRouter<Orchestrator>;

/// Every address that answers a GET by itself, with the commands that are handed on at the same
/// address. What is not here is the command-stack's.
const QUERIES: [(&str, Handlers); 13] = [
    ("/", || get(index)),
    ("/v1/home", || get(home::get)),
    ("/v1/categories", || get(categories)),
    ("/v1/news", || get(articles::list_all)),
    ("/v1/news/{category}", || get(articles::list).post(forward)),
    ("/v1/news/{category}/{id}", || get(articles::get).put(forward)),
    ("/v1/news/{category}/{id}/history", || get(history::get)),
    ("/v1/users", || get(users::list).post(forward)),
    ("/v1/users/{id}", || get(users::get).put(forward).delete(forward)),
    ("/.well-known/jwks.json", || get(forward)),
    ("/health/live", || get(liveness)),
    ("/health/ready", || get(ready)),
    ("/metrics", || get(exposition)),
];

/// The addresses that can be read at the door.
#[must_use]
pub fn query_routes() -> Vec<&'static str> {
    QUERIES.iter().map(|(path, _)| *path).collect()
}

impl Orchestrator {
    /// A door to this command-stack and to the query-stack of each category.
    #[must_use]
    pub fn new(commands: Upstream, queries: Vec<(Category, Upstream)>) -> Self {
        let identity = Identity::new(commands.clone());
        let last_good = LastGood::default();
        Self { queries: Arc::new(QueryStacks::new(queries)), commands, identity, last_good }
    }

    /// All public routes. What is no query of ours is the command-stack's to answer.
    pub fn router(self) -> Router {
        let queries = QUERIES.into_iter();
        let router =
            queries.fold(Router::new(), |router, (path, handler)| router.route(path, handler()));
        let router = router.route("/v1/{*rest}", any(hand_on)).with_state(self);
        conventions::follow(router.layer(map_response(not_unasked)))
    }
}

/// For who opens the address in a browser.
async fn index() -> Json<Value> {
    Json(json!({
        "home": "/v1/home",
        "news": "/v1/news",
        "categories": "/v1/categories",
        "health": "/health/ready",
    }))
}

async fn categories(State(portal): State<Orchestrator>) -> Json<Value> {
    let item =
        |category: &Category| json!({"category": category, "url": format!("/v1/news/{category}")});
    let items: Vec<_> = portal.queries.categories().map(item).collect();
    Json(json!({"items": items, "next": null}))
}

/// The door works as long as something behind it does, so nothing behind it is vital by itself.
async fn ready(State(portal): State<Orchestrator>) -> Response {
    let upstreams = [&portal.commands].into_iter().chain(portal.queries.upstreams());
    let health = join_all(upstreams.map(async |upstream| (upstream, upstream.health().await.ok())));
    let health = health.await;
    let states = health.iter().map(|(upstream, health)| {
        let up = health.as_ref().is_some_and(|health| health.ready);
        (upstream.name(), Need::Useful, up)
    });
    let mut states: Vec<_> = states.collect();
    if states.iter().all(|(_, _, up)| !up) {
        states.iter_mut().for_each(|(_, need, _)| *need = Need::Vital);
    }
    let parked = health.iter().filter_map(|(_, health)| health.as_ref());
    let mut parked: Vec<ParkedView> = parked.flat_map(|health| health.parked.clone()).collect();
    // The users are kept by every query-stack.
    parked.sort_unstable_by(|a, b| a.view.cmp(&b.view));
    parked.dedup_by(|a, b| a.view == b.view);
    health_report(&states, &parked)
}
