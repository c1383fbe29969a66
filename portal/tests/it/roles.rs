//! Each service with the rights of its role in PostgreSQL, and no others.

use std::path::Path;
use std::process::Command;

use crate::support::stores::{fresh_stores, required};
use crate::support::{Environment, Portal, Wiring, eventually};
use serde_json::json;
use serde_yaml_ng::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

const USERS: [(&str, &str); 4] = [
    ("command-stack", "command-stack"),
    ("relay", "relay"),
    ("query-stack-1", "query-stack"),
    ("query-stack-2", "query-stack"),
];

/// The address of the event log for another user of PostgreSQL.
fn event_log(environment: &Environment, user: &str) -> String {
    environment["PORTAL_EVENT_LOG"].replacen("//portal@", &format!("//{user}:portal@"), 1)
}

/// Makes the users as docker-compose.yml does it.
fn make_users(environment: &Environment) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docker-compose.yml");
    let text = std::fs::read_to_string(file).expect("docker-compose.yml");
    let compose: Value = serde_yaml_ng::from_str(&text).expect("YAML");
    let script = compose["services"]["logins"]["entrypoint"][2].as_str().expect("a script");
    let url = environment["PORTAL_EVENT_LOG"].strip_prefix("postgres://portal@").expect("a URL");
    let (server, database) = url.split_once('/').expect("a database");
    let (host, port) = server.split_once(':').expect("a port");
    let mut command = Command::new("bash");
    command.args(["-euc", script]).env("PGUSER", "portal").env("PGDATABASE", database);
    command.env("PGHOST", host).env("PGPORT", port);
    for variable in ["COMMAND_STACK_PASSWORD", "RELAY_PASSWORD", "QUERY_STACK_PASSWORD"] {
        command.env(variable, "portal");
    }
    let output = command.output().expect("psql");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A portal of which every service has a user of its own.
async fn portal_with_users() -> Portal {
    let mut portal = Portal::not_started(Wiring::Servers, fresh_stores(&required).await);
    portal.tool(&["migrate"]);
    make_users(&portal.environment);
    make_users(&portal.environment);
    for (service, user) in USERS {
        let url = event_log(&portal.environment, user);
        let own = Environment::from([("PORTAL_EVENT_LOG".to_owned(), url)]);
        portal.of_service.insert(service, own);
    }
    portal.spawn_all();
    portal
}

