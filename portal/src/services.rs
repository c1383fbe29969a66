//! What can be run: each service by itself, or all of them in one process. Both are the same parts,
//! joined by the network or by function calls.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use axum::Router;
use axum::routing::get;
use command_stack::agenda::Agenda;
use command_stack::clock::Clock;
use command_stack::http::{Commands, Webhooks};
use command_stack::relay::Relay;
use command_stack::webhooks::Deliveries;
use events::bus::ReadingSender;
use events::{Chain, Partition};
use orchestrator::Orchestrator;
use orchestrator::upstream::{Protocol, Trust, Upstream};
use proto::conventions::{self, Need, liveness, readiness};
use proto::metrics::exposition;
use query_stack::{Figures, Forgetting, Projector, Queries, Recorder, views};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::openapi;
use crate::serve::{serve, shutdown_on_signal};
use crate::settings::{QueryUrl, Settings};
use crate::tls;
use crate::wiring::{self, Bus, Log, Stores};

/// How long readings that were noted last may take to get to the bus at the end.
const LAST_READINGS: Duration = Duration::from_secs(1);

/// Everything in one process.
pub(crate) async fn portal(settings: Settings) -> Result<()> {
    let _lock = lock_data_dir(&settings)?;
    let shutdown = shutdown_on_signal()?;
    wiring::migrate(&settings.addresses).await?;
    let log = wiring::event_log(&settings.addresses).await?;
    let stores = wiring::stores(&settings.addresses).await?;
    let bus = wiring::bus(&settings.addresses);

    let background = Background::default();
    background.relay(&settings, &log, &bus);
    background.agenda(&log);
    background.webhooks(&settings, &log);
    background.projectors(&settings, &log, &bus, &stores);
    let queries = queries(&settings, &log, stores);
    let queries = Upstream::in_process("query-stack", queries.router(bus.subscriber));
    let commands = Upstream::in_process("command-stack", commands(&settings, log)?.router());
    let queries = settings.categories.iter().map(|category| (category.clone(), queries.clone()));
    let door = Orchestrator::new(commands, queries.collect())
        .with_listeners(listeners(&settings))
        .with_rate_limits(settings.rate_limits())
        .with_document(openapi::document);
    let door = background.readings(door, bus.reading_sender);
    let router = |url: &str| Ok(door.with_site(settings.site.at(url)?).router());
    let guide = |url: &str| {
        format!(
            "\n\n  the home page      {url}/v1/home\n  to try it on       {url}/docs\n  health             \
             {url}/health/ready\n  the data           {}\n  an editor's token  \
             {} token --role editor{}\n\n\
             Everybody may read; who writes needs a token. README.md has a first walk with curl; \
             Ctrl-C stops.",
            settings.addresses.data_dir.display(),
            this_program(),
            where_the_key_is(&settings),
        )
    };
    serve(&settings, "http", router, shutdown, guide).await?;
    background.stop().await;
    Ok(())
}

/// As whoever started it can type it.
fn this_program() -> String {
    std::env::args().next().unwrap_or_else(|| "portal".to_owned())
}

/// What to add so that a token is signed with the key of this portal.
fn where_the_key_is(settings: &Settings) -> String {
    let folder = &settings.addresses.data_dir;
    if folder.as_os_str() == "./portal-data" {
        String::new()
    } else {
        format!(" --data-dir {}", folder.display())
    }
}

/// Two portals on one data directory would be two relays and two sets of projectors on one log.
fn lock_data_dir(settings: &Settings) -> Result<std::fs::File> {
    wiring::make_data_dir(&settings.addresses)?;
    let file = std::fs::File::create(settings.addresses.data_dir.join("portal.lock"))?;
    file.try_lock().map_err(|_| {
        anyhow!("another portal is running on --data-dir {}", settings.addresses.data_dir.display())
    })?;
    Ok(file)
}

/// Commands over HTTP, what is due, and who is called.
pub(crate) async fn command_stack(settings: Settings) -> Result<()> {
    let shutdown = shutdown_on_signal()?;
    let log = wiring::event_log(&settings.addresses).await?;
    let background = Background::default();
    background.agenda(&log);
    background.webhooks(&settings, &log);
    let router = commands(&settings, log)?.router();
    serve(&settings, "http", |_| Ok(router), shutdown, |_| String::new()).await?;
    background.stop().await;
    Ok(())
}

fn commands(settings: &Settings, log: Log) -> Result<Commands> {
    let keys = wiring::signing_keys(&settings.addresses)?;
    let webhooks = Webhooks { store: log.webhooks, terms: settings.webhooks.terms() };
    let commands = Commands::new(log.events, log.accounts, keys, &settings.categories);
    Ok(commands.with_webhooks(webhooks))
}

/// Queries over gRPC, and the projectors that keep their views.
pub(crate) async fn query_stack(settings: Settings) -> Result<()> {
    let bus = wiring::bus_between_processes(&settings.addresses)?;
    let shutdown = shutdown_on_signal()?;
    let log = wiring::event_log(&settings.addresses).await?;
    let stores = wiring::stores(&settings.addresses).await?;
    let background = Background::default();
    background.projectors(&settings, &log, &bus, &stores);
    let router = queries(&settings, &log, stores).router(bus.subscriber);
    serve(&settings, "grpc", |_| Ok(router), shutdown, |_| String::new()).await?;
    background.stop().await;
    Ok(())
}

