//! The one public door: composes what readers get from the query-stacks, and hands commands on to
//! the command-stack.
//!
//! Invariant: it keeps nothing that could be lost. Everything it answers comes from the services
//! behind it, each asked with a deadline.

mod articles;
mod commands;
mod docs;
mod documents;
mod feeds;
mod follower;
mod history;
mod home;
mod identity;
mod list;
mod live;
mod openapi;
mod parameters;
mod private;
mod public_log;
mod queries;
mod rate_limits;
mod readings;
mod recommendations;
mod site;
mod sitemap;
pub mod upstream;
mod users;

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::future::RouteFuture;
use axum::routing::{MethodRouter, any, get};
use axum::{Json, Router};
use events::Category;
use events::bus::ReadingSender;
use futures::future::{self, Either, Ready, join_all};
use proto::conventions::{self, Need, ParkedView, health_report, liveness};
use proto::metrics::exposition;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tower::Service;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::commands::{forward, hand_on};
use crate::feeds::Feeds;
use crate::follower::Follower;
use crate::home::FrontPage;
use crate::identity::Identity;
use crate::list::ListPage;
use crate::live::{EarlierEvents, Listeners, Tail};
use crate::public_log::PublicLog;
use crate::queries::QueryStacks;
pub use crate::rate_limits::RateLimits;
use crate::rate_limits::{Limiter, limited};
use crate::readings::Readings;
pub use crate::site::{PublicUrl, Site};
use crate::sitemap::Sitemap;
use crate::upstream::Upstream;

pub use crate::openapi::openapi;

/// The public door.
pub struct Orchestrator {
    queries: Arc<QueryStacks>,
    commands: Upstream,
    identity: Identity,
    front_page: Arc<FrontPage>,
    listeners: Listeners,
    public_log: PublicLog,
    readings: Readings,
    limiter: Arc<Limiter>,
    site: Site,
    feeds: Feeds,
    sitemap: Sitemap,
    document: fn() -> Bytes,
    /// Ends with the door.
    _background: JoinSet<()>,
}

/// As every request has it.
type Door = Arc<Orchestrator>;

/// Who may listen to the live updates at the same time, if nothing else is said.
const LISTENERS: usize = 1_000;
const ASK: HeaderValue = HeaderValue::from_static("no-cache");

type Handlers = fn() -> MethodRouter<Door>;

