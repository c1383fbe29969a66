//! An embargo sets the earliest publication time; it does not schedule a publication.

use super::*;
use ArticleStatus::{Archived, Draft, Published, Retracted, Scheduled};

const END: i64 = 3000;

fn under_embargo() -> Given {
    given(&[drafted(), embargoed(Some(END))])
}

#[test]
fn an_embargo_ends_in_the_future() {
    for status in [Draft, Scheduled] {
        let article = given_status(status);
        assert_eq!(article.when(embargo_until(Some(END))), Ok(vec![embargoed(Some(END))]));
        assert_eq!(article.when(embargo_until(Some(NOW))), Err(NewsError::EmbargoPast));
    }
}

#[test]
fn only_what_nobody_has_seen_is_put_under_embargo() {
    for status in [Published, Retracted, Archived] {
        for until in [Some(END), None] {
            let decided = given_status(status).when(embargo_until(until));
            assert_eq!(decided, refused(status, "embargoed"));
        }
    }
}

#[test]
fn publishing_under_embargo_schedules_for_its_end() {
    assert_eq!(under_embargo().when(Change::Publish), Ok(vec![scheduled(END)]));
    assert_eq!(under_embargo().when_at(END - 1, Change::Publish), Ok(vec![scheduled(END)]));
    let later = given(&[drafted(), embargoed(Some(END)), scheduled(PLAN)]);
    assert_eq!(later.when(Change::Publish), Ok(vec![scheduled(END)]), "also ahead of a plan");
}

#[test]
fn publishing_again_what_waits_for_the_end_of_its_embargo_changes_nothing() {
    let waiting = given(&[drafted(), embargoed(Some(END)), scheduled(END)]);
    assert_eq!(waiting.when(Change::Publish), Ok(vec![]));
}

#[test]
fn an_embargo_that_has_ended_holds_nothing_back() {
    assert_eq!(under_embargo().when_at(END, Change::Publish), Ok(vec![published("A", None)]));
    let planned = under_embargo().when_at(END, plan(END + 1));
    assert_eq!(planned, Ok(vec![scheduled(END + 1)]));
}

#[test]
fn the_end_of_an_embargo_publishes_nothing_by_itself() {
    assert_eq!(under_embargo().when_at(END, due(END)), Ok(vec![]));
    let given_up = given(&[drafted(), embargoed(Some(END)), scheduled(END), unscheduled()]);
    assert_eq!(given_up.when_at(END, due(END)), Ok(vec![]));
}

#[test]
fn a_plan_before_the_end_of_the_embargo_is_refused() {
    let refused = NewsError::PublishAtUnderEmbargo { until: at(END) };
    assert_eq!(under_embargo().when(plan(END - 1)), Err(refused));
    assert_eq!(under_embargo().when(plan(END)), Ok(vec![scheduled(END)]));
    assert_eq!(under_embargo().when(plan(END + 1)), Ok(vec![scheduled(END + 1)]));
}

#[test]
fn an_embargo_beyond_the_plan_is_refused() {
    let article = given_status(Scheduled);
    let refused = NewsError::EmbargoBeyondSchedule { publish_at: at(PLAN) };
    assert_eq!(article.when(embargo_until(Some(PLAN + 1))), Err(refused));
    assert_eq!(article.when(embargo_until(Some(PLAN))), Ok(vec![embargoed(Some(PLAN))]));
}

#[test]
fn an_embargo_is_lifted_and_the_plan_stays() {
    assert_eq!(under_embargo().when(embargo_until(None)), Ok(vec![embargoed(None)]));
    let events = [drafted(), embargoed(Some(END)), scheduled(END), embargoed(None)];
    let lifted = given(&events);
    assert_eq!(lifted.when(Change::Publish), Ok(vec![published("A", None)]));
    let article = lifted.0.expect("an article");
    assert_eq!((article.status, article.publish_at), (Scheduled, Some(at(END))));
}

#[test]
fn the_same_embargo_again_changes_nothing() {
    assert_eq!(under_embargo().when(embargo_until(Some(END))), Ok(vec![]));
    assert_eq!(given_status(Draft).when(embargo_until(None)), Ok(vec![]));
}

#[test]
fn once_published_an_embargo_is_gone() {
    let events = [drafted(), embargoed(Some(END)), scheduled(END), published("A", Some(END))];
    assert_eq!(given(&events).0.expect("an article").embargo_until, None);
}
