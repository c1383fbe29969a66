//! From addresses to adapters: the one place that knows which adapters there are.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use command_stack::accounts::{AccountStore, PostgresAccounts, SqliteAccounts};
use command_stack::event_log::{EventLog, EventLogUrl, PostgresEventLog, SqliteEventLog};
use command_stack::signing_keys::SigningKeys;
use command_stack::webhooks::{PostgresWebhooks, SqliteWebhooks, WebhookStore};
use events::bus::in_process::InProcessBus;
use events::bus::rabbitmq::RabbitMq;
use events::bus::{BusUrl, EventPublisher, EventSubscriber, ReadingSender, ReadingSubscriber};
use events::inspection::Inspection;
use events::personal::{KeyReader, Keyring};
use events::{BoxError, Chain, LogError, ServerUrl};
use proto::metrics::watch_pool;
use query_stack::reading_store::ReadingStore;
use query_stack::view_store::{MongoViewStore, SqliteViewStore, ViewStore, ViewStoreUrl};

use crate::settings::Addresses;

/// The log, and what is kept beside it.
pub(crate) struct Log {
    pub(crate) events: Arc<dyn EventLog>,
    pub(crate) accounts: Arc<dyn AccountStore>,
    pub(crate) webhooks: Arc<dyn WebhookStore>,
}

impl Log {
    /// Opens what is sealed of users.
    pub(crate) fn keyring(&self) -> Keyring {
        Keyring::new(Arc::clone(&self.accounts) as Arc<dyn KeyReader>)
    }
}

/// Both ends of the bus, for events and for readings.
pub(crate) struct Bus {
    pub(crate) publisher: Arc<dyn EventPublisher>,
    pub(crate) subscriber: Arc<dyn EventSubscriber>,
    pub(crate) reading_sender: Arc<dyn ReadingSender>,
    pub(crate) reading_subscriber: Arc<dyn ReadingSubscriber>,
}

impl Bus {
    fn of<B>(bus: B) -> Self
    where
        B: EventPublisher + EventSubscriber + ReadingSender + ReadingSubscriber + Clone + 'static,
    {
        Self {
            publisher: Arc::new(bus.clone()),
            subscriber: Arc::new(bus.clone()),
            reading_sender: Arc::new(bus.clone()),
            reading_subscriber: Arc::new(bus),
        }
    }
}

/// What is kept in the view store.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) views: Arc<dyn ViewStore>,
    pub(crate) readings: Arc<dyn ReadingStore>,
}

impl Stores {
    fn of<S: ViewStore + ReadingStore + Clone + 'static>(store: S) -> Self {
        Self { views: Arc::new(store.clone()), readings: Arc::new(store) }
    }
}

/// The event log. A PostgreSQL that is down is no reason not to start; one that was never prepared
/// or does not let us in is.
pub(crate) async fn event_log(addresses: &Addresses) -> Result<Log> {
    match addresses.event_log() {
        EventLogUrl::Sqlite(path) => {
            make_data_dir(addresses)?;
            let log = SqliteEventLog::at(&path).await;
            let log =
                log.map_err(|error| anyhow!("the event log {path} cannot be opened: {error}"))?;
            let accounts = Arc::new(SqliteAccounts(log.pool().clone()));
            let webhooks = Arc::new(SqliteWebhooks(log.pool().clone()));
            Ok(Log { events: Arc::new(log), accounts, webhooks })
        }
        EventLogUrl::Postgres(url) => {
            let log = postgres(&url)?;
            match log.is_migrated().await {
                Ok(true) => {}
                Ok(false) => bail!(
                    "the event log has no tables yet, or old ones: run `portal migrate` first"
                ),
                Err(LogError::Unavailable(error)) => {
                    tracing::warn!(error = %Chain(&*error), "the event log does not answer yet");
                }
                Err(LogError::Corrupt(error)) => bail!("the event log cannot be used: {error}"),
            }
            let accounts = Arc::new(PostgresAccounts(log.pool().clone()));
            let webhooks = Arc::new(PostgresWebhooks(log.pool().clone()));
            Ok(Log { events: Arc::new(log), accounts, webhooks })
        }
    }
}

/// The event log for a tool that only reads: a mistyped path must not look like an empty log.
pub(crate) async fn existing_event_log(addresses: &Addresses) -> Result<Arc<dyn EventLog>> {
    if let EventLogUrl::Sqlite(path) = addresses.event_log()
        && !Path::new(&path).exists()
    {
        bail!("there is no event log at {path}");
    }
    Ok(event_log(addresses).await?.events)
}

fn postgres(url: &ServerUrl) -> Result<PostgresEventLog> {
    let log = PostgresEventLog::at(url.with_password());
    let log = log.map_err(|error| anyhow!("--event-log: {error}"))?;
    let pool = log.pool().clone();
    watch_pool("event-log", move || (pool.size() as usize, pool.num_idle()));
    Ok(log)
}

