//! One relay leads, and who leads next goes on where it was.

use events::Position;

use super::super::{EventLog, Leadership};
use super::fixture::{Fixture, eventually};

/// The database may take a moment to notice that a leader is gone.
pub(super) async fn lead_soon(log: &dyn EventLog) -> Box<dyn Leadership> {
    eventually("leading", async || log.lead().await.expect("the log")).await
}

pub(super) async fn there_is_one_leader_and_the_next_goes_on_at_its_checkpoint(on: &Fixture) {
    let mut first = on.log.lead().await.expect("the log").expect("nobody leads");
    assert_eq!(first.checkpoint().await.expect("read"), Position::START);
    assert!(on.log.lead().await.expect("the log").is_none());
    assert!(on.peer.lead().await.expect("the log").is_none());
    first.save(Position::new(41)).await.expect("save");
    first.save(Position::new(42)).await.expect("save");
    drop(first);
    let mut second = lead_soon(&*on.peer).await;
    assert_eq!(second.checkpoint().await.expect("read"), Position::new(42));
    assert!(on.log.lead().await.expect("the log").is_none());
    drop(second);
    lead_soon(&*on.log).await;
}
