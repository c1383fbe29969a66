//! What must hold of the repository itself: who depends on whom, under which licences, what lies at
//! the top, and that configuration and documents speak of things that exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{Metadata, MetadataCommand};
use serde_yaml_ng::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn metadata() -> Metadata {
    let manifest = root().join("Cargo.toml");
    MetadataCommand::new().manifest_path(manifest).exec().expect("cargo metadata")
}

#[test]
fn dependencies_point_one_way_and_the_stacks_never_see_each_other() {
    let metadata = metadata();
    let ours: BTreeSet<_> =
        metadata.workspace_packages().iter().map(|package| package.name.to_string()).collect();
    let mut found = BTreeMap::new();
    for package in metadata.workspace_packages() {
        let all = package.dependencies.iter().map(|dependency| dependency.name.clone());
        let all: BTreeSet<_> = all.filter(|name| ours.contains(name)).collect();
        found.insert(package.name.to_string(), all);
    }
    let allowed = [
        ("events", vec![]),
        ("proto", vec!["events"]),
        ("command-stack", vec!["events", "proto"]),
        ("query-stack", vec!["events", "proto"]),
        ("orchestrator", vec!["events", "proto"]),
        ("portal", vec!["command-stack", "events", "orchestrator", "proto", "query-stack"]),
    ];
    let set = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
    let allowed = allowed.map(|(name, to)| (name.to_owned(), set(to)));
    assert_eq!(found, BTreeMap::from(allowed));
}

#[test]
fn every_dependency_has_a_licence_that_deny_toml_allows() {
    let deny = read("deny.toml");
    let allow = deny.lines().find_map(|line| line.strip_prefix("allow = ")).expect("a list");
    let allowed: BTreeSet<_> = allow.split('"').skip(1).step_by(2).collect();
    let satisfied = |expression: &str| {
        let expression = expression.replace(" / ", " OR ").replace('/', " OR ");
        expression.split(" AND ").all(|clause| {
            let clause = clause.trim_matches(['(', ')']);
            clause.split(" OR ").any(|licence| allowed.contains(licence.trim()))
        })
    };
    for package in &metadata().packages {
        let licence = package.license.as_deref().unwrap_or("none");
        let exception = format!("crate = \"{}\", allow = [\"{licence}\"]", package.name);
        let good = satisfied(licence) || deny.contains(&exception);
        assert!(good, "{} has the licence {licence}", package.name);
    }
}

#[test]
fn there_is_one_tls_and_one_provider_of_its_cryptography() {
    for package in &metadata().packages {
        let another = ["aws-lc-rs", "openssl-sys", "native-tls"];
        assert!(
            !another.contains(&package.name.as_str()),
            "{} beside rustls and ring",
            package.name
        );
    }
}

#[test]
fn nothing_unexpected_lies_at_the_top() {
    let listed = Command::new("git").args(["ls-files"]).current_dir(root()).output().expect("git");
    let listed = String::from_utf8(listed.stdout).expect("names");
    let top: BTreeSet<_> = listed.lines().filter_map(|path| path.split('/').next()).collect();
    let expected = BTreeSet::from([
        ".ci",
        ".config",
        ".dockerignore",
        ".gitignore",
        "CHANGELOG.md",
        "Cargo.lock",
        "Cargo.toml",
        "Dockerfile",
        "LICENSE",
        "README.md",
        "clippy.toml",
        "command-stack",
        "deny.toml",
        "docker-compose.yml",
        "docs",
        "events",
        "migrations",
        "orchestrator",
        "portal",
        "proto",
        "query-stack",
        "rustfmt.toml",
        "scripts",
    ]);
    let unexpected: Vec<_> = top.difference(&expected).collect();
    assert!(unexpected.is_empty(), "{unexpected:?}");
}

fn compose() -> Value {
    let mut compose: Value = serde_yaml_ng::from_str(&read("docker-compose.yml")).expect("YAML");
    compose.apply_merge().expect("merges");
    compose
}

