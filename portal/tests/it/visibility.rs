//! What the public must not see is looked for wherever the public can look.
//!
//! Every address of the door that answers a GET is in [`addresses`]: a new one that is not makes
//! the test fail, so that nobody can forget to think of it.

use crate::support::Portal;
use crate::support::http::Answer;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};

journeys! {
    both {
        what_is_not_public_is_found_nowhere
    }
}

/// A word that is in every text that the public must not see.
const SECRET: &str = "Xylophonkonzert";

struct Hidden {
    path: String,
    /// What its own address answers.
    status: u16,
}

/// The addresses to look at for one route of the door.
fn addresses(route: &str, hidden: &[Hidden]) -> Vec<String> {
    let each = |more: &str| hidden.iter().map(|one| format!("{}{more}", one.path)).collect();
    let fixed = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
    match route {
        "/" | "/v1/categories" | "/openapi.json" | "/docs" | "/health/live" | "/health/ready"
        | "/metrics" => fixed(&[route]),
        "/docs/{file}" => fixed(&["/docs/start.js"]),
        "/v1/home" => {
            fixed(&["/v1/home", "/v1/home?limit=100", "/v1/home?as_of=2999-01-01T00:00:00Z"])
        }
        // It has no end: see `what_is_not_public_is_not_told` in live.rs.
        "/v1/live" => Vec::new(),
        "/v1/events" => fixed(&["/v1/events", "/v1/events?after=3&limit=100"]),
        "/v1/news" => fixed(&[
            "/v1/news?limit=100",
            "/v1/news?tag=secret",
            "/v1/news?category=sports",
            "/v1/news?q=Xylophonkonzert",
            "/v1/news?q=xylophonkonzert&tag=secret",
            "/v1/news?byline=Xylophonkonzert",
            "/v1/news?from=1970-01-01T00:00:00Z&to=2999-01-01T00:00:00Z",
            "/v1/news?status=draft",
            "/v1/news?status=scheduled",
            "/v1/news?status=retracted",
            "/v1/news?status=archived",
        ]),
        "/v1/news/{category}" => fixed(&[
            "/v1/news/sports?limit=100",
            "/v1/news/politics",
            "/v1/news/sports?status=draft",
            "/v1/news/sports?q=xylophonkonzert",
            "/v1/news/politics?q=xylophonkonzert",
        ]),
        "/v1/news/{category}/{id}" => {
            let versions = (1..=4).flat_map(|version| each(&format!("?version={version}")));
            [each(""), versions.collect(), each("?as_of=2999-01-01T00:00:00Z")].concat()
        }
        "/v1/news/{category}/{id}/history" => each("/history"),
        "/feeds/{name}" => {
            // A second page begins anywhere, also before everything that there is.
            let after = URL_SAFE_NO_PAD
                .encode("2999-01-01T00:00:00.000Z ffffffff-ffff-ffff-ffff-ffffffffffff");
            let of =
                |feed: &str| [format!("/feeds/{feed}"), format!("/feeds/{feed}?after={after}")];
            let names = ["all", "sports", "politics"].into_iter();
            let formats = |name| ["rss", "atom", "json"].map(|format| format!("{name}.{format}"));
            names.flat_map(formats).flat_map(|feed| of(&feed)).collect()
        }
        "/sitemap-news.xml" => fixed(&[route]),
        "/v1/users" | "/v1/users/{id}" => {
            fixed(&["/v1/users", "/v1/users/00000000-0000-7000-8000-000000000000"])
        }
        "/v1/recommendations/users/{id}" | "/v1/recommendations/labels/{label}" => fixed(&[
            "/v1/recommendations/users/00000000-0000-7000-8000-000000000000",
            "/v1/recommendations/labels/secret",
        ]),
        "/v1/webhooks" | "/v1/webhooks/{id}" | "/v1/webhooks/{id}/deliveries" => fixed(&[
            "/v1/webhooks",
            "/v1/webhooks/00000000-0000-7000-8000-000000000000",
            "/v1/webhooks/00000000-0000-7000-8000-000000000000/deliveries",
        ]),
        "/.well-known/jwks.json" => fixed(&[route]),
        unknown => {
            panic!("{unknown} is a new route: say here where the public could see something")
        }
    }
}

