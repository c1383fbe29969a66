//! TLS between everybody: the door, the services behind it, and the servers.

use std::path::Path;

use crate::support::certificates::Certificates;
use crate::support::stores::PrivateServers;
use crate::support::{Environment, Portal, Wiring, eventually};
use axum::body::{Body, to_bytes};
use axum::http::Request;
use orchestrator::upstream::{Protocol, Trust, Upstream};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SERVICES: [&str; 5] =
    ["command-stack", "relay", "query-stack-1", "query-stack-2", "orchestrator"];

/// Servers and services with certificates of one authority.
async fn with_tls(certificates: &Certificates) -> (PrivateServers, Portal) {
    let folder = Some(certificates.folder());
    let servers = PrivateServers::up_with(&["postgres", "rabbitmq", "mongodb"], folder);
    let mut environment = servers.migrated_stores().await;
    environment.extend(settings(certificates));
    let portal = Portal::start_on(Wiring::Servers, environment);
    (servers, portal)
}

fn settings(certificates: &Certificates) -> Environment {
    [("PORTAL_TLS_CERT", "cert.pem"), ("PORTAL_TLS_KEY", "key.pem"), ("PORTAL_TLS_CA", "ca.pem")]
        .map(|(name, file)| (name.to_owned(), certificates.file(file)))
        .into()
}

/// What the door answers to a client that believes this authority.
async fn ask(portal: &Portal, authority: &str, path: &str, post: Option<Value>) -> (u16, Value) {
    let trust = Trust::in_authorities(Path::new(authority)).expect("an authority");
    let door = Upstream::at("door", &portal.url("orchestrator", ""), Protocol::Http1, &trust);
    let request = match post {
        None => Request::get(path).body(Body::empty()),
        Some(body) => {
            let token = portal.tool(&["token", "--role", "editor"]);
            let request = Request::post(path).header("content-type", "application/json");
            request
                .header("authorization", format!("Bearer {}", token.trim()))
                .body(body.to_string().into())
        }
    };
    let answer = door.expect("an address").send(request.expect("a request")).await;
    let answer = answer.expect("an answer by TLS");
    let status = answer.status().as_u16();
    let body = to_bytes(answer.into_body(), 1 << 20).await.expect("a body");
    (status, serde_json::from_slice(&body).expect("JSON"))
}

/// `portal health` for a running service: its exit code, and what it says.
fn health(portal: &Portal, service: &str) -> (Option<i32>, String) {
    let url = portal.url(service, "");
    let (_, address) = url.split_once("://").expect("an address");
    let output = portal.run(&["health", "--listen", address]);
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_speaks_tls_with_everybody() {
    let certificates = Certificates::new();
    let (_servers, portal) = with_tls(&certificates).await;
    let ca = certificates.file("ca.pem");
    for service in SERVICES {
        assert!(portal.url(service, "").starts_with("https://"), "{service}");
        eventually("every service is ready", async || {
            (health(&portal, service).0 == Some(0)).then_some(())
        })
        .await;
        no_answer_without_tls(&portal, service).await;
    }
    let article = json!({"title": "Sealed", "content": "Text."});
    let (status, article) = ask(&portal, &ca, "/v1/news/sports", Some(article)).await;
    assert_eq!(status, 201, "{article}");
    let path = format!("/v1/news/sports/{}", article["id"].as_str().expect("an id"));
    eventually("the article in its view", async || {
        (ask(&portal, &ca, &path, None).await.0 == 200).then_some(())
    })
    .await;
    portal.verifies().await;
    let mut session = PgConnection::connect(&portal.environment["PORTAL_EVENT_LOG"]).await;
    let plain = "SELECT count(*) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) \
                 WHERE datname = current_database() AND NOT ssl";
    let plain = sqlx::query_scalar::<_, i64>(plain).fetch_one(session.as_mut().expect("a session"));
    assert_eq!(plain.await.expect("a count"), 0, "all of them by TLS");
}

/// Somebody without TLS gets an alert of TLS or nothing, and the service goes on.
async fn no_answer_without_tls(portal: &Portal, service: &str) {
    let url = portal.url(service, "");
    let address = url.trim_start_matches("https://");
    let mut plain = TcpStream::connect(address).await.expect("a connection");
    let request = b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n";
    plain.write_all(request).await.expect("sent");
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "{service}: {}", String::from_utf8_lossy(&answer));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_shows_a_certificate_of_another_authority_is_not_believed() {
    let (certificates, others) = (Certificates::new(), Certificates::new());
    let (_servers, mut portal) = with_tls(&certificates).await;
    let (ca, other) = (certificates.file("ca.pem"), others.file("ca.pem"));
    eventually("the door to answer", async || {
        (ask(&portal, &ca, "/v1/home", None).await.0 == 200).then_some(())
    })
    .await;

    // The door does not believe the services.
    assert_eq!(portal.terminate("orchestrator"), Some(0));
    portal.environment.insert("PORTAL_TLS_CA".to_owned(), other.clone());
    portal.spawn("orchestrator");
    assert_eq!(ask(&portal, &ca, "/v1/home", None).await.0, 503);
    assert!(portal.logged().contains("invalid peer certificate"), "{}", portal.logged());

    // A service does not believe the servers.
    let believing = portal.environment.clone();
    for (variable, service, option) in [
        ("PORTAL_EVENT_LOG", "relay", "sslrootcert"),
        ("PORTAL_BUS", "relay", "cacertfile"),
        ("PORTAL_VIEW_STORE", "query-stack-1", "tlsCAFile"),
    ] {
        assert_eq!(portal.terminate(service), Some(0));
        let url = believing[variable].replace(&ca, &other);
        assert!(url.contains(&format!("{option}={other}")), "{url}");
        let before = portal.logged().len();
        portal.environment.insert(variable.to_owned(), url);
        portal.spawn(service);
        let (code, text) = health(&portal, service);
        assert!(code == Some(1) && text.starts_with("not ready"), "{variable}: {text}");
        eventually("the reason in the log", async || {
            portal.logged()[before..].contains("invalid peer certificate").then_some(())
        })
        .await;
        portal.environment.clone_from(&believing);
    }

    // The health of a service is asked of this very one, whatever name its certificate is for.
    portal.environment.insert("PORTAL_TLS_CERT".to_owned(), others.file("cert.pem"));
    portal.environment.insert("PORTAL_TLS_KEY".to_owned(), others.file("key.pem"));
    let (code, text) = health(&portal, "command-stack");
    assert!(code == Some(1) && text.contains("certificate"), "{text}");
}

#[test]
fn certificates_and_keys_that_cannot_be_used_are_named() {
    let (certificates, others) = (Certificates::new(), Certificates::new());
    let nothing = Portal::not_started(Wiring::Embedded, Environment::new());
    let (cert, key) = (certificates.file("cert.pem"), certificates.file("key.pem"));
    let (another, missing) = (others.file("key.pem"), certificates.file("none.pem"));
    for (arguments, word) in [
        (["--tls-cert", &cert, "--tls-key", &another], "do not belong together"),
        (["--tls-cert", &missing, "--tls-key", &key], "--tls-cert"),
        (["--tls-cert", &cert, "--tls-key", &missing], "--tls-key"),
        (["--tls-cert", &key, "--tls-key", &key], "--tls-cert"),
        (["--tls-cert", &cert, "--listen", "127.0.0.1:0"], "--tls-key"),
    ] {
        let output = nothing.run(&arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains(word), "{arguments:?}: {error}");
    }
}
