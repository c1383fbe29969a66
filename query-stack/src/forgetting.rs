//! Follows the log for what users want forgotten of their reading: profiles that were cleared,
//! recommendations that were switched off, users who were erased.
//!
//! From the log itself and not from the bus: this must not be missed, and it is not urgent. Several
//! may do it at the same time, because what is forgotten twice is forgotten; the store knows which
//! event is the later one.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use events::user::UserEvent;
use events::{
    Backoff, Chain, DomainEvent, EventReader, LogError, Partition, RecordedEvent, Timestamp, UserId,
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::Unavailable;
use crate::reading_store::ReadingStore;

/// Events at a time.
const PAGE: usize = 250;
/// When the log is looked into although it told of nothing new.
const IDLE: Duration = Duration::from_secs(3);

/// Forgets what is to be forgotten.
pub struct Forgetting {
    /// What says so.
    pub log: Arc<dyn EventReader>,
    /// Where it is forgotten.
    pub store: Arc<dyn ReadingStore>,
}

#[derive(Debug, thiserror::Error)]
enum ForgetError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Store(#[from] Unavailable),
}

impl Forgetting {
    /// Runs until the token is cancelled.
    pub async fn run(self, shutdown: CancellationToken) {
        let work = async {
            let mut backoff = Backoff::default();
            loop {
                let Err(error) = self.follow().await;
                tracing::warn!(error = %Chain(&error), "what is to be forgotten waits");
                backoff.pause().await;
            }
        };
        shutdown.run_until_cancelled(work).await;
    }

    async fn follow(&self) -> Result<Infallible, ForgetError> {
        let mut appended = self.log.appended();
        let mut position = self.store.followed().await?;
        loop {
            appended.mark_unchanged();
            let events = self.log.read_after(position, Some(&Partition::Users), PAGE).await?;
            let Some(last) = events.last() else {
                let _ = timeout(IDLE, appended.changed()).await;
                continue;
            };
            for event in &events {
                if let Some((user, up_to)) = forgotten(event) {
                    self.store.forget(user, up_to, event.position).await?;
                }
            }
            position = last.position;
            self.store.follow(position).await?;
        }
    }
}

/// Whose readings an event wants forgotten, and up to when. An event that cannot be read is none of
/// these: no version of them but the first was ever written.
fn forgotten(event: &RecordedEvent) -> Option<(UserId, Timestamp)> {
    let user = UserId(event.stream_id.aggregate_id().ok()?);
    let DomainEvent::User(of_user) = event.decode().ok()? else { return None };
    let up_to = match of_user {
        UserEvent::ReadingProfileCleared(_) => event.recorded_at,
        // Again from here on, but nothing of what was read meanwhile.
        UserEvent::RecommendationsSwitched(switched) if switched.enabled => event.recorded_at,
        UserEvent::RecommendationsSwitched(_) | UserEvent::Erased(_) => Timestamp::END,
        UserEvent::Registered(_)
        | UserEvent::Renamed(_)
        | UserEvent::EmailChanged(_)
        | UserEvent::PasswordChanged(_)
        | UserEvent::RolesChanged(_) => return None,
    };
    Some((user, up_to))
}
