//! The checks of the event log, the bus and the view store, where the settings say that they are.

use std::fmt::Display;

use anyhow::Result;
use command_stack::event_log::EventLogUrl;
use events::bus::BusUrl;
use events::inspection::{Inspection, MissingRight};
use proto::token::LEEWAY;
use query_stack::view_store::ViewStoreUrl;

use super::Finding;
use crate::settings::{Addresses, ServiceName};
use crate::wiring;

/// A larger difference between two clocks shows in the order of times that both of them gave.
const CLOCKS_DIFFER_MS: u64 = 1_000;
/// Missing rights that one line names.
const NAMED: usize = 5;

const CORRECT_LOG: &str = "start the server, or correct --event-log";
const CORRECT_BUS: &str = "start the server, or correct --bus";
const CORRECT_VIEWS: &str = "start the server, or correct --view-store";

pub(super) async fn event_log(addresses: &Addresses, service: Option<ServiceName>) -> Vec<Finding> {
    let address = addresses.event_log();
    let inspected = wiring::inspect_event_log(addresses).await;
    let inspection = match answered("event log", &address, inspected, CORRECT_LOG) {
        Ok(inspection) => inspection,
        Err(finding) => return vec![finding],
    };
    let version = version("event log", &address, &inspection);
    let migrate = match address {
        EventLogUrl::Postgres(_) => "run `portal migrate`",
        EventLogUrl::Sqlite(_) => "run `portal migrate`; if that does not help, restore a backup",
    };
    let tables = tables("tables of the event log", &inspection, migrate);
    let mut findings = vec![version, tables];
    if matches!(address, EventLogUrl::Postgres(_)) && inspection.missing_tables.is_empty() {
        let in_one_process = *addresses.bus() == BusUrl::InProcess;
        findings.push(role(&inspection.missing_rights, service, in_one_process));
    }
    findings.push(clocks(&inspection));
    findings
}

pub(super) async fn bus(addresses: &Addresses) -> Vec<Finding> {
    let inspected = match addresses.bus() {
        BusUrl::InProcess => return vec![Finding::ok("bus", "in this process")],
        BusUrl::Amqp(_) => wiring::inspect_bus(addresses).await,
    };
    match answered("bus", addresses.bus(), inspected, CORRECT_BUS) {
        Ok(inspection) => vec![version("bus", addresses.bus(), &inspection)],
        Err(finding) => vec![finding],
    }
}

pub(super) async fn view_store(addresses: &Addresses) -> Vec<Finding> {
    let address = addresses.view_store();
    let inspected = wiring::inspect_view_store(addresses).await;
    match answered("view store", &address, inspected, CORRECT_VIEWS) {
        Err(finding) => vec![finding],
        Ok(inspection) => {
            let version = version("view store", &address, &inspection);
            let repair = "run `portal replay`; if that does not help, remove the file before it";
            match address {
                // Its collections are created when a view is first written.
                ViewStoreUrl::Mongo(_) => vec![version],
                ViewStoreUrl::Sqlite(_) => {
                    vec![version, tables("tables of the view store", &inspection, repair)]
                }
            }
        }
    }
}

/// The report of a server, or the one finding when there is none.
fn answered(
    subject: &'static str,
    address: &dyn Display,
    inspected: Result<Option<Inspection>>,
    advice: &str,
) -> Result<Inspection, Finding> {
    match inspected {
        Ok(Some(inspection)) => Ok(inspection),
        Ok(None) => Err(Finding::ok(subject, format!("{address} is created at the first start"))),
        Err(error) => {
            Err(Finding::failed(subject, format!("{address} cannot be used: {error:#}"), advice))
        }
    }
}

fn version(subject: &'static str, address: &dyn Display, inspection: &Inspection) -> Finding {
    let Inspection { product, version, supported_from, .. } = inspection;
    let found = format!("{product} {version} at {address}");
    if inspection.is_supported() {
        Finding::ok(subject, found)
    } else {
        Finding::failed(subject, found, format!("update it to {product} {supported_from} or newer"))
    }
}

fn tables(subject: &'static str, inspection: &Inspection, advice: &str) -> Finding {
    match inspection.missing_tables.join(", ") {
        missing if missing.is_empty() => Finding::ok(subject, "complete"),
        missing => Finding::failed(subject, format!("missing: {missing}"), advice),
    }
}

/// May the role do the work of this service, of all services in one process, or of any service?
fn role(missing: &[MissingRight], service: Option<ServiceName>, in_one_process: bool) -> Finding {
    const SUBJECT: &str = "database role";
    let names = |services: &[ServiceName]| {
        services.iter().map(|service| service.as_str()).collect::<Vec<_>>().join(", ")
    };
    let lacks = |services: &[ServiceName]| -> Vec<&MissingRight> {
        let of = |right: &&MissingRight| services.iter().any(|it| it.as_str() == right.service);
        missing.iter().filter(of).collect()
    };
    let needed = match service {
        Some(service) => vec![service],
        None if in_one_process => ServiceName::ALL.to_vec(),
        None => {
            let mut able = ServiceName::ALL.to_vec();
            able.retain(|service| lacks(&[*service]).is_empty());
            if able.is_empty() { ServiceName::ALL.to_vec() } else { able }
        }
    };
    let lacking = lacks(&needed);
    if lacking.is_empty() {
        return Finding::ok(SUBJECT, format!("has the rights of: {}", names(&needed)));
    }
    let roles: Vec<_> = needed.iter().map(|service| service.role()).collect();
    let advice = format!(
        "run `portal migrate` as the owner of the tables, then GRANT {} TO the role",
        roles.join(", ")
    );
    Finding::failed(SUBJECT, format!("lacks {}", listed(&lacking)), advice)
}

