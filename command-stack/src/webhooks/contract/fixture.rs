//! A separate store for each test.

use std::sync::Arc;

use crate::event_log::contract::fixture::{self as log, Database};
use crate::webhooks::{PostgresWebhooks, SqliteWebhooks, WebhookStore};

pub(super) struct Fixture {
    log: log::Fixture,
    pub(super) webhooks: Arc<dyn WebhookStore>,
}

impl Fixture {
    pub(super) async fn postgres() -> Self {
        Self::of(log::Fixture::postgres().await)
    }

    pub(super) async fn sqlite() -> Self {
        Self::of(log::Fixture::sqlite().await)
    }

    fn of(log: log::Fixture) -> Self {
        let webhooks: Arc<dyn WebhookStore> = match &log.database {
            Database::Postgres { pool, .. } => Arc::new(PostgresWebhooks(pool.clone())),
            Database::Sqlite { pool, .. } => Arc::new(SqliteWebhooks(pool.clone())),
        };
        Self { log, webhooks }
    }

    pub(super) async fn remove(self) {
        self.log.remove().await;
    }
}
