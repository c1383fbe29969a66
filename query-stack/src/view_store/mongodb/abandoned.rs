//! Transactions whose writer is gone. MongoDB ends one only a minute after it began
//! (`transactionLifetimeLimitSeconds`), also when its client was killed, and until then nobody
//! else could write the view. So whoever meets a conflict looks for the silent ones.

use std::time::Duration;

use futures::TryStreamExt;
use mongodb::Client;
use mongodb::bson::{Document as Bson, doc};
use mongodb::error::Error;
use mongodb::options::ReadConcern;

/// Between two commands of a living writer lie microseconds.
const SILENT_US: i64 = 3_000_000;
/// Lets a living writer finish before its competitor tries again.
const PAUSE: Duration = Duration::from_millis(20);

/// Ends the silent transactions of clients with this name. A writer that is only slow finds its
/// transaction gone, and nothing of it done.
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
