//! The agenda on both databases: what is due is done once, at its time, whatever was stopped or
//! started twice. `scripts/services env` says where PostgreSQL is; without it its tests fail.
//!
//! That something was *not* done is said after a witness: another article, begun later and due at
//! the same time or later, that the agenda has published. It does what is due in the order of ids.

use std::sync::Arc;

use command_stack::event_log::SqliteEventLog;
use command_stack::news::{Begin, Change};
use events::ArticleId;
use events::news::ArticleStatus::{Archived, Draft, Published, Scheduled};

use crate::support::database::{Database, Kept, eventually};
use crate::support::newsroom::{Newsroom, category, minute};

async fn a_due_article_is_published_once_and_the_event_says_for_when_it_was_planned(on: Newsroom) {
    let article = on.schedule(60).await;
    let agenda = on.agenda();
    on.clock.set(minute(61));
    let (event, published) = on.is_published(article).await;
    assert_eq!(published.scheduled_for, Some(minute(60)));
    assert_eq!(event.metadata.actor.to_string(), "system:schedule");
    assert_eq!(event.partition.to_string(), "news.sports");
    let witness = on.schedule(62).await;
    on.clock.set(minute(62));
    on.is_published(witness).await;
    agenda.stop().await;
    assert_eq!(on.publications(article).await.len(), 1);
    assert_eq!(on.article(article).await.status, Published);
    on.on.remove().await;
}

async fn nothing_is_published_before_its_time(on: Newsroom) {
    let agenda = on.agenda();
    let article = on.schedule(60).await;
    for minutes in [1, 30, 59] {
        let witness = on.schedule(minutes).await;
        on.clock.set(minute(minutes));
        on.is_published(witness).await;
        assert_eq!(on.article(article).await.status, Scheduled, "at minute {minutes}");
    }
    on.clock.set(minute(60));
    on.is_published(article).await;
    agenda.stop().await;
    on.on.remove().await;
}

async fn what_was_due_while_nothing_ran_is_published_on_return_and_once(on: Newsroom) {
    let agenda = on.agenda();
    let before = on.schedule(1).await;
    let missed = [on.schedule(60).await, on.schedule(90).await];
    on.clock.set(minute(1));
    on.is_published(before).await;
    agenda.stop().await;
    on.clock.set(minute(120));
    for minutes in 121..124 {
        let witness = on.schedule(minutes).await;
        on.clock.set(minute(minutes));
        let agenda = on.agenda();
        on.is_published(witness).await;
        agenda.stop().await;
    }
    for (article, planned) in missed.into_iter().zip([60, 90]) {
        let publications = on.publications(article).await;
        let planned_for: Vec<_> = publications.iter().map(|(_, it)| it.scheduled_for).collect();
        assert_eq!(planned_for, [Some(minute(planned))]);
    }
    on.on.remove().await;
}

async fn two_agendas_publish_once(on: Newsroom) {
    let agendas = [on.agenda(), on.agenda_of(&on.on.peer)];
    publishes_each_once(&on, 20).await;
    // Whichever led: the other goes on alone.
    for (agenda, first) in agendas.into_iter().zip([40, 60]) {
        publishes_each_once(&on, first).await;
        agenda.stop().await;
    }
    on.on.remove().await;
}

async fn publishes_each_once(on: &Newsroom, first: u64) {
    let mut articles = Vec::new();
    for n in 0..10 {
        articles.push(on.schedule(first + n).await);
    }
    on.clock.set(minute(first + 15));
    let witness = on.schedule(first + 16).await;
    on.clock.set(minute(first + 16));
    on.is_published(witness).await;
    for article in articles {
        on.is_published(article).await;
        assert_eq!(on.publications(article).await.len(), 1);
    }
}

/// Publishes something, so that the agenda has certainly seen what was planned before.
async fn has_looked(on: &Newsroom, minutes: u64) {
    let witness = on.schedule(minutes).await;
    on.clock.set(minute(minutes));
    on.is_published(witness).await;
}

async fn an_article_that_was_unscheduled_meanwhile_is_not_published(on: Newsroom) {
    let agenda = on.agenda();
    let article = on.schedule(60).await;
    has_looked(&on, 1).await;
    on.change(article, Change::Unschedule).await;
    has_looked(&on, 60).await;
    has_looked(&on, 61).await;
    agenda.stop().await;
    assert_eq!(on.article(article).await.status, Draft);
    assert_eq!(on.publications(article).await.len(), 0);
    on.on.remove().await;
}

async fn an_article_that_was_rescheduled_meanwhile_is_published_at_the_new_time_only(on: Newsroom) {
    let agenda = on.agenda();
    let (later, earlier) = (on.schedule(60).await, on.schedule(100).await);
    has_looked(&on, 1).await;
    on.change(later, Change::Schedule { publish_at: minute(90) }).await;
    on.change(earlier, Change::Schedule { publish_at: minute(50) }).await;
    has_looked(&on, 50).await;
    let (_, published) = on.is_published(earlier).await;
    assert_eq!(published.scheduled_for, Some(minute(50)));
    has_looked(&on, 60).await;
    assert_eq!(on.article(later).await.status, Scheduled);
    on.clock.set(minute(90));
    assert_eq!(on.is_published(later).await.1.scheduled_for, Some(minute(90)));
    has_looked(&on, 101).await;
    agenda.stop().await;
    for article in [later, earlier] {
        assert_eq!(on.publications(article).await.len(), 1);
    }
    on.on.remove().await;
}

