//! The first commands of an article, and the state that its events produce.

use super::*;

fn begin_at(begin: Begin, embargo_until: Option<i64>) -> Decided {
    let (category, text, author_id) = (sports(), text("A"), Some(user(1)));
    let embargo_until = embargo_until.map(at);
    let command = NewsCommand::Begin { category, text, author_id, begin, embargo_until };
    Article::decide(None, &command, at(NOW))
}

#[test]
fn an_article_begins_as_a_draft() {
    assert_eq!(begin_at(Begin::Draft, None), Ok(vec![drafted()]));
    let under_embargo = vec![drafted(), embargoed(Some(2000))];
    assert_eq!(begin_at(Begin::Draft, Some(2000)), Ok(under_embargo));
}

#[test]
fn an_article_that_begins_published_was_never_a_draft() {
    let events = begin_at(Begin::Publish, None).expect("a beginning");
    let [NewsEvent::Published(event)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((event.drafted_at, event.scheduled_for), (None, None));
    let article = given(&events).0.expect("an article");
    assert_eq!((article.created_at, article.published_at), (at(1), Some(at(1))));
}

#[test]
fn an_article_that_begins_published_under_embargo_waits_for_its_end() {
    let waiting = vec![drafted(), embargoed(Some(2000)), scheduled(2000)];
    assert_eq!(begin_at(Begin::Publish, Some(2000)), Ok(waiting));
}

#[test]
fn an_article_begins_with_a_plan_that_lies_in_the_future_and_respects_the_embargo() {
    let plan = |publish_at| Begin::Schedule(at(publish_at));
    assert_eq!(begin_at(plan(1001), None), Ok(vec![drafted(), scheduled(1001)]));
    assert_eq!(begin_at(plan(NOW), None), Err(NewsError::PublishAtPast));
    let all = vec![drafted(), embargoed(Some(2000)), scheduled(2000)];
    assert_eq!(begin_at(plan(2000), Some(2000)), Ok(all));
    let under_embargo = NewsError::PublishAtUnderEmbargo { until: at(2000) };
    assert_eq!(begin_at(plan(1999), Some(2000)), Err(under_embargo));
}

#[test]
fn an_article_that_was_published_elsewhere_keeps_the_time_of_its_first_publication() {
    let elsewhere = |millis| Begin::PublishedElsewhere(at(millis));
    let events = begin_at(elsewhere(-7), None).expect("a beginning");
    let [NewsEvent::Published(event)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((event.drafted_at, event.first_published_at), (None, Some(at(-7))));
    let article = given(&events).0.expect("an article");
    assert_eq!((article.created_at, article.published_at), (at(-7), Some(at(-7))));
    assert_eq!(article.updated_at, at(1), "when it was recorded");
    assert_eq!(begin_at(elsewhere(NOW + 1), None), Err(NewsError::PublishedInFuture));
    let under_embargo = NewsError::PublishAtUnderEmbargo { until: at(2000) };
    assert_eq!(begin_at(elsewhere(1), Some(2000)), Err(under_embargo));
}

#[test]
fn no_article_begins_with_an_embargo_that_has_ended() {
    for begin in [Begin::Draft, Begin::Publish, Begin::Schedule(at(PLAN))] {
        assert_eq!(begin_at(begin, Some(NOW)), Err(NewsError::EmbargoPast));
    }
}

#[test]
fn an_article_begins_once() {
    let (category, text, begin) = (sports(), text("A"), Begin::Draft);
    let (author_id, embargo_until) = (None, None);
    let again = NewsCommand::Begin { category, text, author_id, begin, embargo_until };
    for status in ArticleStatus::ALL {
        let decided = Article::decide(given_status(status).0.as_ref(), &again, at(NOW));
        assert_eq!(decided, Err(NewsError::Exists));
    }
}

#[test]
fn an_event_that_needs_an_article_cannot_be_the_first() {
    let stamp = Stamp { id: Uuid::nil(), version: Version::new(1), at: at(1) };
    for event in [revised("B"), scheduled(PLAN), unscheduled(), retracted(), archived()] {
        assert!(<Article as Aggregate>::evolve(None, event.into(), stamp).is_err());
    }
}

#[test]
fn the_article_is_what_its_events_say() {
    let events = [drafted(), embargoed(Some(3)), scheduled(3), published("B", Some(3))];
    let corrections = [corrected("C", "First."), corrected("D", "Second.")];
    let article = given(&[&events[..], &corrections[..]].concat()).0.expect("an article");
    assert_eq!((article.status, article.version), (ArticleStatus::Published, Version::new(6)));
    assert_eq!((article.created_at, article.published_at), (at(1), Some(at(4))));
    assert_eq!((article.updated_at, article.text.title.as_str()), (at(6), "D"));
    assert_eq!((article.publish_at, article.embargo_until), (None, None));
    let notes: Vec<_> = article.corrections.iter().map(|c| (c.at, c.note.as_str())).collect();
    assert_eq!(notes, [(at(6), "Second."), (at(5), "First.")], "newest first");
}

#[test]
fn a_retracted_article_says_when_and_why() {
    let article = given_status(ArticleStatus::Retracted).0.expect("an article");
    let retraction = article.retraction.expect("a retraction");
    assert_eq!((retraction.at, retraction.reason.as_str()), (at(3), "Untrue."));
}
