//! `portal doctor`: all is well on a fresh portal, and what is not is named with what to do.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

use crate::support::stores::{fresh_stores, migrated_stores, required};
use crate::support::{Environment, Portal, Wiring};

/// The lines of a report, and whether every check passed.
struct Report {
    text: String,
    is_good: bool,
}

impl Report {
    fn of(portal: &Portal, arguments: &[&str]) -> Self {
        // As the portal makes it; the test's own folder is open to everybody.
        let folder = portal.data_file("");
        std::fs::set_permissions(folder, Permissions::from_mode(0o700)).expect("a mode");
        let Output { status, stdout, stderr } = portal.run(&[&["doctor"], arguments].concat());
        let text = String::from_utf8_lossy(&stdout).into_owned();
        let is_good = status.success();
        let has_failed = text.lines().any(|line| line.starts_with("failed "));
        assert_eq!(is_good, !has_failed, "{text}{}", String::from_utf8_lossy(&stderr));
        Self { text, is_good }
    }

    fn line(&self, subject: &str) -> &str {
        let is_it = |line: &&str| line.get(9..).is_some_and(|rest| rest.starts_with(subject));
        let found = self.text.lines().find(is_it);
        found.unwrap_or_else(|| panic!("{subject}: {}", self.text))
    }

    fn is_ok(&self) {
        let other = self.text.lines().find(|line| !line.starts_with("ok       "));
        assert!(self.is_good && other.is_none(), "{}", self.text);
    }
}

journeys! {
    by wiring;
    both {
        a_fresh_portal_is_well
        a_missing_table_is_named
    }
}

async fn a_fresh_portal_is_well(wiring: Wiring) {
    let portal = Portal::start(wiring).await;
    let report = Report::of(&portal, &[]);
    report.is_ok();
    for subject in ["settings: ", "data directory: ", "disk space: ", "clocks: "] {
        report.line(subject);
    }
    let [log, bus, views] = match wiring {
        Wiring::Embedded => ["SQLite 3.", "in this process", "SQLite 3."],
        Wiring::Servers => ["PostgreSQL 1", "RabbitMQ ", "MongoDB "],
    };
    for (subject, server) in [("event log", log), ("bus", bus), ("view store", views)] {
        report.line(&format!("{subject}: {server}"));
    }
    report.line("tables of the event log: complete");
    match wiring {
        Wiring::Embedded => report.line("tables of the view store: complete"),
        Wiring::Servers => {
            report.line("database role: has the rights of: command-stack, relay, query-stack")
        }
    };
}

async fn a_missing_table_is_named(wiring: Wiring) {
    let portal = match wiring {
        Wiring::Embedded => {
            let portal = Portal::not_started(wiring, Environment::new());
            portal.tool(&["migrate"]);
            Report::of(&portal, &[]).is_ok();
            let file = SqliteConnectOptions::new().filename(portal.data_file("events.db"));
            let mut log = file.connect().await.expect("the file of the log");
            sqlx::raw_sql("DROP TABLE webhooks").execute(&mut log).await.expect("dropped");
            log.close().await.expect("closed");
            portal
        }
        Wiring::Servers => Portal::not_started(wiring, fresh_stores(&required).await),
    };
    let report = Report::of(&portal, &[]);
    let line = report.line("tables of the event log: ");
    assert!(line.starts_with("failed ") && line.contains("webhooks"), "{line}");
    assert!(line.contains("; run `portal migrate`"), "{line}");
    if wiring == Wiring::Servers {
        assert!(line.contains("commands, email_claims, events"), "{line}");
        portal.tool(&["migrate"]);
        Report::of(&portal, &[]).is_ok();
    }
}

#[test]
fn a_portal_that_was_never_started_is_well_and_stays_as_it_is() {
    let portal = Portal::not_started(Wiring::Embedded, Environment::new());
    let report = Report::of(&portal, &[]);
    report.is_ok();
    for subject in ["event log: ", "view store: "] {
        assert!(report.line(subject).ends_with("is created at the first start"), "{}", report.text);
    }
    let files = std::fs::read_dir(portal.data_file("")).expect("a folder").count();
    assert_eq!(files, 0, "it only looks");
}