/// Every address that answers a GET by itself, with the commands that are handed on at the same
/// address. What is not here is the command-stack's.
const QUERIES: [(&str, Handlers); 25] = [
    ("/", || get(index)),
    (home::ROUTE, || get(home::get)),
    ("/v1/live", || get(live::get)),
    ("/v1/events", || get(public_log::get)),
    ("/v1/categories", || get(categories)),
    ("/v1/news", || get(articles::list_all)),
    ("/v1/news/{category}", || get(articles::list).post(forward)),
    ("/v1/news/{category}/{id}", || get(articles::get).put(forward)),
    ("/v1/news/{category}/{id}/history", || get(history::get)),
    ("/v1/users", || get(users::list).post(forward)),
    ("/v1/users/{id}", || get(users::get).put(forward).delete(forward)),
    ("/v1/recommendations/users/{id}", || {
        get(recommendations::for_user).put(forward).delete(forward)
    }),
    ("/v1/recommendations/labels/{label}", || get(recommendations::readers)),
    ("/v1/webhooks", || get(forward).post(forward)),
    ("/v1/webhooks/{id}", || get(forward).delete(forward)),
    ("/v1/webhooks/{id}/deliveries", || get(forward)),
    ("/feeds/{name}", || get(feeds::get)),
    ("/sitemap-news.xml", || get(sitemap::get)),
    ("/.well-known/jwks.json", || get(forward)),
    ("/openapi.json", || get(docs::document)),
    ("/docs", || get(docs::page)),
    ("/docs/{file}", || get(docs::file)),
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
    /// A door to this command-stack and to the query-stack of each category. Within a runtime of
    /// tokio: from now on the front page is kept ready.
    #[must_use]
    pub fn new(commands: Upstream, queries: Vec<(Category, Upstream)>) -> Self {
        let identity = Identity::new(commands.clone());
        let (tail, queries) = (Arc::new(Tail::new()), Arc::new(QueryStacks::new(queries)));
        let front_page = Arc::new(FrontPage::new(&queries, Arc::clone(&tail)));
        let mut background: JoinSet<()> = front_page.keepers().into_iter().collect();
        for upstream in queries.upstreams().cloned() {
            let (tail, front_page) = (Arc::clone(&tail), Arc::clone(&front_page));
            background.spawn(Follower { upstream, tail, front_page }.run());
        }
        let earlier = Arc::new(EarlierEvents::new(Arc::clone(&queries)));
        let public_log = PublicLog::new(Arc::clone(&tail), Arc::clone(&earlier));
        let listeners = Listeners::new(tail, earlier, LISTENERS);
        let (readings, document) = (Readings::off(), Bytes::new as fn() -> Bytes);
        let limiter = Arc::new(Limiter::new(RateLimits::default()));
        Self {
            queries,
            commands,
            identity,
            front_page,
            listeners,
            public_log,
            readings,
            limiter,
            site: Site::default(),
            feeds: Feeds::default(),
            sitemap: Sitemap::default(),
            document,
            _background: background,
        }
    }

    /// The same, with room for so many who listen to the live updates.
    #[must_use]
    pub fn with_listeners(self, at_most: usize) -> Self {
        Self { listeners: self.listeners.at_most(at_most), ..self }
    }

    /// The same, where nobody may ask for more than that.
    #[must_use]
    pub fn with_rate_limits(self, limits: RateLimits) -> Self {
        let limiter = Arc::new(Limiter::new(limits));
        tokio::spawn(limiter.forgetting());
        Self { limiter, ..self }
    }

    /// The same, which says this of itself in links and documents.
    #[must_use]
    pub fn with_site(self, site: Site) -> Self {
        Self { site, ..self }
    }

    /// The same, which shows this OpenAPI document.
    #[must_use]
    pub fn with_document(self, document: fn() -> Bytes) -> Self {
        Self { document, ..self }
    }

    /// The same, which lets know who read what, and the task that does so: it ends when the door and
    /// its router are gone.
    pub fn with_readings(
        self,
        bus: Arc<dyn ReadingSender>,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (readings, sending) = Readings::to(bus, self.identity.clone());
        (Self { readings, ..self }, sending)
    }

    /// All public routes. What is no query of ours is the command-stack's to answer.
    pub fn router(self) -> Router {
        let queries = QUERIES.into_iter();
        let router =
            queries.fold(Router::new(), |router, (path, handler)| router.route(path, handler()));
        let router = router.route("/v1/{*rest}", any(hand_on));
        let door: Door = Arc::new(self);
        let limited = from_fn_with_state(Arc::clone(&door), limited);
        let router = router.route_layer(limited).with_state(Arc::clone(&door));
        // What may be kept may not be shown without asking: an article can be taken back at any moment.
        let ask = SetResponseHeaderLayer::if_not_present(CACHE_CONTROL, ASK);
        let router = conventions::follow(router.layer(ask));
        Router::new().fallback_service(AtOnce { door, router })
    }
}

/// What is kept for everybody is answered before anything is done for the request; the others take the
/// usual way.
#[derive(Clone)]
struct AtOnce {
    door: Door,
    router: Router,
}

impl Service<Request> for AtOnce {
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Ready<Result<Response, Infallible>>, RouteFuture<Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match home::at_once(&self.door, &request) {
            Some(response) => Either::Left(future::ready(Ok(response))),
            None => Either::Right(self.router.call(request)),
        }
    }
}

/// For who opens the address in a browser.
async fn index() -> Json<Value> {
    Json(json!({
        "home": "/v1/home",
        "live": "/v1/live",
        "events": "/v1/events",
        "news": "/v1/news",
        "categories": "/v1/categories",
        "docs": "/docs",
        "feed": "/feeds/all.atom",
        "health": "/health/ready",
    }))
}

/// A category, and where its articles are.
#[derive(Serialize, JsonSchema)]
struct CategoryLink {
    category: Category,
    url: String,
}

async fn categories(State(portal): State<Door>) -> Json<ListPage<CategoryLink>> {
    let link = |category: &Category| CategoryLink {
        category: category.clone(),
        url: format!("/v1/news/{category}"),
    };
    Json(ListPage { items: portal.queries.categories().map(link).collect(), next: None })
}

/// The door works as long as something behind it does, so nothing behind it is vital by itself.
async fn ready(State(portal): State<Door>) -> Response {
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
    // The users and the front page are kept by every query-stack.
    parked.sort_unstable_by(|a, b| a.view.cmp(&b.view));
    parked.dedup_by(|a, b| a.view == b.view);
    health_report(&states, &parked)
}
