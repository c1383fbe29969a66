//! Where it is kept what was read: the port. Its adapters are those of the views, because it lies in
//! the same database (`view_store/*/reading_store.rs`).
//!
//! Unlike the views it is no fold of the log. Raw readings are kept for ninety days, so that what is
//! made of them can be made again. Invariants, proved by `contract` on every adapter:
//! - A reading counts once, however often it comes: the same user, article and hour are the same
//!   reading. Raw reading and profile change together, also when it has been kept long enough.
//! - What a user wants forgotten is gone, and nothing of it comes back that arrives late.

#[cfg(test)]
mod contract;

use std::time::Duration;

use async_trait::async_trait;
use chrono::Utc;
use events::readings::Reading;
use events::{ArticleId, Category, Dependency, Position, Timestamp, UserId};

use crate::Unavailable;
pub use crate::reading_profile::{Profile, Reader, skewed};

/// How long it is kept what was read.
const KEPT: Duration = Duration::from_secs(90 * 24 * 3_600);
/// Readings that are looked at to see whose have been kept long enough: a run has an end, and the next
/// one goes on.
const EXPIRED: usize = 10_000;

/// An article and how many read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MostRead {
    /// Which.
    pub article_id: ArticleId,
    /// Where it was when it was read last.
    pub category: Category,
    /// Different users.
    pub readers: u64,
}

/// A store of readings.
#[async_trait]
pub trait ReadingStore: Dependency {
    /// Takes readings in, each once, but for those that are forgotten already.
    async fn record(&self, readings: &[Reading]) -> Result<(), Unavailable>;

    /// What is known of a user; of one who never read anything, nothing.
    async fn reader(&self, user: UserId) -> Result<Reader, Unavailable>;

    /// The users who have a label, in ascending order of id after `after`.
    async fn readers_of(
        &self,
        label: &str,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<UserId>, Unavailable>;

    /// What was read after `from` and until `to`, by most first, ties by descending id.
    async fn most_read(
        &self,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<Vec<MostRead>, Unavailable>;

    /// Forgets what a user read up to a time of the log's clock, or a little later by that of a door
    /// ([`skewed`]), because the event at this position says so. Does nothing when a later event has
    /// said something already.
    async fn forget(&self, user: UserId, up_to: Timestamp, by: Position)
    -> Result<(), Unavailable>;

    /// How far the log was followed for what users want forgotten.
    async fn followed(&self) -> Result<Position, Unavailable>;

    /// Remembers that it was followed up to here, or further.
    async fn follow(&self, position: Position) -> Result<(), Unavailable>;

    /// The first user after `after`, in the order of ids, of whom anything is kept.
    async fn next_user(&self, after: Option<UserId>) -> Result<Option<UserId>, Unavailable>;

    /// Whose the oldest readings are, at most so many of those from before this time.
    async fn expired(&self, before: Timestamp, readings: usize)
    -> Result<Vec<UserId>, Unavailable>;

    /// Deletes a user's raw readings from before this time, and makes the profile again from the
    /// rest.
    async fn refold(&self, user: UserId, before: Timestamp) -> Result<(), Unavailable>;
}

/// What was read before is not kept any more.
#[must_use]
pub fn kept_since() -> Timestamp {
    Timestamp::from(Utc::now() - KEPT)
}

/// Forgets what was read before this time, the oldest first: the raw readings, and what they were in
/// profiles and under labels. What is left over is for the next time.
///
/// # Errors
/// When the store does not answer. It can be repeated: each user's is forgotten by itself.
pub async fn expire(store: &dyn ReadingStore, before: Timestamp) -> Result<(), Unavailable> {
    for user in store.expired(before, EXPIRED).await? {
        store.refold(user, before).await?;
    }
    Ok(())
}

/// Makes every profile again from the raw readings since this time; how many there were.
///
/// # Errors
/// When the store does not answer. It can be repeated: each profile is made by itself.
pub async fn rebuild(store: &dyn ReadingStore, since: Timestamp) -> Result<u64, Unavailable> {
    let (mut after, mut count) = (None, 0);
    while let Some(user) = store.next_user(after).await? {
        store.refold(user, since).await?;
        (after, count) = (Some(user), count + 1);
    }
    Ok(count)
}