fn queries(settings: &Settings, log: &Log, stores: Stores) -> Queries {
    let Stores { views, readings } = stores;
    Queries::new(views, readings, log.events.clone(), log.keyring(), &settings.categories)
}

/// The relay, with an address for its health.
pub(crate) async fn relay(settings: Settings) -> Result<()> {
    let bus = wiring::bus_between_processes(&settings.addresses)?;
    let shutdown = shutdown_on_signal()?;
    let log = wiring::event_log(&settings.addresses).await?;
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
    serve(&settings, "http", |_| Ok(router), shutdown, |_| String::new()).await?;
    background.stop().await;
    Ok(())
}

/// The public door.
pub(crate) async fn orchestrator(settings: Settings) -> Result<()> {
    let command_url = settings.command_url.as_deref();
    let command_url = command_url.context("an orchestrator of its own needs --command-url")?;
    let trust = tls::trust(&settings.tls)?;
    let commands = Upstream::at("command-stack", command_url, Protocol::Http1, &trust);
    let commands = commands.map_err(|error| anyhow!("--command-url: {error}"))?;
    let queries = query_upstreams(&settings, &trust)?;
    let shutdown = shutdown_on_signal()?;
    let mut door = Orchestrator::new(commands, queries)
        .with_listeners(listeners(&settings))
        .with_rate_limits(settings.rate_limits())
        .with_document(openapi::document);
    let background = Background::default();
    match wiring::reading_sender(&settings.addresses) {
        Some(bus) => door = background.readings(door, bus),
        None => tracing::info!("what is read is not recorded: that needs --bus amqp://…"),
    }
    let router = |url: &str| Ok(door.with_site(settings.site.at(url)?).router());
    serve(&settings, "http", router, shutdown, |_| String::new()).await?;
    background.stop().await;
    Ok(())
}

/// Who listens keeps a connection: half of them are for the others.
fn listeners(settings: &Settings) -> usize {
    usize::from(settings.max_connections.get()).div_ceil(2)
}

fn query_upstreams(
    settings: &Settings,
    trust: &Trust,
) -> Result<Vec<(events::Category, Upstream)>> {
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
            None => Upstream::at(&format!("query-stack {url}"), url, Protocol::Http2, trust)
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
    let scheme = if settings.tls.tls_cert.is_some() { "https" } else { "http" };
    let (url, trust) = (format!("{scheme}://{address}"), tls::trust_in_ourselves(&settings.tls)?);
    let service = Upstream::at("service", &url, Protocol::Http1, &trust);
    let service = service.map_err(|error| anyhow!("--listen: {error}"))?;
    let ready = match service.health().await {
        Ok(health) => {
            println!("{}", if health.ready { "ready" } else { "not ready" });
            health.ready
        }
        Err(error) => {
            println!("not ready: {}", Chain(&*error));
            false
        }
    };
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
        let partitions = news.chain([Partition::Users, Partition::Front]).collect();
        let relay = Relay::new(log.events.clone(), bus.publisher.clone(), partitions);
        self.tasks.spawn(relay.run(self.shutdown.clone()));
    }

    fn agenda(&self, log: &Log) {
        let agenda = Agenda::new(log.events.clone(), log.accounts.clone(), Clock::system());
        self.tasks.spawn(agenda.run(self.shutdown.clone()));
    }

    fn webhooks(&self, settings: &Settings, log: &Log) {
        let (events, store) = (log.events.clone(), log.webhooks.clone());
        let deliveries = Deliveries::new(events, store, settings.webhooks.terms(), Clock::system());
        self.tasks.spawn(deliveries.run(self.shutdown.clone()));
    }

    fn projectors(&self, settings: &Settings, log: &Log, bus: &Bus, stores: &Stores) {
        for view in views(&settings.categories) {
            let (store, log) = (stores.views.clone(), log.events.clone());
            let projector = Projector::new(view, store, log, bus.subscriber.clone());
            self.tasks.spawn(projector.run(self.shutdown.clone()));
        }
        let (store, events) = (stores.views.clone(), log.events.clone());
        let figures = Figures { log: events, store, views: views(&settings.categories) };
        self.tasks.spawn(figures.run(self.shutdown.clone()));
        let store = stores.readings.clone();
        let recorder = Recorder { bus: bus.reading_subscriber.clone(), store: store.clone() };
        self.tasks.spawn(recorder.run(self.shutdown.clone()));
        let forgetting = Forgetting { log: log.events.clone(), store };
        self.tasks.spawn(forgetting.run(self.shutdown.clone()));
    }

    /// The door with what sends readings, which ends by itself when the door is gone; or soon after,
    /// if the bus is away.
    fn readings(&self, door: Orchestrator, bus: Arc<dyn ReadingSender>) -> Orchestrator {
        let (door, sending) = door.with_readings(bus);
        let shutdown = self.shutdown.clone();
        let cut_off = async move {
            shutdown.cancelled().await;
            sleep(LAST_READINGS).await;
        };
        self.tasks.spawn(async {
            tokio::select! {
                () = sending => {}
                () = cut_off => {}
            }
        });
        door
    }

    /// After the server, so that readers who wait for a position are not left waiting.
    async fn stop(self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
