//! Who may do what with an article, cell by cell as docs/newsroom.md says.

use std::collections::BTreeSet;

use events::Role;
use events::Role::{Admin, Author, Editor, Reader};

use super::table::label;
use super::*;
use crate::aggregate::Authorize;
use crate::caller::{Caller, Denied};
use crate::newsroom_page::{caller, may, sets_of_roles, table};

/// As the table names an article, and what happened to it. Every state has an article, and every
/// state that an embargo can last in has another.
fn articles() -> Vec<(&'static str, Vec<NewsEvent>)> {
    let embargoed = || embargoed(Some(PLAN));
    let with_status = |status| match status {
        ArticleStatus::Draft => {
            vec![("draft", vec![]), ("draft under embargo", vec![embargoed()])]
        }
        ArticleStatus::Scheduled => {
            vec![("scheduled", vec![]), ("scheduled under embargo", vec![embargoed()])]
        }
        ArticleStatus::Published => vec![("published", vec![])],
        ArticleStatus::Retracted => vec![("retracted", vec![])],
        ArticleStatus::Archived => {
            vec![("archived draft", vec![]), ("archived draft under embargo", vec![embargoed()])]
        }
    };
    let states = ArticleStatus::ALL.into_iter().flat_map(|status| {
        let further = with_status(status).into_iter();
        further.map(move |(name, further)| (name, [events_to(status), further].concat()))
    });
    let once_published = [events_to(ArticleStatus::Retracted), vec![archived()]].concat();
    let ends = [("none", vec![]), ("archived after retraction", once_published)];
    states.chain(ends).collect()
}

/// The articles are by user 1.
fn callers() -> [(&'static str, Caller); 6] {
    [
        ("anyone", Caller::Anonymous),
        ("reader", caller(1, &[Reader])),
        ("author (own)", caller(1, &[Reader, Author])),
        ("author (another's)", caller(2, &[Reader, Author])),
        ("editor", caller(2, &[Reader, Editor])),
        ("admin", caller(1, &[Reader, Admin])),
    ]
}

fn authorized(article: &Given, change: &Change, caller: &Caller) -> &'static str {
    let command = NewsCommand::Change { category: sports(), change: change.clone() };
    may(Article::authorize(article.0.as_ref(), &command, caller, at(NOW)))
}

#[test]
fn who_may_change_an_article_is_what_the_table_says() {
    let mut rows = table("Change an article").into_iter();
    let callers = callers();
    let names = callers.each_ref().map(|(name, _)| *name);
    assert_eq!(rows.next().expect("a head"), [&["command", "article"][..], &names].concat());
    let rows: Vec<_> = rows.collect();
    let mut needed = BTreeSet::new();
    for change in one_of_each() {
        for (state, events) in articles() {
            let article = given(&events);
            let (command, which) = match label(&change) {
                named if rows.iter().any(|row| row[0] == named) => (named, state),
                _ => ("every other command", "any"),
            };
            let row = rows.iter().find(|row| row[0] == command && row[1] == which);
            let row = row.unwrap_or_else(|| panic!("no row for {command}: {which}"));
            needed.insert(row);
            let computed = callers.each_ref().map(|(_, who)| authorized(&article, &change, who));
            assert_eq!(row[2..], computed, "{} of an article: {state}", label(&change));
        }
    }
    assert_eq!(needed, rows.iter().collect(), "a row that nothing needs, or twice the same");
    assert_eq!(needed.len(), rows.len());
}

/// Everything, with every article.
fn everything() -> impl Iterator<Item = (Given, Change)> {
    let all = articles().into_iter();
    all.flat_map(|(_, events)| one_of_each().into_iter().map(move |one| (given(&events), one)))
}

#[test]
fn roles_add_up_and_none_includes_another() {
    for (article, change) in everything() {
        for roles in sets_of_roles() {
            let alone = |role: &Role| authorized(&article, &change, &caller(1, &[*role])) == "yes";
            let together = Caller::User { id: user(1), roles: roles.clone() };
            let together = authorized(&article, &change, &together) == "yes";
            assert_eq!(together, roles.iter().any(alone), "{roles:?}: {change:?}");
        }
    }
}

#[test]
fn a_part_of_the_portal_may_do_everything() {
    for (article, change) in everything() {
        assert_eq!(authorized(&article, &change, &Caller::Portal("schedule")), "yes");
    }
}

#[test]
fn an_ended_embargo_hides_an_article_from_other_authors_again() {
    let article = given(&[drafted(), embargoed(Some(NOW))]).0.expect("an article");
    let command = NewsCommand::Change { category: sports(), change: new_text("B", None) };
    let another = caller(2, &[Author]);
    let denied = |now| Article::authorize(Some(&article), &command, &another, at(now));
    assert_eq!(denied(NOW - 1), Err(Denied::NotAllowed));
    assert_eq!(denied(NOW), Err(Denied::Hidden));
}

#[test]
fn an_article_that_nobody_began_is_no_authors_own() {
    let (category, text, author_id) = (sports(), text("A").into(), None);
    let drafted = NewsEvent::Drafted(ArticleDrafted { category, text, author_id });
    let author = caller(1, &[Author]);
    assert_eq!(authorized(&given(&[drafted]), &new_text("B", None), &author), "404");
}