async fn an_article_that_was_moved_meanwhile_is_published_in_its_new_category(on: Newsroom) {
    let agenda = on.agenda();
    let article = on.schedule(60).await;
    has_looked(&on, 1).await;
    on.change(article, Change::Move { to: category("politics") }).await;
    on.clock.set(minute(60));
    let (event, published) = on.is_published(article).await;
    assert_eq!(event.partition.to_string(), "news.politics");
    assert_eq!(published.category, category("politics"));
    assert_eq!(published.scheduled_for, Some(minute(60)));
    has_looked(&on, 61).await;
    agenda.stop().await;
    assert_eq!(on.publications(article).await.len(), 1);
    on.on.remove().await;
}

async fn of_an_erased_author_drafts_are_archived_and_keys_destroyed_and_nothing_else(on: Newsroom) {
    let (ada, eve) = (on.register("ada@example.org").await, on.register("eve@example.org").await);
    let begin = async |begin| on.begin(begin, Some(ada)).await;
    let drafts = [begin(Begin::Draft).await, begin(Begin::Draft).await];
    let scheduled = begin(Begin::Schedule(minute(60))).await;
    let published = begin(Begin::Publish).await;
    let others = on.begin(Begin::Draft, Some(eve)).await;
    on.change(drafts[1], Change::Move { to: category("politics") }).await;
    // Whether the agenda was running or comes back to it.
    on.erase(ada).await;
    let agenda = on.agenda();
    for draft in drafts {
        let archived = async || (on.article(draft).await.status == Archived).then_some(());
        eventually("the draft is archived", archived).await;
        let event = on.on.log.read_stream(&draft.into()).await.expect("read").pop();
        let event = event.expect("an event");
        assert_eq!(event.event_type, "news.article_archived");
        assert_eq!(event.metadata.actor.to_string(), "system:erasure");
    }
    let keys = on.accounts.keys(&[ada, eve]).await.expect("read");
    assert_eq!(keys.into_keys().collect::<Vec<_>>(), [eve]);
    has_looked(&on, 1).await;
    let status = async |article: ArticleId| on.article(article).await.status;
    assert_eq!(status(scheduled).await, Scheduled);
    assert_eq!((status(published).await, status(others).await), (Published, Draft));
    // While it runs, too.
    on.erase(eve).await;
    let archived = async || (status(others).await == Archived).then_some(());
    eventually("the draft is archived", archived).await;
    assert!(on.accounts.keys(&[eve]).await.expect("read").is_empty());
    on.clock.set(minute(60));
    on.is_published(scheduled).await;
    agenda.stop().await;
    on.on.remove().await;
}

macro_rules! contract {
    ($($promise:ident)*) => {
        mod sqlite {
            use crate::support::{database::Database, newsroom::Newsroom};
            $(#[tokio::test(flavor = "multi_thread")] async fn $promise() {
                super::$promise(Newsroom::of(Database::sqlite().await)).await;
            })*
        }
        mod postgres {
            use crate::support::{database::Database, newsroom::Newsroom};
            $(#[tokio::test(flavor = "multi_thread")] async fn $promise() {
                super::$promise(Newsroom::of(Database::postgres().await)).await;
            })*
        }
    };
}

contract! {
    a_due_article_is_published_once_and_the_event_says_for_when_it_was_planned
    nothing_is_published_before_its_time
    what_was_due_while_nothing_ran_is_published_on_return_and_once
    two_agendas_publish_once
    an_article_that_was_unscheduled_meanwhile_is_not_published
    an_article_that_was_rescheduled_meanwhile_is_published_at_the_new_time_only
    an_article_that_was_moved_meanwhile_is_published_in_its_new_category
    of_an_erased_author_drafts_are_archived_and_keys_destroyed_and_nothing_else
}

/// A second opening of the file knows nothing of the first one's leader.
#[tokio::test(flavor = "multi_thread")]
async fn two_agendas_that_both_believe_to_lead_publish_once() {
    let on = Newsroom::of(Database::sqlite().await);
    let Kept::Sqlite { directory, .. } = &on.on.kept else { panic!("not SQLite") };
    let path = directory.path().join("events.db");
    let twin = SqliteEventLog::at(path.to_str().expect("UTF-8")).await.expect("open again");
    let pool = twin.pool().clone();
    let agendas = [on.agenda(), on.agenda_of(&(Arc::new(twin) as _))];
    for round in 1..=5 {
        publishes_each_once(&on, 20 * round).await;
    }
    for agenda in agendas {
        agenda.stop().await;
    }
    let gaps = on.on.log.gaps().await.expect("read");
    assert_eq!(gaps, Vec::<String>::new());
    pool.close().await;
    on.on.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agenda_that_is_gone_without_a_word_is_followed_by_another() {
    let on = Newsroom::of(Database::postgres().await);
    let first = on.agenda();
    publishes_each_once(&on, 20).await;
    let second = on.agenda_of(&on.on.peer);
    first.kill().await;
    publishes_each_once(&on, 40).await;
    second.stop().await;
    on.on.remove().await;
}
