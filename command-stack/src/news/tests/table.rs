//! The tables of docs/newsroom.md that say what follows from a command, cell by cell.

use super::*;
use crate::aggregate::Authorize;
use crate::caller::Caller;
use crate::newsroom_page::{Table, caller, may, row, table};

/// Its row in the table.
pub(super) fn label(change: &Change) -> &'static str {
    match change {
        Change::Text { .. } => "change text (PUT)",
        Change::Publish => "publish",
        Change::PublishDue { .. } => "the planned time comes",
        Change::Schedule { .. } => "schedule",
        Change::Unschedule => "unschedule",
        Change::Embargo { .. } => "embargo",
        Change::Retract { .. } => "retract",
        Change::Archive => "archive",
        Change::Move { .. } => "move",
    }
}

fn names(events: &[NewsEvent]) -> String {
    let name = |event: &NewsEvent| event.event_type().replace("news.article_", "");
    let names: Vec<_> = events.iter().map(name).collect();
    match names.join(", ").as_str() {
        "" => "nothing".to_owned(),
        "moved_out, moved_in" => "moved".to_owned(),
        names => names.to_owned(),
    }
}

fn cell(given: &Given, change: &Change) -> String {
    let now = if let Change::PublishDue { planned } = change { planned.millis() } else { NOW };
    match given.when_at(now, change.clone()) {
        Ok(events) => names(&events),
        Err(NewsError::NotFound) => "not found".to_owned(),
        Err(NewsError::IllegalTransition { status, command }) => {
            assert_eq!(Some(status), given.0.as_ref().map(|article| article.status));
            assert_eq!(command, change.participle());
            "refused".to_owned()
        }
        Err(NewsError::MissingNote) => {
            let events = given.when(new_text("B", Some("Typo."))).expect("a correction");
            format!("{}, needs a note", names(&events))
        }
        Err(error) => panic!("{change:?} of {:?}: {error}", given.0),
    }
}

#[test]
fn what_follows_from_a_command_is_what_the_table_says() {
    let states = ArticleStatus::ALL.map(given_status);
    let states: Vec<_> = std::iter::once(given(&[])).chain(states).collect();
    let head = ["command", "none"].into_iter().chain(ArticleStatus::ALL.map(ArticleStatus::as_str));
    let mut computed: Table = vec![row(head)];
    for change in one_of_each() {
        let cells = states.iter().map(|state| cell(state, &change));
        computed.push(std::iter::once(label(&change).to_owned()).chain(cells).collect());
    }
    assert_eq!(computed, table("Change"));
}

/// As for [`one_of_each`], with an embargo and without.
fn beginnings() -> Vec<(Begin, Option<Timestamp>)> {
    let next = |begin: &Begin| match begin {
        Begin::Draft => Some(Begin::Publish),
        Begin::Publish => Some(Begin::Schedule(at(PLAN))),
        // Nobody can send the last: it is an import's.
        Begin::Schedule(_) | Begin::PublishedElsewhere(_) => None,
    };
    let all = std::iter::successors(Some(Begin::Draft), next);
    all.flat_map(|begin| [(begin, None), (begin, Some(at(PLAN)))]).collect()
}

fn sent(begin: Begin, embargo_until: Option<Timestamp>) -> String {
    let how = match begin {
        Begin::Draft => "status: \"draft\"",
        Begin::Publish => "",
        Begin::Schedule(_) => "publish_at",
        Begin::PublishedElsewhere(_) => panic!("no request can say so"),
    };
    match (how, embargo_until) {
        ("", None) => "nothing else".to_owned(),
        ("", Some(_)) => "embargo_until".to_owned(),
        (how, None) => how.to_owned(),
        (how, Some(_)) => format!("{how}, embargo_until"),
    }
}

#[test]
fn how_an_article_begins_and_who_may_begin_it_is_what_the_table_says() {
    use events::Role::{Admin, Author, Editor, Reader};
    let callers = [
        ("anyone", Caller::Anonymous),
        ("reader", caller(1, &[Reader])),
        ("author", caller(1, &[Reader, Author])),
        ("editor", caller(1, &[Reader, Editor])),
        ("admin", caller(1, &[Reader, Admin])),
    ];
    let head = ["sent", "events"].into_iter().chain(callers.each_ref().map(|(name, _)| *name));
    let mut computed: Table = vec![row(head)];
    for (begin, embargo_until) in beginnings() {
        let (category, text, author_id) = (sports(), text("A"), Some(user(1)));
        let command = NewsCommand::Begin { category, text, author_id, begin, embargo_until };
        let events = Article::decide(None, &command, at(NOW)).expect("a beginning");
        let mut cells = vec![sent(begin, embargo_until), names(&events)];
        cells.extend(callers.iter().map(|(_, caller)| {
            may(Article::authorize(None, &command, caller, at(NOW))).to_owned()
        }));
        computed.push(cells);
    }
    assert_eq!(computed, table("Begin"));
}
