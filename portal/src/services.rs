//! What can be run: each service by itself, or all of them in one process. Both are the same parts,
//! joined by the network or by function calls.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use axum::Router;
use axum::routing::get;
use command_stack::agenda::Agenda;
use command_stack::clock::Clock;
use command_stack::http::Commands;
use command_stack::relay::Relay;
use events::Partition;
use orchestrator::Orchestrator;
use orchestrator::upstream::{Protocol, Upstream};
use proto::conventions::{self, Need, liveness, readiness};
use proto::metrics::exposition;
use query_stack::{Figures, Projector, Queries, views};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::serve::{serve, shutdown_on_signal};
use crate::settings::{QueryUrl, Settings};
use crate::wiring::{self, Bus, Log};

/// Everything in one process.
pub(crate) async fn portal(settings: Settings) -> Result<()> {
    let _lock = lock_data_dir(&settings)?;
    let shutdown = shutdown_on_signal()?;
    wiring::migrate(&settings).await?;
    let log = wiring::event_log(&settings).await?;
    let store = wiring::view_store(&settings).await?;
    let bus = wiring::bus(&settings);

    let background = Background::default();
    background.relay(&settings, &log, &bus);
    background.agenda(&log);
    background.projectors(&settings, &log, &bus, &store);
    let queries = Queries::new(store, log.events.clone(), log.keyring(), &settings.categories);
    let queries = Upstream::in_process("query-stack", queries.router(bus.subscriber));
    let commands = Upstream::in_process("command-stack", commands(&settings, log)?.router());
    let queries = settings.categories.iter().map(|category| (category.clone(), queries.clone()));
    let router = Orchestrator::new(commands, queries.collect()).router();
    let guide = |address: &str| {
        format!(
            "\n\n  the home page      http://{address}/v1/home\n  health             \
             http://{address}/health/ready\n  the data           {}\n  an editor's token  \
             {} token --role editor{}\n\n\
             Everybody may read; who writes needs a token. README.md has a first walk with curl; \
             Ctrl-C stops.",
            settings.data_dir.display(),
            this_program(),
            where_the_key_is(&settings),
        )
    };
    serve(&settings.listen, "http", router, shutdown, guide).await?;
    background.stop().await;
    Ok(())
}

/// As whoever started it can type it.
fn this_program() -> String {
    std::env::args().next().unwrap_or_else(|| "portal".to_owned())
}

/// What to add so that a token is signed with the key of this portal.
fn where_the_key_is(settings: &Settings) -> String {
    let folder = &settings.data_dir;
    if folder.as_os_str() == "./portal-data" {
        String::new()
    } else {
        format!(" --data-dir {}", folder.display())
    }
}

/// Two portals on one data directory would be two relays and two sets of projectors on one log.
fn lock_data_dir(settings: &Settings) -> Result<std::fs::File> {
    wiring::make_data_dir(settings)?;
    let file = std::fs::File::create(settings.data_dir.join("portal.lock"))?;
    file.try_lock().map_err(|_| {
        anyhow!("another portal is running on --data-dir {}", settings.data_dir.display())
    })?;
    Ok(file)
}

/// Commands over HTTP, and what is due.
pub(crate) async fn command_stack(settings: Settings) -> Result<()> {
    let shutdown = shutdown_on_signal()?;
    let log = wiring::event_log(&settings).await?;
    let background = Background::default();
    background.agenda(&log);
    let router = commands(&settings, log)?.router();
    serve(&settings.listen, "http", router, shutdown, |_| String::new()).await?;
    background.stop().await;
    Ok(())
}

fn commands(settings: &Settings, log: Log) -> Result<Commands> {
    let keys = wiring::signing_keys(settings)?;
    Ok(Commands::new(log.events, log.accounts, keys, &settings.categories))
}

/// Queries over gRPC, and the projectors that keep their views.
pub(crate) async fn query_stack(settings: Settings) -> Result<()> {
    let bus = wiring::bus_between_processes(&settings)?;
    let shutdown = shutdown_on_signal()?;
    let log = wiring::event_log(&settings).await?;
    let store = wiring::view_store(&settings).await?;
    let background = Background::default();
    background.projectors(&settings, &log, &bus, &store);
    let keyring = log.keyring();
    let queries = Queries::new(store, log.events, keyring, &settings.categories);
    let router = queries.router(bus.subscriber);
    serve(&settings.listen, "grpc", router, shutdown, |_| String::new()).await?;
    background.stop().await;
    Ok(())
}

