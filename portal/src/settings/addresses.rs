//! Where the event log, the bus and the view store are. An address may hold a password, so it can come
//! from the environment or from a file instead of a flag.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use command_stack::event_log::EventLogUrl;
use events::bus::BusUrl;
use query_stack::view_store::ViewStoreUrl;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Settings")]
pub(crate) struct Addresses {
    /// The directory of the embedded stores and of the signing keys
    #[arg(long, global = true, env = "PORTAL_DATA_DIR", default_value = "./portal-data")]
    pub(crate) data_dir: PathBuf,

    /// The event log: sqlite:PATH or postgres://… [default: a file in the data directory]. With TLS:
    /// postgres://…?sslmode=verify-full&sslrootcert=FILE. `ps` shows flags: give an address with a
    /// password in the environment or in a file
    #[arg(
        long,
        global = true,
        env = "PORTAL_EVENT_LOG",
        hide_env_values = true,
        value_name = "URL"
    )]
    event_log: Option<EventLogUrl>,

    /// A file that holds the address of the event log
    #[arg(
        long,
        global = true,
        env = "PORTAL_EVENT_LOG_FILE",
        value_name = "FILE",
        value_parser = in_file::<EventLogUrl>,
        conflicts_with = "event_log"
    )]
    event_log_file: Option<EventLogUrl>,

    /// The bus: in-process: or amqp://… [default: in-process:]. With TLS:
    /// amqps://…?cacertfile=FILE
    #[arg(long, global = true, env = "PORTAL_BUS", hide_env_values = true, value_name = "URL")]
    bus: Option<BusUrl>,

    /// A file that holds the address of the bus
    #[arg(
        long,
        global = true,
        env = "PORTAL_BUS_FILE",
        value_name = "FILE",
        value_parser = in_file::<BusUrl>,
        conflicts_with = "bus"
    )]
    bus_file: Option<BusUrl>,

    /// The view store: sqlite:PATH or mongodb://…/database [default: a file in the data directory].
    /// With TLS: mongodb://…/database?tls=true&tlsCAFile=FILE
    #[arg(
        long,
        global = true,
        env = "PORTAL_VIEW_STORE",
        hide_env_values = true,
        value_name = "URL"
    )]
    view_store: Option<ViewStoreUrl>,

    /// A file that holds the address of the view store
    #[arg(
        long,
        global = true,
        env = "PORTAL_VIEW_STORE_FILE",
        value_name = "FILE",
        value_parser = in_file::<ViewStoreUrl>,
        conflicts_with = "view_store"
    )]
    view_store_file: Option<ViewStoreUrl>,
}

impl Addresses {
    pub(crate) fn event_log(&self) -> EventLogUrl {
        let given = self.event_log.as_ref().or(self.event_log_file.as_ref());
        given.cloned().unwrap_or_else(|| EventLogUrl::Sqlite(self.data_file("events.db")))
    }

    pub(crate) fn bus(&self) -> &BusUrl {
        self.bus.as_ref().or(self.bus_file.as_ref()).unwrap_or(&BusUrl::InProcess)
    }

    pub(crate) fn view_store(&self) -> ViewStoreUrl {
        let given = self.view_store.as_ref().or(self.view_store_file.as_ref());
        given.cloned().unwrap_or_else(|| ViewStoreUrl::Sqlite(self.data_file("views.db")))
    }

    fn data_file(&self, name: &str) -> String {
        self.data_dir.join(name).to_string_lossy().into_owned()
    }
}

/// Reads an address from a file. The error does not repeat the address, which may hold a password.
fn in_file<T: FromStr<Err = String>>(file: &str) -> Result<T, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    text.trim().parse().map_err(|error| format!("what is in {file} is wrong: {error}"))
}
