//! Where a portal under test keeps its data: stores of its own at servers that it shares, or
//! servers of its own, which it may stop.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use command_stack::event_log::PostgresEventLog;
use reqwest::Client;
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, SqliteConnection};
use tempfile::TempDir;
use uuid::Uuid;

use super::{Environment, Portal};

#[path = "../../../command-stack/tests/it/support/copied_database.rs"]
mod copied_database;
use copied_database::{copied_database, with_path};

/// Where RabbitMQ makes vhosts.
pub const RABBITMQ_API: &str = "PORTAL_TEST_RABBITMQ_API";

pub fn required(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: see `scripts/services env`"))
}

/// A database without tables, a vhost and a view database that nobody else uses, at the servers that
/// the environment names.
pub async fn fresh_stores(servers: &dyn Fn(&str) -> String) -> Environment {
    let (name, server) = (unique_name(), servers("PORTAL_EVENT_LOG"));
    let mut connection = PgConnection::connect(&server).await.expect("PostgreSQL");
    let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::raw_sql(create).execute(&mut connection).await.expect("a database");
    with_log(servers, &name, with_path(&server, &name)).await
}

/// [`fresh_stores`] with the tables of the log.
pub async fn migrated_stores(servers: &dyn Fn(&str) -> String) -> Environment {
    let name = unique_name();
    let migrate = async |url: &str| {
        let log = PostgresEventLog::at(url).expect("an address");
        log.migrate().await.expect("the tables");
        log.pool().close().await;
    };
    let log = copied_database(&servers("PORTAL_EVENT_LOG"), &name, migrate).await;
    with_log(servers, &name, log).await
}

fn unique_name() -> String {
    format!("t{}", Uuid::now_v7().simple())
}

async fn with_log(servers: &dyn Fn(&str) -> String, name: &str, log: String) -> Environment {
    let api = servers(RABBITMQ_API);
    let made = Client::new().put(format!("{api}/api/vhosts/{name}")).send().await;
    assert!(made.expect("the management API").status().is_success());
    BTreeMap::from([
        ("PORTAL_EVENT_LOG".to_owned(), log),
        ("PORTAL_BUS".to_owned(), with_path(&servers("PORTAL_BUS"), name)),
        ("PORTAL_VIEW_STORE".to_owned(), with_path(&servers("PORTAL_VIEW_STORE"), name)),
        (RABBITMQ_API.to_owned(), api),
    ])
}

/// Removes the queues of [`fresh_stores`], if the broker answers: it works for each of them for
/// ever. The databases only take room, until `scripts/services down`.
pub async fn remove_queues(environment: &Environment) {
    let bus = environment["PORTAL_BUS"].split('?').next().unwrap_or_default();
    let (_, vhost) = bus.rsplit_once('/').expect("a vhost");
    let url = format!("{}/api/vhosts/{vhost}", environment[RABBITMQ_API]);
    let _ = Client::new().delete(url).timeout(Duration::from_secs(10)).send().await;
}

/// Servers that only this test uses: `scripts/services` with a folder of its own.
pub struct PrivateServers {
    folder: TempDir,
    /// Where their certificates are, if they speak TLS.
    certificates: Option<PathBuf>,
}

impl PrivateServers {
    /// Starts these; the others are the shared ones.
    pub fn up(names: &[&str]) -> Self {
        Self::up_with(names, None)
    }

    /// Starts these, with TLS if there are certificates: see `scripts/services`.
    pub fn up_with(names: &[&str], certificates: Option<PathBuf>) -> Self {
        let servers = Self { folder: tempfile::tempdir().expect("a folder"), certificates };
        servers.command(&[&["up"], names].concat());
        servers
    }

    pub fn stop(&self, name: &str) {
        self.command(&["stop", name]);
    }

    /// Where they keep their data.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// kill -9.
    pub fn kill(&self, name: &str) {
        self.command(&["kill", name]);
    }

    /// A signal to a server's process, or to all of its group.
    pub fn signal(&self, name: &str, signal: &str, group: bool) {
        let file = std::fs::read_to_string(self.folder().join(name).join("pid"));
        let file = file.expect("a server that was started");
        let pid = file.split_whitespace().next().expect("a process");
        let target = if group { format!("-{pid}") } else { pid.to_owned() };
        let sent = Command::new("kill").args(["-s", signal, "--", &target]).status();
        assert!(sent.expect("kill").success(), "SIG{signal} to {name}");
    }