/// The relay, with an address for its health.
pub(crate) async fn relay(settings: Settings) -> Result<()> {
    let bus = wiring::bus_between_processes(&settings)?;
    let shutdown = shutdown_on_signal()?;
    let log = wiring::event_log(&settings).await?;
    let background = Background::default();
    background.relay(&settings, &log, &bus);
    let ready = get(async move || {
        let log = ("event log", Need::Vital, &*log.events as &dyn events::Dependency);
        readiness(&[log, ("bus", Need::Vital, &*bus.publisher)]).await
    });
    let router = Router::new()
        .route("/health/live", get(liveness))
        .route("/health/ready", ready)
        .route("/metrics", get(exposition));
    let router = conventions::follow(router);
    serve(&settings.listen, "http", router, shutdown, |_| String::new()).await?;
    background.stop().await;
    Ok(())
}

/// The public door.
pub(crate) async fn orchestrator(settings: Settings) -> Result<()> {
    let command_url = settings.command_url.as_deref();
    let command_url = command_url.context("an orchestrator of its own needs --command-url")?;
    let commands = Upstream::at("command-stack", command_url, Protocol::Http1);
    let commands = commands.map_err(|error| anyhow!("--command-url: {error}"))?;
    let queries = query_upstreams(&settings)?;
    let shutdown = shutdown_on_signal()?;
    let router = Orchestrator::new(commands, queries).router();
    serve(&settings.listen, "http", router, shutdown, |_| String::new()).await
}

fn query_upstreams(settings: &Settings) -> Result<Vec<(events::Category, Upstream)>> {
    let mut for_all = None;
    let mut by_category = HashMap::new();
    for url in &settings.query_urls {
        match url {
            QueryUrl::All(url) => {
                if for_all.replace(url.as_str()).is_some() {
                    bail!("--query-urls has more than one address for all categories");
                }
            }
            QueryUrl::Of(category, url) => drop(by_category.insert(category, url.as_str())),
        }
    }
    // One connection per address, however many categories are behind it.
    let mut upstreams = HashMap::new();
    let mut of_category = Vec::new();
    for category in &settings.categories {
        let Some(url) = by_category.remove(category).or(for_all) else {
            bail!("--query-urls says nothing of the category {category}");
        };
        let upstream = match upstreams.get(url) {
            Some(upstream) => Upstream::clone(upstream),
            None => Upstream::at(&format!("query-stack {url}"), url, Protocol::Http2)
                .map_err(|error| anyhow!("--query-urls: {error}"))?,
        };
        upstreams.insert(url, upstream.clone());
        of_category.push((category.clone(), upstream));
    }
    match by_category.into_keys().next() {
        Some(unknown) => bail!("--query-urls names {unknown}, which is not in --categories"),
        None => Ok(of_category),
    }
}

/// Asks the service at `--listen` whether it is ready: for the health checks of containers.
pub(crate) async fn health(settings: &Settings) -> Result<ExitCode> {
    // A service that listens on all addresses is asked on the loopback one.
    let address = settings.listen.replace("0.0.0.0", "127.0.0.1");
    let service = Upstream::at("service", &format!("http://{address}"), Protocol::Http1);
    let ready = service.map_err(|error| anyhow!("--listen: {error}"))?.health().await.is_some();
    println!("{}", if ready { "ready" } else { "not ready" });
    Ok(if ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What runs beside the server until it has stopped.
#[derive(Default)]
struct Background {
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Background {
    fn relay(&self, settings: &Settings, log: &Log, bus: &Bus) {
        let news = settings.categories.iter().cloned().map(Partition::News);
        let partitions = news.chain([Partition::Users]).collect();
        let relay = Relay::new(log.events.clone(), bus.publisher.clone(), partitions);
        self.tasks.spawn(relay.run(self.shutdown.clone()));
    }

    fn agenda(&self, log: &Log) {
        let agenda = Agenda::new(log.events.clone(), log.accounts.clone(), Clock::system());
        self.tasks.spawn(agenda.run(self.shutdown.clone()));
    }

    fn projectors(
        &self,
        settings: &Settings,
        log: &Log,
        bus: &Bus,
        store: &Arc<dyn query_stack::view_store::ViewStore>,
    ) {
        for view in views(&settings.categories) {
            let (store, log) = (store.clone(), log.events.clone());
            let projector = Projector::new(view, store, log, bus.subscriber.clone());
            self.tasks.spawn(projector.run(self.shutdown.clone()));
        }
        let (store, log) = (store.clone(), log.events.clone());
        let figures = Figures { log, store, views: views(&settings.categories) };
        self.tasks.spawn(figures.run(self.shutdown.clone()));
    }

    /// After the server, so that readers who wait for a position are not left waiting.
    async fn stop(self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
