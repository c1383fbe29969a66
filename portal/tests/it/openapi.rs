//! The OpenAPI document is complete, and true: programs of others that read it find the portal that
//! it describes.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::checkers::check;
use crate::support::{Portal, Wiring, by_depth};

/// The methods that a router can be given.
const METHODS: [&str; 5] = ["get", "post", "put", "delete", "patch"];

/// `.route("/v1/front/{category}", put(pin))`, wherever the command-stack says so.
fn command_routes() -> BTreeSet<(String, &'static str)> {
    let http = Path::new(env!("CARGO_MANIFEST_DIR")).join("../command-stack/src/http");
    let files = std::fs::read_dir(http).expect("a folder").map(|file| file.expect("a file").path());
    let files = files.filter(|file| file.extension().is_some_and(|kind| kind == "rs"));
    let mut routes = BTreeSet::new();
    for file in files {
        let code = std::fs::read_to_string(&file).expect("a text");
        for route in code.split(".route(").skip(1) {
            let mut quoted = route.splitn(3, '"').skip(1);
            let (path, rest) = quoted.next().zip(quoted.next()).expect("a path");
            let handlers = rest.split(';').next().unwrap_or_default();
            let of = |method: &&str| {
                let call = format!("{method}(");
                handlers.contains(&format!(" {call}")) || handlers.contains(&format!(".{call}"))
            };
            routes.extend(METHODS.into_iter().filter(of).map(|method| (path.to_owned(), method)));
        }
    }
    routes
}

#[tokio::test]
async fn every_route_is_in_the_document_and_nothing_else_is() {
    let portal = Portal::start(Wiring::Embedded).await;
    let document = portal.get("/openapi.json").await.body;
    assert_eq!(document["openapi"], "3.1.0");
    let queries = orchestrator::query_routes().into_iter().map(|path| (path.to_owned(), "get"));
    let commands = command_routes();
    assert!(commands.len() > 20, "{commands:?}");
    let routes: BTreeSet<_> = commands.into_iter().chain(queries).collect();
    let paths = document["paths"].as_object().expect("paths");
    let told = paths.iter().flat_map(|(path, methods)| {
        METHODS.into_iter().filter(|it| methods[it].is_object()).map(|it| (path.clone(), it))
    });
    let told: BTreeSet<_> = told.collect();
    let missing: Vec<_> = routes.difference(&told).collect();
    assert!(
        missing.is_empty(),
        "not in /openapi.json: {missing:?}. A query is told in orchestrator/src/openapi.rs, a \
         command in command-stack/src/http/openapi.rs"
    );
    let gone: Vec<_> = told.difference(&routes).collect();
    assert!(gone.is_empty(), "in /openapi.json, and no route: {gone:?}");
}

#[tokio::test]
async fn the_page_to_try_it_on_needs_no_other_host() {
    let portal = Portal::start(Wiring::Embedded).await;
    let page = portal.get("/docs").await;
    assert!(page.header("content-type").starts_with("text/html"));
    let html = page.body.as_str().expect("a page").to_owned();
    let quoted = |name: &str| {
        let after = format!("{name}=\"");
        let all = html.split(after.as_str()).skip(1);
        all.filter_map(|rest| rest.split('"').next().map(str::to_owned)).collect::<Vec<_>>()
    };
    let loaded: Vec<_> = [quoted("src"), quoted("href")].concat();
    let files: Vec<_> = loaded.iter().filter(|address| *address != "data:,").collect();
    assert_eq!(files.len(), 3, "{loaded:?}");
    assert_eq!(html.matches("<script").count(), quoted("src").len(), "no script in the page");
    for address in files {
        assert!(address.starts_with("/docs/"), "{address}");
        let file = portal.get(address).await;
        assert_eq!(file.status, 200, "{address}");
        let text = file.body.as_str().expect("a text");
        // What the bundle has in texts and comments it does not load: its policy is below.
        if address.ends_with("start.js") {
            assert!(!text.contains("//") || text.matches("//").count() == 1, "{text}");
        }
        for image in text.split("url(").skip(1).filter(|_| address.ends_with(".css")) {
            assert!(image.trim_start_matches(['"', '\'']).starts_with("data:"), "{image:.60}");
        }
        assert_eq!(file.header("x-content-type-options"), "nosniff");
    }
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    for directive in policy.split("; ").map(|it| it.split(' ').skip(1)) {
        for source in directive {
            assert!(["'none'", "'self'", "data:"].contains(&source), "{source} in {policy}");
        }
    }
    let document = portal.get("/openapi.json").await.body;
    assert_eq!(document["servers"][0]["url"], "/");
    assert!(!document.to_string().contains("://"), "the document names another host");
    portal.get("/docs/swagger-ui.css.map").await.is_problem(404, "not-found");
}

/// Requests that schemathesis makes up from the document, good and bad ones: no failure, no status
/// that was not told, every refusal a problem, every answer as its schema says. Each role has its
/// own test, so that they run side by side.
async fn is_as_told_to(role: &str, phases: &str) {
    let portal = Portal::start(Wiring::Embedded).await;
    let token = match role {
        "nobody" => String::new(),
        role => portal.tool(&["token", "--role", role]),
    };
    check("fuzz.py", &[&portal.url("portal", ""), "--phases", phases], &token);
    portal.verifies().await;
}

#[tokio::test]
async fn the_portal_is_as_told_to_editors() {
    is_as_told_to("editor", by_depth("fuzzing,stateful", "coverage,fuzzing,stateful")).await;
}

mod thorough {
    use super::is_as_told_to;

    /// Every edge of every parameter, at random, and one call after the other.
    const EVERYTHING: &str = "coverage,fuzzing,stateful";
    /// For roles that get only what other roles get as well.
    const AT_RANDOM: &str = "fuzzing,stateful";

    #[tokio::test]
    async fn the_portal_is_as_told_to_who_is_not_signed_in() {
        is_as_told_to("nobody", EVERYTHING).await;
    }

    #[tokio::test]
    async fn the_portal_is_as_told_to_readers() {
        is_as_told_to("reader", AT_RANDOM).await;
    }

    #[tokio::test]
    async fn the_portal_is_as_told_to_authors() {
        is_as_told_to("author", AT_RANDOM).await;
    }

    #[tokio::test]
    async fn the_portal_is_as_told_to_admins() {
        is_as_told_to("admin", EVERYTHING).await;
    }
}

#[tokio::test]
async fn a_client_that_is_generated_does_a_days_work() {
    let portal = Portal::start(Wiring::Embedded).await;
    let admin = portal.tool(&["token", "--role", "admin"]);
    check("client.py", &[&portal.url("portal", "")], &admin);
    portal.verifies().await;
}
