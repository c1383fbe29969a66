//! Accounts, sessions and erasure, over HTTP, on both wirings.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use crate::support::accounts::{Account, refresh};
use crate::support::http::Answer;
use crate::support::stores::PrivateServers;
use crate::support::{Environment, Portal, Wiring, eventually};
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

journeys! {
    both {
        an_account_is_opened_changed_and_only_its_owners_business
        one_address_is_one_account_however_many_ask_at_once
        keys_are_rotated_without_signing_anybody_out
    }
    embedded {
        a_session_goes_on_until_it_is_ended
        a_refresh_token_that_is_used_twice_ends_its_session
        after_five_failures_within_a_minute_an_address_has_to_wait
        an_admin_gives_and_takes_roles
    }
}

async fn an_account_is_opened_changed_and_only_its_owners_business(portal: Portal) {
    let mut ada = portal.register("Ada", "Ada@example.org").await;
    let eve = portal.register("Eve", "eve@example.org").await;
    let own = eventually("the own account", async || {
        let own = ada.door.get(&ada.path).await;
        (own.status == 200).then_some(own)
    });
    let own = own.await.body;
    assert_eq!((&own["name"], &own["email"]), (&json!("Ada"), &json!("Ada@example.org")));
    assert_eq!(own["roles"], json!(["reader"]));
    portal.get(&ada.path).await.is_problem(401, "unauthenticated");
    eve.door.get(&ada.path).await.is_problem(403, "forbidden");

    let profile = json!({"name": "Ada L.", "email": "lovelace@example.org"});
    let without = ada.door.request(Method::PUT, &ada.path).json(&profile);
    Answer::of(without).await.is_problem(428, "precondition-required");
    eve.door.change(Method::PUT, &ada.path, 1, profile.clone()).await.is_problem(403, "forbidden");
    let taken = json!({"name": "Ada", "email": "EVE@example.org"});
    ada.door.change(Method::PUT, &ada.path, 1, taken).await.is_problem(409, "email-taken");
    let changed = ada.door.change(Method::PUT, &ada.path, 1, profile).await;
    assert_eq!((changed.status, &changed.body["version"]), (200, &json!(3)), "{}", changed.body);
    let read = ada.door.read(&ada.path, changed.position()).await;
    assert_eq!(
        (&read.body["name"], &read.body["email"]),
        (&json!("Ada L."), &json!("lovelace@example.org"))
    );
    assert_eq!(ada.signs_in().await.status, 401, "the old address");
    ada.email = "lovelace@example.org".to_owned();
    assert_eq!(ada.signs_in().await.status, 201);

    let password = format!("{}/password", ada.path);
    let without = ada.door.post(&password, json!({"password": "another one"})).await;
    without.is_problem(422, "invalid-fields");
    let wrong = json!({"password": "another one", "current_password": "a guess"});
    ada.door.post(&password, wrong).await.is_problem(422, "invalid-fields");
    let right = json!({"password": "another one", "current_password": ada.password});
    let change = || {
        let request = ada.door.request(Method::POST, &password).json(&right);
        Answer::of(request.header("idempotency-key", "once"))
    };
    assert_eq!((change().await.status, change().await.status), (204, 204));
    assert_eq!(ada.refreshes().await.status, 401, "all sessions have ended");
    assert_eq!(ada.signs_in().await.status, 401, "the old password");
    ada.password = "another one".to_owned();
    assert_eq!(ada.signs_in().await.status, 201);

    let log = portal.tool(&["events", "--json"]);
    for secret in ["Ada", "Eve", "example.org", "argon2", "another one"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    portal.verifies().await;
}

async fn one_address_is_one_account_however_many_ask_at_once(portal: Portal) {
    let door = portal.door();
    let ask = |number| {
        let email = if number % 2 == 0 { "one@example.org" } else { "ONE@EXAMPLE.ORG" };
        let body = json!({"name": format!("N{number}"), "email": email, "password": "long enough"});
        // More passwords at once than the machine can hash: some callers are asked to come back.
        Answer::of_patient(door.request(Method::POST, "/v1/users").json(&body))
    };
    let mut statuses: Vec<_> = join_all((0..20).map(ask)).await.iter().map(|a| a.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses[0], 201);
    assert!(statuses[1..].iter().all(|status| *status == 409), "{statuses:?}");
    assert_eq!(portal.events().len(), 1);

    let wrong = json!({"name": "", "email": "nobody", "password": "short"});
    let wrong = door.post("/v1/users", wrong).await;
    assert_eq!(wrong.body["errors"].as_array().map(Vec::len), Some(3), "{}", wrong.body);
}

async fn a_session_goes_on_until_it_is_ended(portal: Portal) {
    let mut ada = portal.register("Ada", "ada@example.org").await;
    let session = ada.signs_in().await;
    assert_eq!(
        (&session.body["token_type"], &session.body["expires_in"]),
        (&json!("Bearer"), &json!(600))
    );
    assert_eq!(session.header("cache-control"), "no-store");
    let refreshed = ada.refreshes().await;
    assert_eq!(refreshed.status, 200, "{}", refreshed.body);
    ada.takes(&refreshed);
    // A token that is not good any more is no obstacle to getting a new one.
    let stale = portal.with_token("stale");
    for path in ["/v1/sessions/refresh", "/v1/sessions"] {
        let answer = stale.post(path, json!({})).await;
        assert_ne!(answer.body["detail"], "the access token is not valid", "{path}");
    }
    let kept = stale.request(Method::POST, "/v1/sessions/refresh");
    let kept = Answer::of(kept.json(&json!({"refresh_token": ada.refresh_token}))).await;
    assert_eq!(kept.status, 200, "{}", kept.body);
    ada.takes(&kept);
    assert_eq!(ada.door.delete("/v1/sessions").await.status, 204);
    ada.refreshes().await.is_problem(401, "unauthenticated");
    // The other session is another one.
    ada.takes(&session);
    assert_eq!(ada.refreshes().await.status, 200);
    portal.door().delete("/v1/sessions").await.is_problem(401, "unauthenticated");
    assert_eq!(portal.editor().delete("/v1/sessions").await.status, 204, "of no session");
    refresh(&portal.door(), "nonsense").await.is_problem(401, "unauthenticated");
    let nobody = json!({"email": "nobody@example.org", "password": "long enough"});
    let nobody = portal.door().post("/v1/sessions", nobody).await;
    ada.password = "wrong".to_owned();
    let wrong = ada.signs_in().await;
    assert_eq!((wrong.status, &wrong.body), (nobody.status, &nobody.body), "nothing is given away");
}

async fn a_refresh_token_that_is_used_twice_ends_its_session(portal: Portal) {
    let ada = portal.register("Ada", "ada@example.org").await;
    let thief = ada.refresh_token.clone();
    let newest = ada.refreshes().await;
    assert_eq!(newest.status, 200);
    refresh(&portal.door(), &thief).await.is_problem(401, "unauthenticated");
    let newest = newest.body["refresh_token"].as_str().expect("a token");
    refresh(&portal.door(), newest).await.is_problem(401, "unauthenticated");
    assert!(portal.logged().contains("used twice"), "{}", portal.logged());
    // Who has the right password is let in, also many times at once.
    let tries = (0..10).map(|_| ada.signs_in());
    assert!(join_all(tries).await.iter().all(|answer| answer.status == 201));
}

async fn after_five_failures_within_a_minute_an_address_has_to_wait(portal: Portal) {
    let mut ada = portal.register("Ada", "ada@example.org").await;
    let right = std::mem::replace(&mut ada.password, "a guess".to_owned());
    for _ in 0..5 {
        ada.signs_in().await.is_problem(401, "unauthenticated");
    }
    ada.password = right;
    let throttled = ada.signs_in().await;
    throttled.is_problem(429, "too-many-attempts");
    let seconds: u32 = throttled.header("retry-after").parse().expect("seconds");
    assert!((1..=60).contains(&seconds), "{seconds}");
    portal.register("Eve", "eve@example.org").await;
    let logged = portal.logged();
    assert!(logged.contains("too many failed attempts") && logged.contains(&ada.id), "{logged}");
    assert!(!logged.contains("example.org") && !logged.contains("a guess"), "{logged}");
}

async fn keys_are_rotated_without_signing_anybody_out(portal: Portal) {
    let kids = async || {
        let keys = portal.get("/.well-known/jwks.json").await.body;
        let kid = |key: &Value| key["kid"].as_str().expect("a kid").to_owned();
        keys["keys"].as_array().expect("keys").iter().map(kid).collect::<BTreeSet<_>>()
    };
    let before = kids().await;
    let old = portal.editor();
    let new_kid = portal.tool(&["rotate-signing-key"]).trim().to_owned();
    let new = portal.with_role("editor");
    for door in [&old, &new] {
        let draft = json!({"title": "T", "content": "C", "status": "draft"});
        let drafted = door.post("/v1/news/sports", draft).await;
        assert_eq!(drafted.status, 201, "{}", drafted.body);
        // The door reads tokens as well.
        assert_eq!(door.read(drafted.header("location"), drafted.position()).await.status, 200);
    }
    let after = kids().await;
    assert!(after.is_superset(&before) && after.contains(&new_kid) && after.len() == 2);
    let stranger = Portal::not_started(Wiring::Embedded, Environment::new());
    let foreign = portal.with_token(stranger.tool(&["token", "--role", "admin"]).trim());
    foreign.get("/v1/users").await.is_problem(401, "unauthenticated");
    foreign.post("/v1/news/sports", json!({})).await.is_problem(401, "unauthenticated");
}

async fn an_admin_gives_and_takes_roles(portal: Portal) {
    let ada = portal.register("Ada", "ada@example.org").await;
    let roles = format!("{}/roles", ada.path);
    let body = json!({"roles": ["editor", "admin"]});
    ada.door.change(Method::PUT, &roles, 1, body.clone()).await.is_problem(403, "forbidden");
    let unknown = json!({"roles": ["king"]});
    let admin = portal.with_role("admin");
    admin.change(Method::PUT, &roles, 1, unknown).await.is_problem(422, "invalid-fields");
    let given = admin.change(Method::PUT, &roles, 1, body).await;
    assert_eq!(given.body["roles"], json!(["reader", "editor", "admin"]));
    portal.register("Eve", "eve@example.org").await;
    let all = admin.read("/v1/users?limit=1", given.position() + 1).await;
    assert_eq!(all.body["items"][0]["name"], "Eve", "{}", all.body);
    let next = all.body["next"].as_str().expect("a next page");
    let rest = admin.get(&format!("/v1/users?after={next}")).await;
    assert_eq!(rest.body["items"][0]["name"], "Ada", "{}", rest.body);
    assert_eq!(rest.body["next"], Value::Null);
    ada.door.get("/v1/users").await.is_problem(403, "forbidden");
}

#[tokio::test]
async fn of_an_erased_user_nothing_is_left_in_the_embedded_stores() {
    let mut portal = Portal::start(Wiring::Embedded).await;
    let ada = forget_ada(&portal).await;
    assert_eq!(portal.terminate("portal"), Some(0));
    let key = ada.3.clone().expect("a key");
    for name in ["events.db", "events.db-wal", "views.db", "views.db-wal"] {
        let bytes = std::fs::read(portal.data_file(name)).unwrap_or_default();
        assert!(!bytes.windows(key.len()).any(|part| part == key), "the key is in {name}");
    }
    nothing_is_left(&[portal.data_file("")], &portal.logged());
    portal.spawn("portal");
    still_works(&portal, &ada).await;
}

#[tokio::test]
async fn of_an_erased_user_nothing_is_left_at_the_servers() {
    let servers = PrivateServers::up(&[]);
    let mut portal = Portal::start_on(Wiring::Servers, servers.migrated_stores().await);
    let ada = forget_ada(&portal).await;
    for service in portal.service_names() {
        assert_eq!(portal.terminate(service), Some(0), "{service}");
    }
    for server in ["postgres", "rabbitmq", "mongodb"] {
        servers.stop(server);
    }
    nothing_is_left(&[servers.folder(), portal.data_file("")], &portal.logged());
    for server in ["postgres", "rabbitmq", "mongodb"] {
        servers.start(server);
    }
    portal.spawn_all();
    still_works(&portal, &ada).await;
}

const NAME: &str = "Adelheid Zwetschgenbaum";
const EMAIL: &str = "zwetschgenbaum@example.org";

/// Who it was, an article, a draft, and the key if it could be read.
type Forgotten = (Account, String, String, Option<Vec<u8>>);

/// The key of a user, from the file of the embedded log.
async fn key_of(portal: &Portal, user: &str) -> Option<Vec<u8>> {
    if portal.wiring != Wiring::Embedded {
        return None;
    }
    let options = SqliteConnectOptions::new().filename(portal.data_file("events.db"));
    let mut log = options.connect().await.expect("the log");
    let query = sqlx::query_scalar("SELECT key FROM user_keys WHERE user_id = $1").bind(user);
    query.fetch_optional(&mut log).await.expect("the keys")
}

/// An author who wrote, was read, and is erased.
async fn forget_ada(portal: &Portal) -> Forgotten {
    let ada = portal.register_as("author", NAME, EMAIL).await;
    let body =
        json!({"title": "Kept for ever", "content": "Text.", "byline": NAME, "status": "draft"});
    let article =
        ada.door.post("/v1/news/sports", body.clone()).await.header("location").to_owned();
    let draft = ada.door.post("/v1/news/sports", body).await.header("location").to_owned();
    let publish = format!("{article}/publish");
    let published = portal.change(Method::POST, &publish, 1, json!({})).await;
    let read = portal.get_at(&article, published.position()).await;
    assert_eq!(read.body["byline"], NAME);
    let own = ada.door.read(&ada.path, published.position()).await;
    assert_eq!((&own.body["name"], &own.body["email"]), (&json!(NAME), &json!(EMAIL)));
    portal.verifies().await;

    let key = key_of(portal, &ada.id).await;
    let erased = ada.door.delete(&ada.path).await;
    assert_eq!(erased.status, 204, "{}", erased.body);
    let former = async |path: &str| {
        eventually("a former contributor", async || {
            let answer = portal.get(path).await;
            (answer.body["byline"] == "former contributor").then_some(())
        })
        .await;
    };
    former(&article).await;
    former(&format!("{article}?version=2")).await;
    let archived = eventually("the draft is archived", async || {
        let answer = portal.editor().get(&draft).await;
        (answer.body["status"] == "archived").then_some(answer)
    });
    assert_eq!(archived.await.body["byline"], "former contributor");
    assert_eq!(ada.signs_in().await.status, 401);
    assert_eq!(ada.refreshes().await.status, 401);
    // The access token lives on for minutes, and brings nothing of hers back.
    let again = json!({"title": "T", "content": "C", "byline": NAME, "status": "draft"});
    ada.door.post("/v1/news/sports", again).await.is_problem(401, "unauthenticated");
    // Nor does an editor who read the article before.
    let sent_back = json!({"title": "Kept for ever", "content": "Text.", "byline": NAME,
                           "correction_note": "Why."});
    let sent_back = portal.change(Method::PUT, &article, 2, sent_back).await;
    sent_back.is_problem(422, "invalid-fields");
    assert_eq!(sent_back.body["errors"][0]["pointer"], "/byline");
    let corrected = json!({"title": "Kept for ever", "content": "Text!", "correction_note": "Why.",
                           "byline": "former contributor"});
    let corrected = portal.change(Method::PUT, &article, 2, corrected).await;
    assert_eq!(corrected.body["byline"], "former contributor", "{}", corrected.body);
    portal.with_role("admin").read(&ada.path, erased.position()).await.is_problem(404, "not-found");
    portal.verifies().await;
    (ada, article, draft, key)
}

async fn still_works(portal: &Portal, (ada, article, draft, _): &Forgotten) {
    portal.verifies().await;
    portal.tool(&["replay"]);
    portal.verifies().await;
    assert_eq!(portal.get(article).await.body["byline"], "former contributor");
    portal.get(draft).await.is_problem(404, "not-found");
    // The address is free, and who takes it is somebody else.
    let next = portal.register("Somebody else", &ada.email).await;
    assert_ne!(next.id, ada.id);
}

/// Searches every file, whatever it is. That the search works, an article's title shows.
fn nothing_is_left(folders: &[PathBuf], logged: &str) {
    assert_ne!(files_with("Kept for ever", folders), "", "the search finds what is there");
    for personal in [NAME, EMAIL, "Zwetschgenbaum"] {
        assert_eq!(files_with(personal, folders), "", "{personal} is in a file");
    }
    assert!(!logged.to_lowercase().contains("zwetschgenbaum"), "{logged}");
}

fn files_with(text: &str, folders: &[PathBuf]) -> String {
    let mut grep = Command::new("grep");
    grep.args(["--recursive", "--text", "--fixed-strings", "--ignore-case", "-l", text]);
    let output = grep.args(folders).output().expect("grep");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
