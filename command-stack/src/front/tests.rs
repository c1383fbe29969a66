//! Given the events so far, when a command comes, then these events follow, or this refusal; and
//! who may give it, as docs/newsroom.md says.

use events::Role::{Admin, Author, Editor, Reader};
use events::news::{ArticlePublished, ArticleRetracted, ArticleText, NewsEvent};

use super::*;
use crate::aggregate::Authorize;
use crate::caller::Caller;
use crate::newsroom_page::{Table, caller, may, row, sets_of_roles, table};

fn category(name: &str) -> Category {
    name.parse().expect("a category")
}

fn sports() -> Category {
    category("sports")
}

fn article(number: u128) -> ArticleId {
    ArticleId(Uuid::from_u128(number))
}

/// Of sports, and published.
fn fit(number: u128) -> Candidate {
    Candidate { id: article(number), published_in: Some(sports()) }
}

fn unpublished(number: u128) -> Candidate {
    Candidate { id: article(number), published_in: None }
}

fn pin_all(articles: &[Candidate]) -> FrontCommand {
    FrontCommand::Pin { category: sports(), articles: articles.to_vec() }
}

fn pinned_numbers(numbers: &[u128]) -> FrontEvent {
    pinned(sports(), numbers.iter().copied().map(article).collect())
}

fn breaking(number: u128, of: &str) -> FrontEvent {
    let (article_id, category) = (article(number), category(of));
    FrontEvent::BreakingSet(FrontBreakingSet { article_id, category })
}

/// Event number n is recorded at millisecond n.
fn given(events: &[FrontEvent]) -> Option<Front> {
    (1..).zip(events).fold(None, |state, (number, event)| {
        let (id, version) = (FrontId::breaking().0, Version::new(number));
        let stamp = Stamp { id, version, at: Timestamp::from_millis(number) };
        Some(Front::evolve(state, event.clone().into(), stamp).expect("an event of the front page"))
    })
}

/// What follows for a place to which this has happened.
fn follows(events: &[FrontEvent], command: &FrontCommand) -> Result<Vec<FrontEvent>, FrontError> {
    let state = given(events).or_else(|| Front::initial(command));
    Front::decide(state.as_ref(), command, Timestamp::from_millis(1000))
}

#[test]
fn what_is_pinned_replaces_what_was_pinned_in_the_order_that_is_given() {
    let first = pin_all(&[fit(2), fit(1)]);
    assert_eq!(follows(&[], &first), Ok(vec![pinned_numbers(&[2, 1])]));
    let before = [pinned_numbers(&[2, 1])];
    assert_eq!(follows(&before, &pin_all(&[fit(3)])), Ok(vec![pinned_numbers(&[3])]));
    let turned = pin_all(&[fit(1), fit(2)]);
    assert_eq!(follows(&before, &turned), Ok(vec![pinned_numbers(&[1, 2])]));
    assert_eq!(follows(&before, &pin_all(&[])), Ok(vec![pinned_numbers(&[])]));
}

#[test]
fn breaking_news_is_one_article_of_any_category_until_it_is_cleared() {
    let set = |number, of| {
        let published_in = Some(category(of));
        FrontCommand::SetBreaking(Candidate { id: article(number), published_in })
    };
    assert_eq!(follows(&[], &set(1, "sports")), Ok(vec![breaking(1, "sports")]));
    let before = [breaking(1, "sports")];
    assert_eq!(follows(&before, &set(2, "famous")), Ok(vec![breaking(2, "famous")]));
    assert_eq!(follows(&before, &FrontCommand::ClearBreaking), Ok(vec![cleared()]));
    let moved = follows(&before, &set(1, "politics"));
    assert_eq!(moved, Ok(vec![breaking(1, "politics")]), "it moved, and the record says so");
}

#[test]
fn what_is_so_already_appends_nothing() {
    assert_eq!(follows(&[pinned_numbers(&[1, 2])], &pin_all(&[fit(1), fit(2)])), Ok(vec![]));
    assert_eq!(follows(&[pinned_numbers(&[])], &pin_all(&[])), Ok(vec![]));
    let again = FrontCommand::SetBreaking(fit(1));
    assert_eq!(follows(&[breaking(1, "sports")], &again), Ok(vec![]));
    let clear = FrontCommand::ClearBreaking;
    assert_eq!(follows(&[breaking(1, "sports"), cleared()], &clear), Ok(vec![]));
    assert_eq!(follows(&[], &clear), Ok(vec![]), "there never was any");
    assert_eq!(follows(&[], &pin_all(&[])), Ok(vec![]), "nothing ever was pinned");
}

