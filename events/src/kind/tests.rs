//! The table of kinds agrees with the golden files, the migrations and the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::value::RawValue;

use super::*;
use crate::envelope::upcast;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files below a folder whose names end so.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    let below = entries.flat_map(|entry| match entry.path() {
        path if path.is_dir() => files(&path, ending),
        path => vec![path],
    });
    below.filter(|path| path.to_string_lossy().ends_with(ending)).collect()
}

fn names(of: impl Fn(EventKind) -> bool) -> Vec<&'static str> {
    EventKind::ALL.iter().filter(|kind| of(**kind)).map(|kind| kind.name()).collect()
}

#[test]
fn names_round_trip_and_are_unique() {
    for kind in EventKind::ALL {
        assert_eq!(EventKind::named(kind.name()), Some(*kind));
    }
    let unique: BTreeSet<_> = names(|_| true).into_iter().collect();
    assert_eq!(unique.len(), EventKind::ALL.len());
}

#[test]
fn a_name_of_a_newer_program_has_no_kind() {
    for unknown in ["", "news.article_praised", "article_published", "NEWS.ARTICLE_PUBLISHED"] {
        assert_eq!(EventKind::named(unknown), None, "{unknown:?}");
    }
}

#[test]
fn every_kind_has_golden_files_up_to_its_newest_schema_version_and_reads_them_as_itself() {
    let mut newest = BTreeMap::new();
    for path in files(&workspace().join("events/golden"), ".json") {
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name");
        let (name, version) = name.rsplit_once(".v").expect("<type>.v<version>.json");
        let version: u16 = version.parse().expect("a schema version");
        let text = fs::read_to_string(&path).expect("a text").trim().to_owned();
        let event = upcast::decode(name, version, &RawValue::from_string(text).expect("JSON"));
        let event = event.unwrap_or_else(|error| panic!("{name}.v{version}: {error}"));
        assert_eq!(event.kind().name(), name);
        let before: u16 = newest.get(name).copied().unwrap_or_default();
        newest.insert(name.to_owned(), version.max(before));
    }
    let expected = EventKind::ALL.iter().map(|kind| (kind.name().to_owned(), kind.newest_schema()));
    assert_eq!(newest, expected.collect());
}

#[test]
fn what_withdraws_and_what_shows_is_what_it_always_was() {
    let withdraw = names(EventKind::withdraws);
    let expected = [
        "news.article_retracted",
        "news.article_archived",
        "news.article_moved_out",
        "user.erased",
        "front.breaking_cleared",
    ];
    assert_eq!(withdraw, expected);
    let of_articles = |visibility| {
        names(|kind| kind.visibility() == visibility && kind.name().starts_with("news."))
    };
    let shown = ["news.article_published", "news.article_moved_in"];
    assert_eq!(of_articles(Visibility::Shown), shown);
    assert_eq!(of_articles(Visibility::Retracted), ["news.article_retracted"]);
}

#[test]
fn partial_indexes_are_of_types_that_exist() {
    let mut indexed = BTreeSet::new();
    for path in files(&workspace().join("migrations"), ".sql") {
        let sql = fs::read_to_string(&path).expect("a text");
        let parts = sql.split("event_type = '").skip(1);
        let names = parts.filter_map(|part| part.split_once('\'')).map(|(name, _)| name.to_owned());
        indexed.extend(names);
    }
    let known = [EventKind::ArticleDrafted, EventKind::ArticleScheduled, EventKind::UserErased];
    assert_eq!(indexed, known.map(|kind| kind.name().to_owned()).into());
}

#[test]
fn no_other_source_file_writes_a_name_as_text() {
    let members = ["events", "proto", "command-stack", "query-stack", "orchestrator", "portal"];
    let sources = members.map(|member| files(&workspace().join(member).join("src"), ".rs"));
    let is_read = |path: &PathBuf| {
        let is = |name: &str| path.components().any(|part| part.as_os_str() == name);
        let is_test = ["tests", "contract", "tests.rs", "contract.rs"].into_iter().any(is);
        !is_test && !path.ends_with("events/src/kind.rs")
    };
    for path in sources.into_iter().flatten().filter(is_read) {
        let text = fs::read_to_string(&path).expect("a text");
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for name in names(|_| true) {
            let (_, short) = name.split_once('.').expect("<part>.<event>");
            // `erased` and `renamed` are words as well.
            let short = short.contains('_').then(|| format!("\"{short}\""));
            let written = [format!("\"{name}\""), format!("'{name}'")].into_iter().chain(short);
            for written in written {
                assert!(!code.contains(&written), "{}: {written}", path.display());
            }
        }
    }
}
