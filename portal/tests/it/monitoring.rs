//! `docs/monitoring`: the alarms and the dashboard speak of figures that there are, Prometheus' own
//! tool agrees with them, and the guide for operators says the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

const FOLDER: &str = "docs/monitoring";
/// As the semantic conventions of OpenTelemetry call it, and therefore without our prefix.
const BY_ROUTE: &str = "http_server_request_duration_seconds";
/// What Prometheus knows of each target by itself, and of each alarm.
const ITS_OWN: [&str; 2] = ["up", "ALERTS"];

static PROMTOOL: LazyLock<PathBuf> = LazyLock::new(|| {
    let found = Command::new(root().join("scripts/services")).arg("promtool").output();
    let found = found.expect("a process");
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    String::from_utf8(found.stdout).expect("a path").trim().into()
});

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(path: &str) -> serde_yaml_ng::Value {
    serde_yaml_ng::from_str(&read(path)).expect("YAML")
}

/// The expressions of the alarms, each with for how long it has to hold.
fn alarms() -> BTreeMap<String, String> {
    let rules = yaml(&format!("{FOLDER}/alerts.yml"));
    let groups = rules["groups"].as_sequence().expect("groups").iter();
    let rules = groups.flat_map(|group| group["rules"].as_sequence().expect("rules"));
    let text = |value: &serde_yaml_ng::Value| value.as_str().unwrap_or("0s").to_owned();
    rules.map(|rule| (text(&rule["expr"]), text(&rule["for"]))).collect()
}

/// Every expression of the dashboard.
fn shown() -> Vec<String> {
    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
            Value::Object(fields) => {
                found.extend(fields.get("expr").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| collect(value, found));
            }
            _ => {}
        }
    }
    let dashboard = read(&format!("{FOLDER}/grafana/dashboards/portal.json"));
    let mut found = Vec::new();
    collect(&serde_json::from_str(&dashboard).expect("JSON"), &mut found);
    found
}

fn promtool(arguments: &[&str]) {
    let folder = root().join(FOLDER);
    let output = Command::new(&*PROMTOOL).args(arguments).current_dir(folder).output();
    let output = output.expect("promtool");
    let told = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&told));
}

#[test]
fn prometheus_takes_its_configuration_and_every_alarm_fires_when_it_should() {
    promtool(&["check", "config", "prometheus.yml"]);
    promtool(&["check", "rules", "alerts.yml"]);
    promtool(&["test", "rules", "alerts.test.yml"]);
    // So does what the dashboard asks for, when it is asked by a rule.
    let rules: Vec<_> = (0..)
        .zip(shown())
        .map(|(number, expression)| {
            let expression = expression.replace("$__rate_interval", "5m");
            serde_json::json!({"record": format!("panel:{number}"), "expr": expression})
        })
        .collect();
    assert!(rules.len() > 15);
    let rules = serde_json::json!({"groups": [{"name": "dashboard", "rules": rules}]});
    let file = tempfile::NamedTempFile::with_suffix(".yml").expect("a file");
    fs::write(&file, rules.to_string()).expect("written");
    promtool(&["check", "rules", file.path().to_str().expect("a path")]);
}

#[test]
fn every_figure_that_is_asked_for_is_told() {
    let figures = ["proto/src/metrics.rs", "proto/src/metrics/standard.rs"].map(read).concat();
    let expressions: Vec<_> = alarms().into_keys().chain(shown()).collect();
    let text = expressions.join(" ");
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let asked: BTreeSet<_> = words
        .filter(|word| word.starts_with("portal_") || word.starts_with("http_server"))
        .collect();
    assert!(asked.len() > 12, "{asked:?}");
    for name in asked {
        let ours = name.strip_prefix("portal_").map(|name| name.trim_end_matches("_total"));
        let known = ours.is_some_and(|name| figures.contains(&format!("\"{name}\"")))
            || ["_count", "_bucket"].iter().any(|part| {
                let whole = name.strip_suffix(part);
                whole.is_some_and(|name| figures.contains(&format!("\"{name}\"")))
            });
        assert!(known, "no figure is called {name}");
    }
    for expression in expressions {
        let known = ["portal_", BY_ROUTE].iter().any(|part| expression.contains(part));
        assert!(known || ITS_OWN.iter().any(|name| expression.contains(name)), "{expression}");
    }
}

#[test]
fn the_guide_has_each_alarm_and_no_other() {
    let guide = read("docs/operations.md");
    let (_, rest) = guide.split_once("## Alarms").expect("the alarms");
    let rows = rest.split("\n## ").next().expect("their end").lines();
    let mut told = BTreeMap::new();
    for row in rows.filter_map(|row| row.strip_prefix("| `")) {
        let (expression, after) = row.split_once('`').expect("an expression");
        if expression.starts_with("portal ") || expression.starts_with('/') {
            continue;
        }
        let (condition, _) = after.split_once('|').expect("a cell");
        let held = condition.trim().strip_prefix("for ").unwrap_or("0 s");
        let held: Vec<_> = held.split(' ').take(2).collect();
        let held = held.concat().replace("min", "m");
        told.insert(expression.to_owned(), held);
    }
    assert_eq!(told, alarms());
}

#[test]
fn prometheus_asks_every_service_that_compose_runs() {
    let prometheus = yaml(&format!("{FOLDER}/prometheus.yml"));
    let targets = &prometheus["scrape_configs"][0]["static_configs"][0]["targets"];
    let targets: BTreeSet<_> = targets
        .as_sequence()
        .expect("targets")
        .iter()
        .filter_map(|target| target.as_str())
        .collect();
    let mut compose = yaml("docker-compose.yml");
    compose.apply_merge().expect("merges");
    let services = compose["services"].as_mapping().expect("services").iter();
    let ours = services.filter(|(_, service)| service["image"] == "portal");
    let lasting = ours.filter(|(_, service)| service["restart"] != "no");
    let expected: Vec<_> =
        lasting.map(|(name, _)| format!("{}:8080", name.as_str().expect("a name"))).collect();
    assert_eq!(targets, expected.iter().map(String::as_str).collect());
}
