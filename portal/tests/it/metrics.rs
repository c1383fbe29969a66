//! `/metrics`: what whoever watches a portal sees of it.

use crate::support::http::Answer;
use crate::support::{Portal, Wiring, eventually};
use reqwest::{Client, Method};
use serde_json::json;

journeys! {
    both {
        every_service_tells_what_it_does
        requests_are_told_by_their_routes
    }
}

async fn every_service_tells_what_it_does(portal: Portal) {
    let (_, position) = portal.publish("sports", "Seen").await;
    let name = |name: &'static str| match portal.wiring {
        Wiring::Embedded => "portal",
        Wiring::Servers => name,
    };
    let at = |figure: &str| format!("{figure} {position}.0");
    let version = portal.tool(&["--version"]);
    let commit = version.split(['(', ')', ' ']).nth(3).expect("a commit");
    let build = format!("portal_build_info{{version=\"0.1.0\",commit=\"{commit}\"}} 1.0");
    for service in portal.service_names() {
        tells(&portal, service, &build).await;
    }
    tells(&portal, name("command-stack"), "portal_appends_waiting{} 0.0").await;
    tells(&portal, name("relay"), "portal_leading{task=\"relay\"} 1.0").await;
    tells(&portal, name("relay"), &at("portal_relay_position{}")).await;
    tells(&portal, name("relay"), &at("portal_log_position{}")).await;
    tells(&portal, name("relay"), "portal_relay_lag_events{} 0.0").await;
    tells(&portal, name("relay"), "portal_relay_lag_seconds{} 0.0").await;
    tells(&portal, name("command-stack"), "portal_appends_total{outcome=\"appended\"} 1").await;
    tells(&portal, name("command-stack"), "portal_append_batch_size_sum 1.0").await;
    let views = name("query-stack-2");
    for view in ["articles_sports", "desk_sports", "search_sports"] {
        tells(&portal, views, &at(&format!("portal_view_position{{view=\"{view}\"}}"))).await;
        tells(&portal, views, &format!("portal_view_lag_seconds{{view=\"{view}\"}} 0.0")).await;
        tells(&portal, views, &format!("portal_view_lag_events{{view=\"{view}\"}} 0.0")).await;
    }
    let waiting = "portal_view_parked_streams{view=\"users\",state=\"waiting\"} 0.0";
    tells(&portal, name("query-stack-1"), waiting).await;
}

/// Although it is answered before anything else is done for the request.
async fn the_page_that_is_kept_is_counted_as_well(portal: &Portal, before: usize) {
    for _ in 0..3 {
        assert_eq!(portal.door().get_once("/v1/home").await.status, 200);
    }
    let of =
        "http_request_method=\"GET\",http_route=\"/v1/home\",http_response_status_code=\"200\"";
    let line = format!("http_server_request_duration_seconds_count{{{of}}} {}", before + 3);
    tells(portal, portal.door_name(), &line).await;
}

async fn requests_are_told_by_their_routes(portal: Portal) {
    let (article, position) = portal.publish("sports", "Seen").await;
    let id = article["id"].as_str().expect("an id");
    let path = format!("/v1/news/sports/{id}");
    assert_eq!(portal.get_at(&path, position).await.status, 200);
    assert_eq!(portal.get("/v1/news/sports/no-such-one").await.status, 404);
    assert_eq!(portal.get("/v1/news/sports/nothing").await.status, 404);
    assert_eq!(portal.get("/nowhere").await.status, 404);
    let made_up = Method::from_bytes(b"MAKEUP").expect("a method");
    assert_eq!(Answer::of(portal.request(made_up, "/")).await.status, 405);
    eventually("a front page", async || {
        let page = Answer::of(portal.door().get_at("/v1/home", position)).await;
        (page.status == 200).then_some(())
    })
    .await;
    let why = json!({"reason": "Not so."});
    let retracted = portal.change(Method::POST, &format!("{path}/retract"), 1, why).await;
    assert_eq!(retracted.status, 200, "{}", retracted.body);
    let handed_on = match portal.wiring {
        Wiring::Embedded => "/v1/news/{category}/{id}/retract",
        Wiring::Servers => "/v1/{*rest}",
    };
    let door = portal.door_name();
    for (method, route, status, count) in [
        ("POST", "/v1/news/{category}", 201, 1),
        ("POST", handed_on, 200, 1),
        ("GET", "/v1/news/{category}/{id}", 200, 1),
        ("GET", "/v1/news/{category}/{id}", 404, 2),
        ("GET", "unknown", 404, 1),
        ("_OTHER", "/", 405, 1),
        ("GET", "/v1/home", 200, 1),
    ] {
        let of = format!(
            "http_request_method=\"{method}\",http_route=\"{route}\",\
             http_response_status_code=\"{status}\""
        );
        tells(
            &portal,
            door,
            &format!("http_server_request_duration_seconds_count{{{of}}} {count}"),
        )
        .await;
    }
    let text = Answer::of(Client::new().get(portal.url(door, "/metrics"))).await;
    let text = text.body.as_str().expect("a text").to_owned();
    assert!(text.contains("portal_front_pages_total{outcome=\"composed\"} 1"), "{text}");
    the_page_that_is_kept_is_counted_as_well(&portal, 1).await;
    assert!(
        !text.contains(id) && !text.contains("no-such-one") && !text.contains("MAKEUP"),
        "{text}"
    );
    let (commands, views) = match portal.wiring {
        Wiring::Embedded => ("portal", "portal"),
        Wiring::Servers => ("command-stack", "query-stack-2"),
    };
    let of = "rpc_system_name=\"grpc\",rpc_method=\"portal.v1.Queries/GetArticle\"";
    let ok = format!("{of},rpc_response_status_code=\"OK\"");
    tells(&portal, views, &format!("rpc_server_call_duration_seconds_count{{{ok}}} 1")).await;
    if portal.wiring == Wiring::Servers {
        let of = "http_request_method=\"POST\",http_route=\"/v1/news/{category}\"";
        let made = format!("{of},http_response_status_code=\"201\"");
        let line = format!("http_server_request_duration_seconds_count{{{made}}} 1");
        tells(&portal, commands, &line).await;
        let text = Answer::of(Client::new().get(portal.url(views, "/metrics"))).await;
        let text = text.body.as_str().expect("a text").to_owned();
        let pool = "db_client_connection_count{db_client_connection_pool_name=\"event-log\"";
        assert!(text.contains(pool), "{text}");
    }
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