#[tokio::test(flavor = "multi_thread")]
async fn every_service_does_its_work_with_the_rights_of_its_role() {
    let mut portal = portal_with_users().await;
    let (article, position) = portal.publish("sports", "By a user of its own").await;
    let path = format!("/v1/news/sports/{}", article["id"].as_str().expect("an id"));
    assert_eq!(portal.get_at(&path, position).await.status, 200);

    // Everything that touches a table: an account, its sessions, its end.
    let ada = json!({"name": "Ada", "email": "ada@example.org", "password": "correct horse"});
    let user = portal.post("/v1/users", ada.clone()).await;
    assert_eq!(user.status, 201, "{}", user.body);
    let sign_in = json!({"email": "ada@example.org", "password": "correct horse"});
    let wrong = json!({"email": "ada@example.org", "password": "wrong horse"});
    portal.door().post("/v1/sessions", wrong).await.is_problem(401, "unauthenticated");
    let session = portal.door().post("/v1/sessions", sign_in).await;
    assert_eq!(session.status, 201, "{}", session.body);
    let refresh = json!({"refresh_token": session.body["refresh_token"]});
    let session = portal.door().post("/v1/sessions/refresh", refresh).await;
    assert!(session.status < 300, "{}", session.body);
    let admin = portal.with_role("admin");
    let read = admin.read(user.header("location"), user.position()).await;
    assert_eq!((read.status, &read.body["name"]), (200, &json!("Ada")));
    let erased = admin.delete(user.header("location")).await;
    assert_eq!(erased.status, 204, "{}", erased.body);

    // A subscription, and what became of a delivery: nobody is there to take it.
    let nobody = json!({"url": "https://localhost:9/", "after": 0});
    let webhook = admin.post("/v1/webhooks", nobody).await;
    assert_eq!(webhook.status, 201, "{}", webhook.body);
    let path = webhook.header("location");
    eventually("a delivery that was tried", async || {
        let tried = admin.get(&format!("{path}/deliveries")).await.body;
        tried["items"].get(0).map(drop)
    })
    .await;
    assert_eq!(admin.delete(path).await.status, 204);

    portal.verifies().await;
    let log = portal.logged();
    assert!(!log.contains("permission denied"), "{log}");
    // The tools that only look, and the one that rebuilds, need no more than the query-stack.
    let own = event_log(&portal.environment, "query-stack");
    portal.environment.insert("PORTAL_EVENT_LOG".to_owned(), own);
    portal.verifies().await;
    portal.tool(&["replay"]);
    portal.verifies().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_service_may_do_what_is_not_its_work() {
    let portal = Portal::start(Wiring::Servers).await;
    portal.publish("sports", "Kept").await;
    let mut owner = connect(&portal, "portal").await;
    // Of nobody else, so that this can run beside the other test.
    let name = |role: &str| format!("{role}_{}", uuid::Uuid::now_v7().simple());
    let changes = [
        "UPDATE events SET data = '{}'",
        "DELETE FROM events",
        "TRUNCATE events",
        "TRUNCATE events CASCADE",
        "INSERT INTO events SELECT * FROM events",
        "ALTER TABLE events DISABLE TRIGGER ALL",
        "DROP TABLE events",
        "CREATE TABLE stray (a int)",
        "SET ROLE portal",
        "DELETE FROM commands",
        "SELECT * FROM _sqlx_migrations",
    ];
    let accounts = [
        "passwords",
        "email_claims",
        "refresh_tokens",
        "sign_in_attempts",
        "commands",
        "webhooks",
        "webhook_deliveries",
    ];
    let accounts = accounts.map(|table| format!("SELECT * FROM {table}"));
    let append = "SELECT * FROM append_events('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', \
                  '{}', '{}', '{}', '{}', '{}', '{}')";
    let checkpoint = "UPDATE relay_checkpoint SET position = 0";
    let keys = "SELECT * FROM user_keys";
    let no_key = ["DELETE FROM user_keys", "INSERT INTO user_keys VALUES ('a', '')", append];
    let accounts: Vec<_> = accounts.iter().map(String::as_str).collect();
    for (role, refused, allowed) in [
        ("portal_commands", vec![checkpoint], vec![append, keys]),
        ("portal_relay", [&accounts[..], &no_key, &[keys]].concat(), vec![checkpoint]),
        ("portal_query", [&accounts[..], &no_key, &[checkpoint]].concat(), vec![keys]),
    ] {
        let user = name(role);
        execute(&mut owner, &format!("CREATE ROLE {user} LOGIN IN ROLE {role}"))
            .await
            .expect("a user");
        let mut session = connect(&portal, &user).await;
        for statement in changes.iter().chain(&refused) {
            let error = execute(&mut session, statement).await.expect_err(statement);
            let code = error.as_database_error().and_then(|error| error.code());
            assert_eq!(code.as_deref(), Some("42501"), "{role}: {statement}: {error}");
        }
        for statement in allowed.iter().chain(&["SELECT * FROM events"]) {
            let done = execute(&mut session, statement).await;
            assert!(done.is_ok(), "{role}: {statement}: {done:?}");
        }
        session.close().await.expect("closed");
        execute(&mut owner, &format!("DROP ROLE {user}")).await.expect("no user");
    }
    portal.verifies().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_create_roles_is_told_what_to_do() {
    // On a server where there are none yet.
    let servers = crate::support::stores::PrivateServers::up(&["postgres"]);
    let mut portal = Portal::not_started(Wiring::Servers, servers.fresh_stores().await);
    let mut owner = connect(&portal, "portal").await;
    let database = portal.environment["PORTAL_EVENT_LOG"].rsplit_once('/').expect("a name").1;
    for statement in
        ["CREATE ROLE plain LOGIN".to_owned(), format!("ALTER DATABASE {database} OWNER TO plain")]
    {
        execute(&mut owner, &statement).await.expect("prepared");
    }
    let own = event_log(&portal.environment, "plain");
    portal.environment.insert("PORTAL_EVENT_LOG".to_owned(), own);
    let refused = portal.run(&["migrate"]);
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && error.contains("CREATE ROLE portal_commands"), "{error}");
    for role in ["portal_commands", "portal_relay", "portal_query"] {
        execute(&mut owner, &format!("CREATE ROLE {role}")).await.expect("a role");
    }
    portal.tool(&["migrate"]);
    assert!(portal.tool(&["verify"]).contains("complete"));
}

async fn connect(portal: &Portal, user: &str) -> PgConnection {
    let url = event_log(&portal.environment, user);
    PgConnection::connect(&url).await.expect("PostgreSQL")
}

async fn execute(session: &mut PgConnection, statement: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(session).await.map(drop)
}
