//! What the database reports about itself: for `portal doctor`.

use chrono::Utc;
use events::BoxError;
use events::inspection::{Inspection, MissingRight, tables};
use sqlx::{Connection, PgConnection};
use tokio::time::timeout;

use super::{ANSWER_TIMEOUT, PostgresEventLog, connect, migrations};

/// What each service does with which table or function: the grants of `migrations/postgres`.
const NEEDED: [(&str, &str, &[&str]); 16] = [
    ("command-stack", "append_events", &["EXECUTE"]),
    ("command-stack", "events", &["SELECT"]),
    ("command-stack", "commands", &["SELECT"]),
    ("command-stack", "user_keys", &["SELECT", "INSERT", "DELETE"]),
    ("command-stack", "sign_in_attempts", &["SELECT", "INSERT", "DELETE"]),
    ("command-stack", "passwords", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    ("command-stack", "email_claims", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    ("command-stack", "refresh_tokens", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    ("command-stack", "leases", &["SELECT", "UPDATE"]),
    ("command-stack", "webhooks", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    ("command-stack", "webhook_deliveries", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    ("relay", "events", &["SELECT"]),
    ("relay", "relay_checkpoint", &["SELECT", "UPDATE"]),
    ("relay", "leases", &["SELECT", "UPDATE"]),
    ("query-stack", "events", &["SELECT"]),
    ("query-stack", "user_keys", &["SELECT"]),
];

impl PostgresEventLog {
    /// Asks the server on a connection of its own, so that the error is the server's and not the
    /// pool's.
    ///
    /// # Errors
    /// When the server does not answer or refuses the role of the address.
    pub async fn inspect(&self) -> Result<Inspection, BoxError> {
        let mut connection = connect(&self.pool).await?;
        let report = timeout(ANSWER_TIMEOUT, report(&mut connection)).await??;
        connection.close().await?;
        Ok(report)
    }
}

async fn report(connection: &mut PgConnection) -> Result<Inspection, sqlx::Error> {
    let before = Utc::now().timestamp_millis();
    let query = "SELECT current_setting('server_version'), \
                 (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
    let (version, server_ms): (String, i64) =
        sqlx::query_as(query).fetch_one(&mut *connection).await?;
    let asked_ms = before.midpoint(Utc::now().timestamp_millis());
    Ok(Inspection {
        missing_tables: missing_tables(connection).await?,
        missing_rights: missing_rights(connection).await?,
        clock_offset_ms: Some(server_ms - asked_ms),
        ..Inspection::new("PostgreSQL", version, "15")
    })
}

async fn missing_tables(connection: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    let query =
        "SELECT name FROM unnest($1::text[]) AS needed (name) WHERE to_regclass(name) IS NULL";
    let needed = Vec::from_iter(tables(&migrations()));
    sqlx::query_scalar(query).bind(needed).fetch_all(connection).await
}

async fn missing_rights(connection: &mut PgConnection) -> Result<Vec<MissingRight>, sqlx::Error> {
    let needed = NEEDED.iter().flat_map(|(service, object, rights)| {
        rights.iter().map(|right| (*service, (*object, *right)))
    });
    let (services, (objects, rights)): (Vec<_>, (Vec<_>, Vec<_>)) = needed.unzip();
    // What is not there gives NULL: nobody has a right on it.
    let query = "SELECT service, wanted || ' on ' || object \
                 FROM unnest($1::text[], $2::text[], $3::text[]) AS needed (service, object, wanted) \
                 WHERE NOT coalesce(CASE wanted \
                     WHEN 'EXECUTE' THEN has_function_privilege(to_regproc(object)::oid, wanted) \
                     ELSE has_table_privilege(to_regclass(object)::oid, wanted) END, false)";
    let query = sqlx::query_as(query).bind(services).bind(objects).bind(rights);
    let rows: Vec<(String, String)> = query.fetch_all(connection).await?;
    Ok(rows.into_iter().map(|(service, right)| MissingRight { service, right }).collect())
}
