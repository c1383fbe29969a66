//! Live updates: whoever comes and goes hears of everything once and in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::support::live::Listener;
use crate::support::newsroom::{Newsroom, Random};
use crate::support::{Environment, Patience, Portal, Wiring, by_depth};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

journeys! {
    both {
        what_is_not_public_is_not_told
        who_listens_when_the_door_closes_is_told
    }
}

mod many {
    use super::listeners_who_come_and_go_hear_everything_once;

    journeys! {
        by wiring;
        both {
            listeners_who_come_and_go_hear_everything_once
        }
    }
}

/// What the public may know of the log, in its order.
fn public(events: &[Value]) -> Vec<(i64, String)> {
    let told = ["article_published", "article_corrected", "article_retracted"];
    let event = |event: &Value| {
        let name = event["type"].as_str()?.strip_prefix("news.")?;
        told.contains(&name).then_some((event["position"].as_i64()?, name.to_owned()))
    };
    events.iter().filter_map(event).collect()
}

async fn listeners_who_come_and_go_hear_everything_once(wiring: Wiring) {
    let (listeners, commands) = by_depth((100, 100), (1_000, 300));
    let places = ("PORTAL_MAX_CONNECTIONS".to_owned(), (3 * listeners).to_string());
    let portal = Portal::start_with(wiring, Environment::from([places])).await;
    let (random, end) = (Random::seeded(), Arc::new(AtomicI64::new(i64::MAX)));
    let listen = |number: usize| {
        let mut listener = Listener::after(portal.door(), "/v1/live", 0);
        let mut random = Random(random.0.wrapping_add(number as u64));
        let end = Arc::clone(&end);
        async move {
            let patience = Patience::new("everything that happened");
            let is_all = |last| last >= end.load(Ordering::SeqCst);
            while !is_all(listener.last) {
                // Cut off in the middle, by whichever side: who listens just comes back.
                if listener.listen(1 + random.below(100), is_all).await.is_err() {
                    patience.pause().await;
                }
            }
            listener.heard
        }
    };
    let listeners: JoinSet<_> = (0..listeners).map(listen).collect();
    let newsroom = Newsroom::new(portal.editor(), commands);
    newsroom.work(8, &random).join_all().await;
    portal.publish("sports", "The last").await;
    let expected = public(&portal.events());
    assert!(expected.len() > commands / 2, "{}", expected.len());
    end.store(expected.last().expect("events").0, Ordering::SeqCst);
    for heard in listeners.join_all().await {
        assert_eq!(heard, expected);
    }
}

async fn what_is_not_public_is_not_told(portal: Portal) {
    let draft = json!({"title": "Secret", "content": "Text.", "status": "draft"});
    let draft = portal.post("/v1/news/sports", draft).await;
    let moved = json!({"category": "politics"});
    let path = format!("{}/move", draft.header("location"));
    assert_eq!(portal.change(Method::POST, &path, 1, moved.clone()).await.status, 200);
    let (open, _) = portal.publish("sports", "In the open").await;
    let path = format!("/v1/news/sports/{}/move", open["id"].as_str().expect("an id"));
    let moved = portal.change(Method::POST, &path, 1, moved).await;
    assert_eq!(moved.status, 200, "{}", moved.body);
    let last = moved.position();
    let positions = |listener: &Listener| -> Vec<_> {
        listener.heard.iter().map(|(position, event)| (*position, event.clone())).collect()
    };
    let told = [(last - 2, "article_published".to_owned()), (last, "article_moved_in".to_owned())];
    for (path, expected) in [
        ("/v1/live", &told[..]),
        ("/v1/live?category=sports", &told),
        ("/v1/live?category=politics", &told[1..]),
        ("/v1/live?category=famous", &[]),
    ] {
        let mut listener = Listener::after(portal.door(), path, 0);
        listener.listen(usize::MAX, |at| at >= last).await.expect("frames");
        assert_eq!(positions(&listener), expected, "{path}");
    }
    // Also of what it says nothing is told: it may be taken back.
    let text = Listener::after(portal.door(), "/v1/live", 0);
    let mut response = text.connect().await.expect("a stream");
    let first = response.chunk().await.expect("a frame").expect("a frame");
    let first = String::from_utf8(first.to_vec()).expect("a text");
    assert!(first.contains(open["id"].as_str().expect("an id")), "{first}");
    assert!(!first.contains("In the open"), "{first}");
}

async fn who_listens_when_the_door_closes_is_told(mut portal: Portal) {
    let (_, position) = portal.publish("sports", "Before").await;
    let mut listener = Listener::after(portal.door(), "/v1/live", position - 1);
    let door = portal.door_name();
    let (hears, mut has_heard) = watch::channel(0);
    let listening = tokio::spawn(async move {
        let goes_on = |last| hears.send_replace(last) == i64::MAX;
        listener.listen(usize::MAX, goes_on).await.expect("an end without an error");
        listener.heard
    });
    has_heard.wait_for(|last| *last >= position).await.expect("a listener");
    let told = portal.get("/metrics").await.body;
    assert!(told.as_str().is_some_and(|told| told.contains("\nportal_live_clients{} 1.0\n")));
    assert_eq!(portal.terminate(door), Some(0));
    let heard = listening.await.expect("what was heard");
    let expected = ["article_published", "end"].map(|event| (position, event.to_owned()));
    assert_eq!(heard, expected);
}
