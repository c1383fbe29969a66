//! `/metrics`: what whoever watches a portal sees of it.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use reqwest::Client;
use support::http::Answer;
use support::{Portal, Wiring, eventually};

on_both_wirings! {
    every_service_tells_what_it_does
}

async fn every_service_tells_what_it_does(portal: Portal) {
    let (_, position) = portal.publish("sports", "Seen").await;
    let name = |name: &'static str| match portal.wiring {
        Wiring::Embedded => "portal",
        Wiring::Servers => name,
    };
    let at = |figure: &str| format!("{figure} {position}.0");
    for service in portal.service_names() {
        tells(&portal, service, "portal_build_info{version=\"0.1.0\"} 1.0").await;
    }
    tells(&portal, name("command-stack"), "portal_appends_waiting{} 0.0").await;
    tells(&portal, name("relay"), "portal_leading{task=\"relay\"} 1.0").await;
    tells(&portal, name("relay"), &at("portal_relay_position{}")).await;
    tells(&portal, name("relay"), &at("portal_log_position{}")).await;
    let views = name("query-stack-2");
    for view in ["articles_sports", "desk_sports"] {
        tells(&portal, views, &at(&format!("portal_view_position{{view=\"{view}\"}}"))).await;
        tells(&portal, views, &format!("portal_view_lag_seconds{{view=\"{view}\"}} 0.0")).await;
    }
    let waiting = "portal_view_parked_streams{view=\"users\",state=\"waiting\"} 0.0";
    tells(&portal, name("query-stack-1"), waiting).await;
}

async fn tells(portal: &Portal, service: &str, line: &str) {
    eventually(&format!("{service}: {line}"), async || {
        let answer = Answer::of(Client::new().get(portal.url(service, "/metrics"))).await;
        assert_eq!(answer.status, 200);
        let text = answer.body.as_str().expect("a text").to_owned();
        text.lines().any(|told| told == line).then_some(())
    })
    .await;
}
