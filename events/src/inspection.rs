//! What a server, or a file of the embedded wiring, reports about itself: for `portal doctor`.
//!
//! Invariant: an inspection only reads. It creates and migrates nothing.

use std::collections::BTreeSet;

use sqlx::migrate::Migrator;

/// The report of a server that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Such as `PostgreSQL`.
    pub product: &'static str,
    /// As the server writes it, such as `15.8 (Debian 15.8-1)`.
    pub version: String,
    /// The oldest version that the portal supports, such as `3.10`.
    pub supported_from: &'static str,
    /// Tables that the portal needs and the server does not have.
    pub missing_tables: Vec<String>,
    /// Rights that a service needs and the role of the address does not have.
    pub missing_rights: Vec<MissingRight>,
    /// The server's clock minus this machine's; `None` where no event gets its time from the server.
    pub clock_offset_ms: Option<i64>,
}

/// A right that one service needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingRight {
    /// The name of its subcommand, such as `command-stack`.
    pub service: String,
    /// Such as `INSERT on webhooks`.
    pub right: String,
}

impl Inspection {
    /// A server that lacks nothing.
    #[must_use]
    pub fn new(product: &'static str, version: String, supported_from: &'static str) -> Self {
        let (missing_tables, missing_rights) = (Vec::new(), Vec::new());
        Self {
            product,
            version,
            supported_from,
            missing_tables,
            missing_rights,
            clock_offset_ms: None,
        }
    }

    /// Whether the version is not older than the oldest supported one.
    #[must_use]
    pub fn is_supported(&self) -> bool {
        numbers(&self.version) >= numbers(self.supported_from)
    }
}

/// `[15, 8]` of `15.8 (Debian 15.8-1)`.
fn numbers(version: &str) -> Vec<u32> {
    let end = version.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(version.len());
    version[..end].split('.').map_while(|number| number.parse().ok()).collect()
}

/// The tables that a database has after these migrations. Their statements begin lines of their own.
#[must_use]
pub fn tables(migrations: &Migrator) -> BTreeSet<String> {
    let mut tables = BTreeSet::new();
    for line in migrations.iter().flat_map(|migration| migration.sql.as_str().lines()) {
        let words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        match words.collect::<Vec<_>>()[..] {
            ["CREATE", "TABLE", name, ..] | ["CREATE", "VIRTUAL", "TABLE", name, ..] => {
                tables.insert(name.to_owned());
            }
            ["DROP", "TABLE", name, ..] => drop(tables.remove(name)),
            _ => {}
        }
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for (version, supported_from, expected) in [
            ("15.8 (Debian 15.8-1)", "15", true),
            ("15.0", "15", true),
            ("16beta1", "15", true),
            ("9.6.24", "15", false),
            ("3.10.0", "3.10", true),
            ("3.9.29", "3.10", false),
            ("4.0.2", "3.10", true),
            ("5.0.31", "6.0", false),
            ("", "6.0", false),
        ] {
            let inspection = Inspection::new("A server", version.to_owned(), supported_from);
            assert_eq!(inspection.is_supported(), expected, "{version} and {supported_from}");
        }
    }

    #[test]
    fn a_table_that_a_later_migration_drops_is_not_needed() {
        let log = tables(&sqlx::migrate!("../migrations/postgres"));
        for name in ["events", "commands", "relay_checkpoint", "leases", "webhook_deliveries"] {
            assert!(log.contains(name), "{name}: {log:?}");
        }
        assert!(!log.contains("credentials"), "{log:?}");
    }
}
