//! Several services of a kind: one of them leads where only one may, and whoever was paused while
//! another took over steps back.

use crate::support::{Portal, Wiring, eventually};
use sqlx::{Connection, PgConnection};

const RELAYS: [&str; 3] = ["relay", "relay-2", "relay-3"];

impl Portal {
    fn spawn_relay(&mut self, name: &'static str) {
        self.spawn_as(name, vec!["relay".to_owned()]);
    }
}

/// How often the right to relay was taken, and how far the log was published.
async fn relaying(portal: &Portal) -> (i64, i64) {
    let url = &portal.environment["PORTAL_EVENT_LOG"];
    let mut connection = PgConnection::connect(url).await.expect("PostgreSQL");
    let query = "SELECT epoch, position FROM leases, relay_checkpoint WHERE task = 'relay'";
    sqlx::query_as(query).fetch_one(&mut connection).await.expect("the lease of the relay")
}

/// Publishes an article, and waits until the bus has it: views would also find it in the log.
async fn news_flow(portal: &Portal) {
    let (_, position) = portal.publish("sports", "News").await;
    let published = async || (relaying(portal).await.1 >= position).then_some(());
    eventually("the news on the bus", published).await;
}

#[tokio::test]
async fn a_relay_that_was_paused_is_followed_by_another_and_steps_back_when_it_wakes() {
    let mut portal = Portal::start(Wiring::Servers).await;
    news_flow(&portal).await;
    RELAYS[1..].iter().for_each(|relay| portal.spawn_relay(relay));
    let (epoch, _) = relaying(&portal).await;
    portal.signal("relay", "STOP");
    news_flow(&portal).await;
    let (epoch_of_the_next, _) = relaying(&portal).await;
    assert!(epoch_of_the_next > epoch, "nobody has taken over");
    portal.signal("relay", "CONT");
    for _ in 0..20 {
        news_flow(&portal).await;
    }
    assert_eq!(relaying(&portal).await.0, epoch_of_the_next, "who woke up leads");
    // It waits for its turn, which comes when nobody else is left.
    RELAYS[1..].iter().for_each(|relay| portal.kill(relay));
    news_flow(&portal).await;
    portal.verifies().await;
}

#[tokio::test]
async fn a_relay_that_is_asked_to_stop_is_followed_at_once() {
    let mut portal = Portal::start(Wiring::Servers).await;
    news_flow(&portal).await;
    portal.spawn_relay("relay-2");
    let (epoch, _) = relaying(&portal).await;
    assert_eq!(portal.terminate("relay"), Some(0));
    // One for resigning and one for the next leader: a lease that only expires has one.
    let taken = async || (relaying(&portal).await.0 >= epoch + 2).then_some(());
    eventually("the next leader", taken).await;
    news_flow(&portal).await;
}
