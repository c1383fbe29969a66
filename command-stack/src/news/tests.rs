//! Given the events so far, when a command comes, then these events follow, or this refusal.

mod access;
mod beginning;
mod changes;
mod embargoes;
mod plans;
mod random;
mod table;

use super::*;
use crate::newsroom_page::user;

/// When a command is decided, unless a test says otherwise.
const NOW: i64 = 1000;
/// For when the fixture of a scheduled article is planned.
const PLAN: i64 = 5000;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn category(name: &str) -> Category {
    name.parse().expect("a category")
}

fn sports() -> Category {
    category("sports")
}

fn text(title: &str) -> WrittenText {
    WrittenText::new(title.parse().expect("a title"), "Text.".parse().expect("a content"))
}

/// Everything here is by user 1.
fn drafted() -> NewsEvent {
    let (category, text, author_id) = (sports(), text("A").into(), Some(user(1)));
    NewsEvent::Drafted(ArticleDrafted { category, text, author_id })
}

/// Begun as a draft at millisecond 1, as [`given`] begins it.
fn published(title: &str, scheduled_for: Option<i64>) -> NewsEvent {
    NewsEvent::Published(ArticlePublished {
        category: sports(),
        text: text(title).into(),
        author_id: Some(user(1)),
        drafted_at: Some(at(1)),
        scheduled_for: scheduled_for.map(at),
        first_published_at: None,
    })
}

fn revised(title: &str) -> NewsEvent {
    NewsEvent::Revised(ArticleRevised { category: sports(), text: text(title).into() })
}

fn scheduled(publish_at: i64) -> NewsEvent {
    schedule(sports(), at(publish_at))
}

fn unscheduled() -> NewsEvent {
    NewsEvent::Unscheduled(ArticleUnscheduled { category: sports() })
}

fn embargoed(until: Option<i64>) -> NewsEvent {
    NewsEvent::Embargoed(ArticleEmbargoed { category: sports(), until: until.map(at) })
}

fn corrected(title: &str, note: &str) -> NewsEvent {
    let (category, text, note) = (sports(), text(title).into(), note.to_owned());
    NewsEvent::Corrected(ArticleCorrected { category, text, note })
}

fn retracted() -> NewsEvent {
    NewsEvent::Retracted(ArticleRetracted { category: sports(), reason: "Untrue.".to_owned() })
}

fn archived() -> NewsEvent {
    NewsEvent::Archived(ArticleArchived { category: sports() })
}

/// The shortest way to a state.
fn events_to(status: ArticleStatus) -> Vec<NewsEvent> {
    match status {
        ArticleStatus::Draft => vec![drafted()],
        ArticleStatus::Scheduled => vec![drafted(), scheduled(PLAN)],
        ArticleStatus::Published => vec![drafted(), published("A", None)],
        ArticleStatus::Retracted => vec![drafted(), published("A", None), retracted()],
        ArticleStatus::Archived => vec![drafted(), archived()],
    }
}

fn new_text(title: &str, note: Option<&str>) -> Change {
    let correction_note = note.map(|note| note.parse().expect("a note"));
    Change::Text { text: text(title), correction_note }
}

fn plan(publish_at: i64) -> Change {
    Change::Schedule { publish_at: at(publish_at) }
}

fn due(planned: i64) -> Change {
    Change::PublishDue { planned: at(planned) }
}

fn embargo_until(until: Option<i64>) -> Change {
    Change::Embargo { until: until.map(at) }
}

fn retract() -> Change {
    Change::Retract { reason: "Untrue.".parse().expect("a reason") }
}

fn move_to(name: &str) -> Change {
    Change::Move { to: category(name) }
}

/// One of each kind. A further kind does not compile until it has its place here, and then lacks
/// its row in docs/newsroom.md.
fn one_of_each() -> Vec<Change> {
    let next = |change: &Change| match change {
        Change::Text { .. } => Some(Change::Publish),
        Change::Publish => Some(due(PLAN)),
        Change::PublishDue { .. } => Some(plan(PLAN + 1)),
        Change::Schedule { .. } => Some(Change::Unschedule),
        Change::Unschedule => Some(embargo_until(Some(PLAN))),
        Change::Embargo { .. } => Some(retract()),
        Change::Retract { .. } => Some(Change::Archive),
        Change::Archive => Some(move_to("politics")),
        Change::Move { .. } => None,
    };
    std::iter::successors(Some(new_text("B", None)), next).collect()
}

struct Given(Option<Article>);

/// Event number n is recorded at millisecond n.
fn given(events: &[NewsEvent]) -> Given {
    let mut state = None;
    for (number, event) in (1..).zip(events) {
        let stamp = Stamp { id: Uuid::nil(), version: Version::new(number), at: at(number) };
        let event = event.clone().into();
        let next = <Article as Aggregate>::evolve(state, event, stamp);
        state = Some(next.expect("events that can follow each other"));
    }
    Given(state)
}

fn given_status(status: ArticleStatus) -> Given {
    given(&events_to(status))
}

type Decided = Result<Vec<NewsEvent>, NewsError>;

impl Given {
    fn when(&self, change: Change) -> Decided {
        self.when_at(NOW, change)
    }

    fn when_at(&self, now: i64, change: Change) -> Decided {
        let command = NewsCommand::Change { category: sports(), change };
        Article::decide(self.0.as_ref(), &command, at(now))
    }
}

fn refused(status: ArticleStatus, command: &'static str) -> Decided {
    Err(NewsError::IllegalTransition { status, command })
}