/// The first of the rights, each once, and how many more there are.
fn listed(lacking: &[&MissingRight]) -> String {
    let mut rights: Vec<_> = lacking.iter().map(|missing| missing.right.as_str()).collect();
    rights.sort_unstable();
    rights.dedup();
    let more = rights.len().saturating_sub(NAMED);
    rights.truncate(NAMED);
    let named = rights.join(", ");
    if more == 0 { named } else { format!("{named} and {more} more") }
}

fn clocks(inspection: &Inspection) -> Finding {
    const SUBJECT: &str = "clocks";
    const SYNCHRONISE: &str = "synchronise both clocks, with chrony for example";
    let Some(offset_ms) = inspection.clock_offset_ms else {
        return Finding::ok(SUBJECT, "events get their times from this machine");
    };
    let (product, difference_ms) = (inspection.product, offset_ms.unsigned_abs());
    let side = if offset_ms < 0 { "behind" } else { "ahead of" };
    let found = format!("{product} is {difference_ms} ms {side} this machine");
    match difference_ms {
        ..CLOCKS_DIFFER_MS => Finding::ok(SUBJECT, found),
        // Beyond the leeway of tokens, machines refuse each other's.
        difference_ms if u128::from(difference_ms) > LEEWAY.as_millis() => {
            Finding::failed(SUBJECT, found, SYNCHRONISE)
        }
        _ => Finding::warning(SUBJECT, found, SYNCHRONISE),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    fn missing(service: ServiceName, right: &str) -> MissingRight {
        MissingRight { service: service.as_str().to_owned(), right: right.to_owned() }
    }

    #[test]
    fn a_role_needs_the_rights_of_one_service_or_of_all_in_one_process() {
        use ServiceName::{CommandStack, QueryStack, Relay};
        let complete = role(&[], None, false);
        assert_eq!(
            complete.to_string(),
            "ok       database role: has the rights of: command-stack, relay, query-stack"
        );
        let relay_only = [
            missing(CommandStack, "INSERT on webhooks"),
            missing(QueryStack, "SELECT on user_keys"),
        ];
        assert_eq!(role(&relay_only, None, false).found, "has the rights of: relay");
        assert_eq!(role(&relay_only, Some(Relay), false).level, Level::Ok);
        let other = role(&relay_only, Some(QueryStack), false);
        assert_eq!((other.level, &*other.found), (Level::Failed, "lacks SELECT on user_keys"));
        assert!(other.advice.ends_with("GRANT portal_query TO the role"), "{other}");
        let all = role(&relay_only, None, true);
        assert_eq!(
            (all.level, &*all.found),
            (Level::Failed, "lacks INSERT on webhooks, SELECT on user_keys")
        );
        let none = ServiceName::ALL.map(|service| missing(service, "SELECT on events"));
        let none = role(&none, None, false);
        assert_eq!((none.level, &*none.found), (Level::Failed, "lacks SELECT on events"));
    }

    #[test]
    fn many_missing_rights_are_counted() {
        let rights: Vec<_> = (1..=7)
            .map(|number| missing(ServiceName::Relay, &format!("SELECT on t{number}")))
            .collect();
        let found = role(&rights, Some(ServiceName::Relay), false).found;
        assert!(found.ends_with("SELECT on t5 and 2 more"), "{found}");
    }

    #[test]
    fn an_old_server_and_clocks_that_differ_are_found() {
        let with = |version: &str, clock_offset_ms| Inspection {
            clock_offset_ms,
            ..Inspection::new("PostgreSQL", version.to_owned(), "15")
        };
        assert_eq!(version("event log", &"db", &with("15.8", None)).level, Level::Ok);
        let old = version("event log", &"db", &with("14.13", None));
        assert_eq!(
            (old.level, &*old.advice),
            (Level::Failed, "update it to PostgreSQL 15 or newer")
        );
        for (offset_ms, level) in [
            (0, Level::Ok),
            (-999, Level::Ok),
            (1_000, Level::Warning),
            (-60_000, Level::Warning),
            (60_001, Level::Failed),
            (-86_400_000, Level::Failed),
        ] {
            assert_eq!(clocks(&with("15.8", Some(offset_ms))).level, level, "{offset_ms}");
        }
        let behind = clocks(&with("15.8", Some(-2_000)));
        assert_eq!(behind.found, "PostgreSQL is 2000 ms behind this machine");
        assert_eq!(clocks(&with("15.8", None)).level, Level::Ok);
    }
}