/// Brings the tables of the event log up to date.
pub(crate) async fn migrate(addresses: &Addresses) -> Result<()> {
    match addresses.event_log() {
        // Opening the file migrates it.
        EventLogUrl::Sqlite(_) => event_log(addresses).await.map(drop),
        EventLogUrl::Postgres(url) => {
            let migrated = postgres(&url)?.migrate().await;
            migrated.map_err(|error| anyhow!("the event log was not migrated: {error}"))
        }
    }
}

/// The view store, for who only needs the views.
pub(crate) async fn view_store(addresses: &Addresses) -> Result<Arc<dyn ViewStore>> {
    Ok(stores(addresses).await?.views)
}

/// The view store. It may be down.
pub(crate) async fn stores(addresses: &Addresses) -> Result<Stores> {
    Ok(match addresses.view_store() {
        ViewStoreUrl::Sqlite(path) => {
            make_data_dir(addresses)?;
            let store = SqliteViewStore::at(&path).await;
            let wrong = |error| anyhow!("the view store {path} cannot be opened: {error}");
            Stores::of(store.map_err(wrong)?)
        }
        ViewStoreUrl::Mongo(url) => {
            let store = MongoViewStore::at(url.with_password()).await;
            Stores::of(store.map_err(|error| anyhow!("--view-store: {error}"))?)
        }
    })
}

/// The bus. It may be down.
pub(crate) fn bus(addresses: &Addresses) -> Bus {
    match addresses.bus() {
        BusUrl::InProcess => Bus::of(InProcessBus::default()),
        BusUrl::Amqp(url) => Bus::of(RabbitMq::at(url.with_password())),
    }
}

/// What carries readings from a door that is a process of its own, if anything does.
pub(crate) fn reading_sender(addresses: &Addresses) -> Option<Arc<dyn ReadingSender>> {
    let between_processes = *addresses.bus() != BusUrl::InProcess;
    between_processes.then(|| bus(addresses).reading_sender)
}

/// The bus of one service among several.
pub(crate) fn bus_between_processes(addresses: &Addresses) -> Result<Bus> {
    if *addresses.bus() == BusUrl::InProcess {
        bail!("a service of its own needs a bus between processes: set --bus amqp://…");
    }
    Ok(bus(addresses))
}

/// What the event log reports, without changing it; `None`: a file that is not there yet.
pub(crate) async fn inspect_event_log(addresses: &Addresses) -> Result<Option<Inspection>> {
    let inspected = match addresses.event_log() {
        EventLogUrl::Sqlite(path) if !Path::new(&path).exists() => return Ok(None),
        EventLogUrl::Sqlite(path) => SqliteEventLog::inspect(&path).await,
        EventLogUrl::Postgres(url) => postgres(&url)?.inspect().await,
    };
    inspected.map(Some).map_err(described)
}

/// What the view store reports, without changing it; `None`: a file that is not there yet.
pub(crate) async fn inspect_view_store(addresses: &Addresses) -> Result<Option<Inspection>> {
    let inspected = match addresses.view_store() {
        ViewStoreUrl::Sqlite(path) if !Path::new(&path).exists() => return Ok(None),
        ViewStoreUrl::Sqlite(path) => SqliteViewStore::inspect(&path).await,
        ViewStoreUrl::Mongo(url) => {
            let store = MongoViewStore::at(url.with_password()).await.map_err(described)?;
            store.inspect().await
        }
    };
    inspected.map(Some).map_err(described)
}

/// What the broker reports; `None`: the bus is in this process.
pub(crate) async fn inspect_bus(addresses: &Addresses) -> Result<Option<Inspection>> {
    match addresses.bus() {
        BusUrl::InProcess => Ok(None),
        BusUrl::Amqp(url) => {
            RabbitMq::at(url.with_password()).inspect().await.map(Some).map_err(described)
        }
    }
}

/// An error with its causes, each once: some drivers repeat a cause in the error's own text.
fn described(error: BoxError) -> anyhow::Error {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let described = error.to_string();
        if !text.contains(&described) {
            text = format!("{text}: {described}");
        }
        cause = error.source();
    }
    anyhow!(text)
}

/// Where the keys that sign access tokens are.
pub(crate) fn signing_keys_file(addresses: &Addresses) -> PathBuf {
    addresses.data_dir.join("signing-keys.json")
}

/// The keys that sign access tokens; the first to ask makes one.
pub(crate) fn signing_keys(addresses: &Addresses) -> Result<SigningKeys> {
    make_data_dir(addresses)?;
    Ok(SigningKeys::open_or_create(signing_keys_file(addresses))?)
}

/// For its owner alone: the keys of users, password hashes and signing keys are in it.
pub(crate) fn make_data_dir(addresses: &Addresses) -> Result<()> {
    let folder = &addresses.data_dir;
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("--data-dir {} cannot be made", folder.display()))
}