fn names(mapping: &Value) -> BTreeSet<String> {
    let mapping = mapping.as_mapping().expect("a mapping");
    mapping.keys().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[test]
fn compose_runs_every_service_on_every_server_in_order() {
    let compose = compose();
    let services = &compose["services"];
    let names = names(services);
    for name in [
        "postgres",
        "rabbitmq",
        "mongodb",
        "migrate",
        "logins",
        "command-stack",
        "relay",
        "orchestrator",
    ] {
        assert!(names.contains(name), "{name}");
    }
    let mut categories = BTreeSet::new();
    for name in &names {
        let service = &services[name.as_str()];
        assert!(!service["healthcheck"].is_null(), "{name} has no health check");
        let command = service["command"].as_sequence();
        let words: Vec<_> = command.into_iter().flatten().filter_map(Value::as_str).collect();
        if words.first() == Some(&"query-stack") {
            let text = format!("{words:?}{:?}", service["environment"]["PORTAL_CATEGORIES"]);
            categories.insert(text);
        }
        if let Some(after) = service["depends_on"].as_mapping() {
            for (dependency, how) in after {
                let dependency = dependency.as_str().expect("a name");
                assert!(names.contains(dependency), "{name} waits for {dependency}");
                let condition = how["condition"].as_str();
                let once = ["migrate", "logins"].contains(&dependency);
                let expected =
                    if once { "service_completed_successfully" } else { "service_healthy" };
                assert_eq!(condition, Some(expected), "{name} waits for {dependency}");
            }
        }
        let ports = service["ports"].as_sequence().into_iter().flatten();
        let public = ports.filter_map(Value::as_str).any(|port| !port.starts_with("127.0.0.1:"));
        assert_eq!(public, name == "orchestrator", "only the door is public: {name}");
    }
    assert_eq!(categories.len(), 2, "two query-stacks with different categories: {categories:?}");
    assert!(read("docker-compose.yml").contains("replSet"), "MongoDB must be a replica set");
}

#[test]
fn compose_and_dockerfile_name_only_settings_that_exist() {
    let help = Command::new(env!("CARGO_BIN_EXE_portal")).arg("--help").output().expect("--help");
    let help = String::from_utf8(help.stdout).expect("a text");
    for variable in [
        "PORTAL_LISTEN",
        "PORTAL_DATA_DIR",
        "PORTAL_EVENT_LOG",
        "PORTAL_BUS",
        "PORTAL_VIEW_STORE",
        "PORTAL_CATEGORIES",
        "PORTAL_COMMAND_URL",
        "PORTAL_QUERY_URLS",
    ] {
        assert!(help.contains(variable), "{variable} is promised and not in --help");
    }
    let files = read("docker-compose.yml") + &read("Dockerfile");
    let used = files.split(|c: char| !(c.is_ascii_uppercase() || c == '_'));
    for variable in used.filter(|word| word.starts_with("PORTAL_") && *word != "PORTAL_PORT") {
        assert!(help.contains(variable), "{variable} is no setting");
    }
}

#[test]
fn documents_link_to_files_that_exist() {
    let listed = Command::new("git").args(["ls-files", "*.md"]).current_dir(root()).output();
    let listed = String::from_utf8(listed.expect("git").stdout).expect("names");
    let mut links = 0;
    for document in listed.lines() {
        let folder = root().join(document).parent().expect("a folder").to_owned();
        for link in read(document).split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") {
                links += 1;
                assert!(folder.join(target).exists(), "{document} links to {target}");
            }
        }
    }
    assert!(links > 5);
    // What docs/architecture.md names as the proof of an invariant is there.
    let architecture = read("docs/architecture.md");
    for quoted in architecture.split('`').skip(1).step_by(2) {
        if quoted.ends_with(".rs") && quoted.matches('/').count() >= 2 && !quoted.contains('*') {
            assert!(root().join(quoted).exists(), "docs/architecture.md names {quoted}");
        }
    }
}

#[test]
fn the_invariants_are_numbered_in_sequence() {
    let architecture = read("docs/architecture.md");
    let (_, invariants) = architecture.split_once("## Invariants").expect("the invariants");
    let numbers = invariants.lines().filter_map(|line| line.split_once(". **")?.0.parse().ok());
    let numbers: Vec<usize> = numbers.collect();
    assert!(numbers.len() > 20, "{numbers:?}");
    assert_eq!(numbers, Vec::from_iter(1..=numbers.len()));
}

#[test]
fn alarms_speak_of_figures_and_records_that_there_are() {
    let guide = read("docs/operations.md");
    let (_, rest) = guide.split_once("## Alarms").expect("the alarms");
    let alarms = rest.split("\n## ").next().expect("their end");
    let figures = read("proto/src/metrics.rs");
    let words = alarms.split(|c: char| !c.is_ascii_lowercase() && c != '_');
    let told: BTreeSet<_> = words.filter_map(|word| word.strip_prefix("portal_")).collect();
    assert!(told.len() > 8, "{told:?}");
    for name in told {
        let name = name.trim_end_matches("_total");
        assert!(figures.contains(&format!("\"{name}\"")), "no figure is called portal_{name}");
    }
    let listed = Command::new("git").args(["ls-files", "*/src/*.rs"]).current_dir(root()).output();
    let listed = String::from_utf8(listed.expect("git").stdout).expect("names");
    let code: String = listed.lines().map(read).collect();
    let sentences: String = alarms.split('`').step_by(2).collect();
    let records: Vec<_> = sentences.split('"').skip(1).step_by(2).collect();
    assert!(records.len() > 5, "{records:?}");
    for record in records {
        assert!(code.contains(&format!("\"{record}\"")), "nobody logs {record:?}");
    }
}
