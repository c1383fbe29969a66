//! Each task has one leader, and the next leader continues at the last checkpoint.

use events::Position;

use super::super::{EventLog, LeadError, Leadership, Task};
use super::fixture::{Fixture, eventually};

/// Waits for the lease: that of a leader which did not resign has to expire first.
pub(super) async fn lead_soon(log: &dyn EventLog, task: Task) -> Box<dyn Leadership> {
    eventually("leading", async || log.lead(task).await.expect("the log")).await
}

pub(super) async fn there_is_one_leader_and_the_next_goes_on_at_its_checkpoint(on: &Fixture) {
    let first = on.log.lead(Task::Relay).await.expect("the log").expect("nobody leads");
    assert_eq!(first.checkpoint().await.expect("read"), Position::START);
    assert!(on.log.lead(Task::Relay).await.expect("the log").is_none());
    assert!(on.peer.lead(Task::Relay).await.expect("the log").is_none());
    first.save(Position::new(41)).await.expect("save");
    first.save(Position::new(42)).await.expect("save");
    drop(first);
    let second = lead_soon(&*on.peer, Task::Relay).await;
    assert_eq!(second.checkpoint().await.expect("read"), Position::new(42));
    assert!(on.log.lead(Task::Relay).await.expect("the log").is_none());
    drop(second);
    lead_soon(&*on.log, Task::Relay).await;
}

pub(super) async fn different_tasks_are_led_at_the_same_time_and_each_by_one_only(on: &Fixture) {
    let relay = on.log.lead(Task::Relay).await.expect("the log").expect("nobody leads");
    let agenda = on.peer.lead(Task::Agenda).await.expect("the log").expect("nobody leads");
    let webhooks = on.log.lead(Task::Webhooks).await.expect("the log").expect("nobody leads");
    for log in [&on.log, &on.peer] {
        for task in [Task::Relay, Task::Agenda, Task::Webhooks] {
            assert!(log.lead(task).await.expect("the log").is_none(), "{task:?} is led twice");
        }
    }
    drop(relay);
    lead_soon(&*on.peer, Task::Relay).await;
    agenda.confirm().await.expect("the other task is still led");
    webhooks.confirm().await.expect("this one too");
    assert!(on.log.lead(Task::Agenda).await.expect("the log").is_none());
}

pub(super) async fn who_has_resigned_is_followed_at_once_and_cannot_move_the_checkpoint(
    on: &Fixture,
) {
    let first = on.log.lead(Task::Relay).await.expect("the log").expect("nobody leads");
    first.save(Position::new(41)).await.expect("save");
    first.resign().await.expect("the log");
    assert!(matches!(first.save(Position::new(1)).await, Err(LeadError::Lost)));
    let second = on.peer.lead(Task::Relay).await.expect("the log").expect("nobody leads");
    assert!(matches!(first.save(Position::new(2)).await, Err(LeadError::Lost)));
    assert!(matches!(first.confirm().await, Err(LeadError::Lost)));
    first.resign().await.expect("it is none of its any more");
    assert!(on.log.lead(Task::Relay).await.expect("the log").is_none());
    assert_eq!(second.checkpoint().await.expect("read"), Position::new(41));
    second.confirm().await.expect("it leads");
    second.save(Position::new(42)).await.expect("save");
}