#[test]
fn a_server_that_is_not_there_is_named_without_its_password() {
    const SECRET: &str = "s3cret-0f-the-test";
    let addresses = [
        ("PORTAL_EVENT_LOG", "postgres://ada:SECRET@127.0.0.1:1/log"),
        ("PORTAL_BUS", "amqp://ada:SECRET@127.0.0.1:1/%2f"),
        ("PORTAL_VIEW_STORE", "mongodb://ada:SECRET@127.0.0.1:1/views"),
    ];
    let addresses = addresses.map(|(name, url)| (name.to_owned(), url.replace("SECRET", SECRET)));
    let portal = Portal::not_started(Wiring::Embedded, Environment::from(addresses));
    let report = Report::of(&portal, &[]);
    for (subject, address, setting) in [
        ("event log", "postgres://127.0.0.1:1/log", "--event-log"),
        ("bus", "amqp://127.0.0.1:1/%2f", "--bus"),
        ("view store", "mongodb://127.0.0.1:1/views", "--view-store"),
    ] {
        let line = report.line(&format!("{subject}: {address} cannot be used: "));
        assert!(line.starts_with("failed "), "{line}");
        assert!(line.ends_with(&format!("; start the server, or correct {setting}")), "{line}");
    }
    assert!(report.line("data directory: ").starts_with("ok "), "{}", report.text);
    assert!(!report.text.contains(SECRET), "{}", report.text);
    assert!(!report.is_good);
}

#[test]
fn a_data_directory_that_cannot_be_written_is_named() {
    let portal = Portal::not_started(Wiring::Embedded, Environment::new());
    let report = Report::of(&portal, &["--data-dir", "/proc/nowhere"]);
    let line = report.line("data directory: ");
    assert!(
        line.starts_with("failed   data directory: /proc/nowhere cannot be written: "),
        "{line}"
    );
    assert!(line.ends_with("or change --data-dir"), "{line}");
}

#[test]
fn a_setting_that_no_service_could_start_with_is_named() {
    let portal = Portal::not_started(Wiring::Embedded, Environment::new());
    for (arguments, words) in [
        (&["--listen", "nowhere"][..], "--listen nowhere"),
        (&["--otlp-endpoint", "nowhere"], "--otlp-endpoint"),
        (&["--tls-ca", "/nowhere"], "--tls-ca"),
    ] {
        let report = Report::of(&portal, arguments);
        let line = report.line("settings: ");
        assert!(line.starts_with("failed ") && line.contains(words), "{line}");
    }
}

#[tokio::test]
async fn a_role_that_lacks_the_rights_of_a_service_is_named() {
    let mut portal = Portal::not_started(Wiring::Servers, migrated_stores(&required).await);
    let url = portal.environment["PORTAL_EVENT_LOG"].clone();
    let mut owner = PgConnection::connect(&url).await.expect("PostgreSQL");
    let mut execute = async |statement: String| {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut owner).await.expect("done");
    };
    // Roles belong to the whole server, which other tests use as well.
    let role = format!("doctor_{}", uuid::Uuid::now_v7().simple());
    execute(format!("CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA public TO {role}")).await;
    let own = url.replacen("//portal@", &format!("//{role}:portal@"), 1);
    portal.environment.insert("PORTAL_EVENT_LOG".to_owned(), own);
    let report = Report::of(&portal, &[]);
    let line = report.line("database role: ");
    assert!(line.starts_with("failed   database role: lacks "), "{line}");
    assert!(line.contains("GRANT portal_commands, portal_relay, portal_query TO"), "{line}");

    execute(format!("GRANT portal_relay TO {role}")).await;
    let report = Report::of(&portal, &["--service", "relay"]);
    report.is_ok();
    report.line("database role: has the rights of: relay");
    let report = Report::of(&portal, &["--service", "query-stack"]);
    let line = report.line("database role: ");
    assert!(line.contains("lacks SELECT on user_keys; "), "{line}");
    execute(format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}
