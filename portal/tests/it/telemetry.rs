//! What can be seen of a request from outside: one trace through all services, one id in all logs.

use crate::support::collector::{Collector, Step};
use crate::support::http::Answer;
use crate::support::{Environment, Portal, Wiring, eventually};
use reqwest::Method;
use serde_json::{Value, json};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CLIENT: &str = "00f067aa0ba902b7";

journeys! {
    embedded {
        nobody_is_told_anything_unless_asked_to
    }
}

mod services {
    use super::*;

    journeys! {
        by wiring;
        both {
            one_article_is_one_trace
            every_service_names_the_request
        }
        embedded {
            a_collector_that_is_gone_disturbs_nobody
        }
    }
}

/// A portal that sends its traces here, at once.
async fn portal_with(wiring: Wiring, collector: &str) -> Portal {
    let settings = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector), ("OTEL_BSP_SCHEDULE_DELAY", "100")];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Portal::start_with(wiring, Environment::from(settings)).await
}

/// Publishes an article in a trace of the client's.
async fn publish(portal: &Portal, request_id: &str) -> Answer {
    let request = portal.request(Method::POST, "/v1/news/sports");
    let request = request.header("traceparent", format!("00-{TRACE}-{CLIENT}-01"));
    let article = json!({"title": "Traced", "content": "From end to end."});
    let answer = Answer::of(request.header("x-request-id", request_id).json(&article)).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer
}

async fn one_article_is_one_trace(wiring: Wiring) {
    let collector = Collector::start().await;
    let portal = portal_with(wiring, &collector.url).await;
    let published = publish(&portal, "the-one").await;
    // Each step, by who does it and which is before it.
    let door =
        step(&collector, wiring, "orchestrator", "POST /v1/news/{category}", &[CLIENT]).await;
    let command =
        step(&collector, wiring, "command-stack", "POST /v1/news/{category}", &[&door.id()]).await;
    step(&collector, wiring, "command-stack", "append events", &[&command.id()]).await;
    let sent = step(&collector, wiring, "relay", "publish portal.events", &[&command.id()]).await;
    for (queue, view) in [
        ("portal.articles.news.sports", "articles_sports"),
        ("portal.desk.news.sports", "desk_sports"),
    ] {
        // A projector that has just begun may have read it from the log.
        let before = [&*sent.id(), &command.id()];
        let name = format!("process {queue}");
        let taken = step(&collector, wiring, "query-stack", &name, &before).await;
        assert_eq!(taken.attribute("messaging.message.conversation_id"), Some("the-one"));
        assert_eq!(taken.attribute("cloudevents.event_type"), Some("news.article_published"));
        let name = format!("apply {view}");
        let written = step(&collector, wiring, "query-stack", &name, &[&taken.id()]).await;
        let system = if wiring == Wiring::Embedded { "sqlite" } else { "mongodb" };
        assert_eq!(written.attribute("db.system.name"), Some(system));
    }
    let recorded = format!("00-{TRACE}-{}-01", command.id());
    assert_eq!(portal.events()[0]["traceparent"], recorded, "and the log remembers");
    // What a reader asks is a trace as well.
    let path = published.header("location").to_owned();
    let reading = portal.door().get_at(&path, published.position());
    let other = TRACE.replace("4bf9", "aaaa");
    let reading = reading.header("traceparent", format!("00-{other}-{CLIENT}-01"));
    assert_eq!(Answer::of_patient(reading).await.status, 200);
    eventually("the query is in the reader's trace", async || {
        let steps = collector.trace(&other);
        let query = steps.iter().find(|step| step.span.name == "portal.v1.Queries/GetArticle")?;
        let door = steps.iter().find(|step| step.id() == query.parent())?;
        (door.span.name == "GET /v1/news/{category}/{id}" && door.parent() == CLIENT).then_some(())
    })
    .await;
}

/// A step of the trace, after one of these.
async fn step(
    collector: &Collector,
    wiring: Wiring,
    service: &str,
    name: &str,
    before: &[&str],
) -> Step {
    let service = if wiring == Wiring::Embedded { "portal" } else { service };
    eventually(&format!("{service}: {name} after {before:?}"), async || {
        let mut steps = collector.trace(TRACE).into_iter();
        steps.find(|step| {
            let is_it = step.service == service && step.span.name == name;
            is_it && before.contains(&&*step.parent())
        })
    })
    .await
}

async fn a_collector_that_is_gone_disturbs_nobody(wiring: Wiring) {
    let mut portal = portal_with(wiring, "http://127.0.0.1:1").await;
    let published = publish(&portal, "the-one").await;
    let path = published.header("location").to_owned();
    assert_eq!(portal.get_at(&path, published.position()).await.status, 200);
    let complaint = "traces are not taken, and are lost";
    eventually("somebody says so", async || portal.logged().contains(complaint).then_some(()))
        .await;
    for service in portal.service_names() {
        assert_eq!(portal.terminate(service), Some(0), "{service}");
        let log = std::fs::read_to_string(portal.logs().join(format!("{service}.log")));
        assert!(log.expect("a log").matches(complaint).count() <= 1, "{service} says it once");
    }
}

async fn nobody_is_told_anything_unless_asked_to(portal: Portal) {
    publish(&portal, "the-one").await;
    let own = format!("00-{TRACE}-{CLIENT}-01");
    assert_eq!(portal.events()[0]["traceparent"], own, "no step of ours is after the client's");
}

async fn every_service_names_the_request(wiring: Wiring) {
    let level = (
        "PORTAL_LOG".to_owned(),
        "warn,proto=debug,command_stack=debug,query_stack=debug".to_owned(),
    );
    let portal = Portal::start_with(wiring, Environment::from([level])).await;
    let published = publish(&portal, "request-of-an-author").await;
    let path = published.header("location").to_owned();
    eventually("the article", async || {
        let reading = portal.door().get_at(&path, published.position());
        let answer = Answer::of(reading.header("x-request-id", "request-of-a-reader")).await;
        assert_eq!(answer.header("x-request-id"), "request-of-a-reader");
        (answer.status == 200).then_some(())
    })
    .await;
    let of = |service: &'static str| if wiring == Wiring::Embedded { "portal" } else { service };
    for (service, request, word) in [
        ("orchestrator", "request-of-an-author", "answered"),
        ("command-stack", "request-of-an-author", "answered"),
        ("relay", "request-of-an-author", "on the bus"),
        ("query-stack-2", "request-of-an-author", "in the view"),
        ("orchestrator", "request-of-a-reader", "answered"),
        ("query-stack-2", "request-of-a-reader", "answered"),
    ] {
        eventually(&format!("{service} says {word:?} of {request}"), async || {
            let log = std::fs::read_to_string(portal.logs().join(format!("{}.log", of(service))));
            let log = log.expect("a log");
            let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines.find(|line| {
                let id = [&line["span"]["id"], &line["fields"]["correlation_id"]];
                line["fields"]["message"] == word && id.contains(&&Value::from(request))
            })
        })
        .await;
    }
}
