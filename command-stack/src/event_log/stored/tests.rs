//! The query for obligations names the right types, and those that the partial indexes are of.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::*;

#[test]
fn obligations_begin_at_exactly_the_types_that_have_partial_indexes() {
    let names_in = |sql: &str| -> BTreeSet<String> {
        let parts = sql.split("event_type = '").skip(1);
        parts.filter_map(|part| part.split_once('\'')).map(|(name, _)| name.to_owned()).collect()
    };
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
    for of in ["postgres/0002_newsroom.sql", "sqlite/event_log/0002_newsroom.sql"] {
        let sql = fs::read_to_string(migrations.join(of)).expect("a migration");
        assert_eq!(names_in(&OBLIGATIONS), names_in(&sql), "{of}");
    }
}

#[test]
fn what_settles_an_obligation_is_what_it_always_was() {
    let publication = "'news.article_scheduled', 'news.article_unscheduled', \
                       'news.article_published'";
    assert_eq!(quoted(|settled| settled.publication), publication);
    let draft = "'news.article_published', 'news.article_archived'";
    assert_eq!(quoted(|settled| settled.draft), draft);
}
