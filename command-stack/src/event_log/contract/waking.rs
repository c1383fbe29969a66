//! Each append notifies its subscribers, so that they need not poll.

use tokio::sync::watch;
use tokio::time::timeout;

use super::fixture::{Fixture, SOON, one, some_stream};

pub(super) async fn is_woken(appended: &mut watch::Receiver<()>) {
    let woken = timeout(SOON, appended.changed()).await;
    woken.expect("woken in time").expect("the log is open");
}

pub(super) async fn every_append_wakes_who_waits(on: &Fixture) {
    let mut appended = on.log.appended();
    for log in [&on.log, &on.peer, &on.peer, &on.log, &on.peer] {
        appended.mark_unchanged();
        log.append(one(&some_stream(), 0)).await.expect("append");
        is_woken(&mut appended).await;
    }
}