#[test]
fn every_article_that_cannot_be_shown_is_named() {
    let elsewhere = Candidate { id: article(4), published_in: Some(category("famous")) };
    let command = pin_all(&[fit(1), unpublished(2), fit(1), elsewhere, fit(3)]);
    let unfit = vec![
        (1, Unfit::NotPublished),
        (2, Unfit::Twice),
        (3, Unfit::Elsewhere(category("famous"))),
    ];
    assert_eq!(follows(&[], &command), Err(FrontError(unfit)));
    let breaking = FrontCommand::SetBreaking(unpublished(1));
    let unfit = Err(FrontError(vec![(0, Unfit::NotPublished)]));
    assert_eq!(follows(&[], &breaking), unfit);
}

#[test]
fn what_is_pinned_and_was_taken_back_since_cannot_be_pinned_again() {
    let again = follows(&[pinned_numbers(&[1])], &pin_all(&[unpublished(1)]));
    assert_eq!(again, Err(FrontError(vec![(0, Unfit::NotPublished)])));
}

#[test]
fn only_a_published_article_is_found_by_readers() {
    let (category, text) = (sports(), ArticleText::default());
    let published = NewsEvent::Published(ArticlePublished {
        category,
        text,
        author_id: None,
        drafted_at: None,
        scheduled_for: None,
        first_published_at: None,
    });
    let retracted =
        NewsEvent::Retracted(ArticleRetracted { category: sports(), reason: "Untrue.".to_owned() });
    let after = |events: &[NewsEvent]| {
        (1..).zip(events).fold(None, |state, (number, event)| {
            let (id, version) = (article(1).0, Version::new(number));
            let stamp = Stamp { id, version, at: Timestamp::from_millis(number) };
            Some(Article::evolve(state, event.clone(), stamp).expect("an article"))
        })
    };
    let candidate = |events: &[NewsEvent]| Candidate::new(article(1), after(events));
    assert_eq!(candidate(&[]), unpublished(1));
    assert_eq!(candidate(std::slice::from_ref(&published)), fit(1));
    assert_eq!(candidate(&[published, retracted]), unpublished(1));
}

#[test]
fn the_newest_event_is_what_a_place_shows() {
    let front = given(&[breaking(1, "sports"), breaking(2, "famous")]).expect("a place");
    assert_eq!(front.shows, breaking(2, "famous"));
    let at = Some(Timestamp::from_millis(2));
    assert_eq!((front.version, front.updated_at), (Version::new(2), at));
    let nothing = Front::initial(&FrontCommand::ClearBreaking).expect("a place");
    assert_eq!((nothing.shows, nothing.version), (cleared(), Version::NONE));
}

#[test]
fn who_may_change_the_front_page_is_what_the_table_says() {
    let commands = [
        ("pin", pin_all(&[fit(1)])),
        ("set breaking news", FrontCommand::SetBreaking(fit(1))),
        ("clear breaking news", FrontCommand::ClearBreaking),
    ];
    let callers = [
        ("anyone", Caller::Anonymous),
        ("reader", caller(1, &[Reader])),
        ("author", caller(1, &[Reader, Author])),
        ("editor", caller(1, &[Reader, Editor])),
        ("admin", caller(1, &[Reader, Admin])),
    ];
    let authorized = |command: &FrontCommand, caller: &Caller| {
        may(Front::authorize(None, command, caller, Timestamp::from_millis(1000)))
    };
    let names = callers.each_ref().map(|(name, _)| *name);
    let mut computed: Table = vec![row(["command"].into_iter().chain(names))];
    for (label, command) in &commands {
        let cells = callers.each_ref().map(|(_, who)| authorized(command, who));
        computed.push(row([*label].into_iter().chain(cells)));
        assert_eq!(authorized(command, &Caller::Portal("test")), "yes");
        for roles in sets_of_roles() {
            let expected = if roles.contains(&Editor) { "yes" } else { "403" };
            let roles: Vec<_> = roles.into_iter().collect();
            assert_eq!(authorized(command, &caller(1, &roles)), expected, "{roles:?}");
        }
    }
    assert_eq!(computed, table("Change the front page"));
}
