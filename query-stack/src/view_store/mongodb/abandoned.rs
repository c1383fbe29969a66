//! Ends transactions of dead writers.
//!
//! MongoDB ends a transaction only a minute after its start (`transactionLifetimeLimitSeconds`),
//! even if its client was killed; until then the view cannot be written. So a writer that meets a
//! conflict looks for inactive transactions.

use std::time::Duration;

use futures::TryStreamExt;
use mongodb::Client;
use mongodb::bson::{Document as Bson, doc};
use mongodb::error::Error;
use mongodb::options::ReadConcern;

/// A transaction inactive for this long is abandoned; a living writer pauses for microseconds.
const SILENT_US: i64 = 3_000_000;
/// Lets a living writer finish before the next attempt.
const PAUSE: Duration = Duration::from_millis(20);

/// Ends inactive transactions of clients with this name; a slow writer's changes are rolled back.
pub(super) async fn end(client: &Client, app_name: &str) {
    if let Err(error) = end_silent(client, app_name).await {
        tracing::debug!(error = %events::Chain(&error), "cannot look for silent writers");
    }
    tokio::time::sleep(PAUSE).await;
}

async fn end_silent(client: &Client, app_name: &str) -> Result<(), Error> {
    let silent = [
        doc! { "$currentOp": { "idleSessions": true } },
        doc! { "$match": {
            "type": "idleSession",
            "appName": app_name,
            "transaction.timeInactiveMicros": { "$gt": SILENT_US },
        } },
        doc! { "$project": { "id": "$lsid.id" } },
    ];
    let admin = client.database("admin");
    let silent = admin.aggregate(silent).read_concern(ReadConcern::local()).await?;
    let sessions: Vec<Bson> = silent.try_collect().await?;
    if !sessions.is_empty() {
        tracing::warn!(count = sessions.len(), "ending transactions whose writer is gone");
        admin.run_command(doc! { "killSessions": sessions }).await?;
    }
    Ok(())
}