    /// Lets the broker evaluate an expression, for what no client can do to it.
    pub fn in_rabbitmq(&self, expression: &str) {
        let home = self.folder().join("rabbitmq");
        let ports = std::fs::read_to_string(home.join("ports")).expect("its ports");
        let epmd = ports.split_whitespace().nth(3).expect("a port");
        let mut command = Command::new("/usr/lib/rabbitmq/bin/rabbitmqctl");
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LANG", "C.UTF-8");
        command.env("HOME", &home).env("ERL_EPMD_ADDRESS", "127.0.0.1");
        command.env("ERL_EPMD_PORT", epmd).env("RABBITMQ_CONF_ENV_FILE", home.join("no-env.conf"));
        let output = command.args(["-n", "portal@localhost", "eval", expression]).output();
        let output = output.expect("rabbitmqctl");
        assert!(output.status.success(), "{expression}: {output:?}");
    }

    /// Starts one that was stopped or killed, with its data and at its address.
    pub fn start(&self, name: &str) {
        self.command(&["start", name]);
    }

    /// See [`migrated_stores`].
    pub async fn migrated_stores(&self) -> Environment {
        migrated_stores(&|name| self.variable(name)).await
    }

    /// See [`fresh_stores`].
    pub async fn fresh_stores(&self) -> Environment {
        fresh_stores(&|name| self.variable(name)).await
    }

    /// A line of `scripts/services env`, of these servers if they are up, else of the shared ones.
    fn variable(&self, name: &str) -> String {
        let lines = self.command(&["env"]);
        let line = lines.lines().find_map(|line| line.strip_prefix(&format!("export {name}=")));
        line.map_or_else(|| required(name), |value| value.trim_matches('\'').to_owned())
    }

    fn command(&self, arguments: &[&str]) -> String {
        let output = self.services(arguments).output().expect("scripts/services");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "scripts/services {arguments:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn services(&self, arguments: &[&str]) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/services");
        let mut command = Command::new(script);
        command.args(arguments).env("PORTAL_SERVICES_DIR", self.folder.path());
        command.envs(self.certificates.iter().map(|folder| ("PORTAL_SERVICES_TLS", folder)));
        command
    }
}

impl Drop for PrivateServers {
    fn drop(&mut self) {
        let _ = self.services(&["down"]).output();
    }
}

/// The owner of a log's database, who alone can write into it what no program of ours writes.
pub enum Owner {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// The next event of a stream that is there, as the one before it in all but what is given.
const APPEND: &str = "INSERT INTO events
    SELECT (SELECT max(position) FROM events) + 1, stream_id, version + 1, EVENT_ID, partition,
           $2, CAST($3 AS SMALLINT), $4, metadata, recorded_at
    FROM events WHERE stream_id = $1 ORDER BY version DESC LIMIT 1";

impl Owner {
    pub async fn of(portal: &Portal) -> Self {
        match portal.environment.get("PORTAL_EVENT_LOG") {
            Some(url) => Self::Postgres(PgConnection::connect(url).await.expect("PostgreSQL")),
            None => {
                let file = SqliteConnectOptions::new().filename(portal.data_file("events.db"));
                Self::Sqlite(file.connect().await.expect("the file of the log"))
            }
        }
    }

    /// Appends to a stream, whatever it may be.
    pub async fn append(&mut self, stream: &str, event_type: &str, schema: i16, data: Value) {
        let data = data.to_string();
        let rows = match self {
            Self::Sqlite(log) => {
                let append = AssertSqlSafe(APPEND.replace("EVENT_ID", "randomblob(16)"));
                let append = sqlx::query(append).bind(stream).bind(event_type);
                let done = append.bind(schema).bind(data).execute(log).await;
                done.expect("an event").rows_affected()
            }
            Self::Postgres(log) => {
                let append = APPEND.replace("EVENT_ID", "gen_random_uuid()");
                let append = AssertSqlSafe(append.replace("$4", "CAST($4 AS JSONB)"));
                let append = sqlx::query(append).bind(stream).bind(event_type);
                let done = append.bind(schema).bind(data).execute(log).await;
                done.expect("an event").rows_affected()
            }
        };
        assert_eq!(rows, 1, "{stream}");
    }

    /// Changes an event, which the log refuses to everybody else.
    pub async fn mend(&mut self, position: i64, data: Value) {
        let update = format!("UPDATE events SET data = '{data}' WHERE position = {position}");
        match self {
            Self::Sqlite(log) => {
                let update = format!("DROP TRIGGER events_are_not_updated; {update}");
                sqlx::raw_sql(AssertSqlSafe(update)).execute(log).await.expect("mended");
            }
            Self::Postgres(log) => {
                let trigger = "TRIGGER events_are_kept";
                let update = format!(
                    "ALTER TABLE events DISABLE {trigger}; {update};
                     ALTER TABLE events ENABLE {trigger}"
                );
                sqlx::raw_sql(AssertSqlSafe(update)).execute(log).await.expect("mended");
            }
        }
    }
}