async fn hide(portal: &Portal) -> (Vec<Hidden>, i64) {
    let text = |more: Value| {
        let mut body = json!({"title": SECRET, "summary": SECRET, "content": SECRET, "tags": ["secret"],
                              "byline": SECRET});
        body.as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        body
    };
    let begin = async |more: Value| portal.post("/v1/news/sports", text(more)).await;
    let path = |answer: &Answer| answer.header("location").to_owned();
    let later = "2999-01-01T00:00:00Z";
    let mut hidden = Vec::new();
    for unpublished in [
        json!({"status": "draft"}),
        json!({"publish_at": later}),
        json!({"embargo_until": later}),
        json!({"status": "draft", "embargo_until": later}),
    ] {
        hidden.push(Hidden { path: path(&begin(unpublished).await), status: 404 });
    }
    let act = async |path: &str, version: i64, action: &str, body: Value| {
        let done = portal.change(Method::POST, &format!("{path}/{action}"), version, body).await;
        assert_eq!(done.status, 200, "{action}: {}", done.body);
        done.position()
    };
    let archived = path(&begin(json!({"status": "draft"})).await);
    act(&archived, 1, "archive", json!({})).await;
    hidden.push(Hidden { path: archived, status: 404 });
    let moved = path(&begin(json!({"status": "draft"})).await);
    act(&moved, 1, "move", json!({"category": "politics"})).await;
    hidden.push(Hidden { path: moved.replace("sports", "politics"), status: 404 });
    hidden.push(Hidden { path: moved, status: 404 });
    let retracted = path(&begin(json!({})).await);
    let note = json!({"correction_note": SECRET, "content": "Other."});
    assert_eq!(portal.change(Method::PUT, &retracted, 1, text(note)).await.status, 200);
    let last = act(&retracted, 2, "retract", json!({"reason": "Untrue."})).await;
    hidden.push(Hidden { path: retracted, status: 410 });
    (hidden, last)
}

async fn what_is_not_public_is_found_nowhere(portal: Portal) {
    let (hidden, last) = hide(&portal).await;
    let (_, seen) = portal.publish("sports", "In the open").await;
    portal.verifies().await;
    let reader = portal.with_role("reader");
    let mut looked_at = 0;
    for route in orchestrator::query_routes() {
        for address in addresses(route, &hidden) {
            for door in [portal.door(), reader.clone()] {
                let answer = door.read(&address, seen.max(last)).await;
                let text = format!("{:?} {}", answer.headers, answer.body);
                assert!(!text.contains(SECRET), "{address}: {} {text}", answer.status);
                assert!(answer.status < 500, "{address}: {}", answer.status);
                looked_at += 1;
            }
        }
    }
    assert!(looked_at > 50, "{looked_at}");
    for Hidden { path, status } in &hidden {
        assert_eq!(portal.get(path).await.status, *status, "{path}");
        for form in ["application/ld+json", "application/ninjs+json"] {
            let request = portal.door().request(Method::GET, path).header("accept", form);
            let answer = Answer::of(request).await;
            assert_eq!(answer.status, *status, "{path} as {form}");
            assert!(!answer.body.to_string().contains(SECRET), "{path}: {}", answer.body);
        }
    }
    // The search works: what is public it finds, and the newsroom sees what the public does not.
    for list in ["/v1/news", "/v1/news?q=open"] {
        assert!(portal.get(list).await.body.to_string().contains("In the open"), "{list}");
    }
    let desk = portal.editor().get("/v1/news?status=draft").await.body.to_string();
    assert!(desk.contains(SECRET), "{desk}");
    public_views_do_not_hold_it(&portal).await;
}

/// Not filtered when it is read: not written. On the embedded stores, whose files can be read.
async fn public_views_do_not_hold_it(portal: &Portal) {
    if portal.wiring != crate::support::Wiring::Embedded {
        return;
    }
    let file = portal.data_file("views.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let mut views = sqlx::ConnectOptions::connect(&options).await.expect("the views");
    let count =
        "SELECT view LIKE 'desk%', count(*) FROM documents WHERE instr(body, $1) GROUP BY 1";
    let found: Vec<(bool, i64)> =
        sqlx::query_as(count).bind(SECRET).fetch_all(&mut views).await.expect("documents");
    assert!(matches!(found[..], [(true, 1..)]), "only the desk has it: {found:?}");
    let words = "SELECT count(*) FROM words WHERE words MATCH $1";
    let words = sqlx::query_scalar(words).bind(SECRET.to_lowercase()).fetch_one(&mut views).await;
    let words: i64 = words.expect("a count");
    assert_eq!(words, 0, "nor can it be searched for");
}
