//! Publishing: by command, and at the scheduled time.

use super::*;
use ArticleStatus::{Archived, Draft, Published, Retracted, Scheduled};

#[test]
fn a_draft_is_published_with_its_whole_text_and_without_a_plan() {
    let revised = given(&[drafted(), revised("B")]);
    assert_eq!(revised.when(Change::Publish), Ok(vec![published("B", None)]));
}

#[test]
fn a_scheduled_article_can_be_published_by_hand_before_its_time() {
    assert_eq!(given_status(Scheduled).when(Change::Publish), Ok(vec![published("A", None)]));
}

#[test]
fn what_was_published_or_put_away_is_not_published_again() {
    for status in [Published, Retracted, Archived] {
        assert_eq!(given_status(status).when(Change::Publish), refused(status, "published"));
    }
}

#[test]
fn a_plan_is_for_the_future() {
    for status in [Draft, Scheduled] {
        let article = given_status(status);
        assert_eq!(article.when(plan(NOW + 1)), Ok(vec![scheduled(NOW + 1)]));
        assert_eq!(article.when(plan(NOW)), Err(NewsError::PublishAtPast));
        assert_eq!(article.when(plan(NOW - 1)), Err(NewsError::PublishAtPast));
    }
}

#[test]
fn the_same_plan_again_changes_nothing_and_another_replaces_it() {
    let article = given_status(Scheduled);
    assert_eq!(article.when(plan(PLAN)), Ok(vec![]));
    assert_eq!(article.when(plan(PLAN - 1)), Ok(vec![scheduled(PLAN - 1)]));
    assert_eq!(article.when(plan(PLAN + 1)), Ok(vec![scheduled(PLAN + 1)]));
}

#[test]
fn an_unscheduled_article_is_a_draft_without_a_plan() {
    assert_eq!(given_status(Scheduled).when(Change::Unschedule), Ok(vec![unscheduled()]));
    let article = given(&[drafted(), scheduled(PLAN), unscheduled()]).0.expect("an article");
    assert_eq!((article.status, article.publish_at), (Draft, None));
    for status in [Draft, Published, Retracted, Archived] {
        let decided = given_status(status).when(Change::Unschedule);
        assert_eq!(decided, refused(status, "unscheduled"));
    }
}

#[test]
fn a_planned_time_that_has_come_publishes_and_the_event_says_for_when_it_was_planned() {
    for now in [PLAN, PLAN + 60_000] {
        let decided = given_status(Scheduled).when_at(now, due(PLAN));
        assert_eq!(decided, Ok(vec![published("A", Some(PLAN))]));
    }
}

#[test]
fn readers_get_the_text_as_it_was_when_the_time_came() {
    let revised = given(&[drafted(), scheduled(PLAN), revised("B")]);
    assert_eq!(revised.when_at(PLAN, due(PLAN)), Ok(vec![published("B", Some(PLAN))]));
}

#[test]
fn a_planned_time_that_has_not_come_does_nothing() {
    assert_eq!(given_status(Scheduled).when_at(PLAN - 1, due(PLAN)), Ok(vec![]));
}

#[test]
fn a_time_that_is_not_the_plan_any_more_does_nothing() {
    let later = given(&[drafted(), scheduled(PLAN), scheduled(2 * PLAN)]);
    assert_eq!(later.when_at(3 * PLAN, due(PLAN)), Ok(vec![]));
    let given_up = given(&[drafted(), scheduled(PLAN), unscheduled()]);
    assert_eq!(given_up.when_at(PLAN, due(PLAN)), Ok(vec![]));
}

#[test]
fn a_plan_is_carried_out_once_however_often_it_is_asked() {
    for further in [vec![], vec![retracted()], vec![retracted(), archived()]] {
        let events = [vec![drafted(), scheduled(PLAN), published("A", Some(PLAN))], further];
        assert_eq!(given(&events.concat()).when_at(PLAN, due(PLAN)), Ok(vec![]));
    }
}

#[test]
fn a_change_of_the_text_never_publishes() {
    let overdue = given_status(Scheduled).when_at(2 * PLAN, new_text("B", Some("Note.")));
    assert_eq!(overdue, Ok(vec![revised("B")]), "not even of an article that is overdue");
}
