//! The reading profile of a user: a pure fold of readings that does not depend on their order.
//!
//! The weight of a label grows by one with each reading and halves every seven days. It is stored
//! as of the newest reading, so that the passing of time needs no writes.

use std::collections::BTreeMap;

use events::readings::Reading;
use events::{ArticleId, Position, Timestamp};
use serde::{Deserialize, Serialize};

/// The half-life of a reading in milliseconds: seven days.
const HALF_LIFE: f64 = 7.0 * 24.0 * 3_600_000.0;
/// The maximum number of labels per reader; the heaviest ones stay.
const LABELS: usize = 200;
/// The maximum number of read articles per reader; the newest ones stay.
const READ: usize = 500;

/// How far the orchestrator's clock may be ahead of the log's, in milliseconds: five seconds.
/// The orchestrator stamps readings; the log stamps the request to forget them.
const SKEW: i64 = 5_000;

/// The latest orchestrator time of readings that are forgotten up to this log time.
#[must_use]
pub fn skewed(forgotten_until: Timestamp) -> Timestamp {
    Timestamp::from_millis(forgotten_until.millis() + SKEW)
}

/// The reading profile of one user, and what the user wants forgotten.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Reader {
    /// The profile.
    pub profile: Profile,
    /// Readings up to this log time are forgotten, also those that arrive later.
    pub forgotten_until: Option<Timestamp>,
    /// The position of the event that asked to forget.
    pub forgotten_by: Position,
}

impl Reader {
    /// Whether this reading may be stored: it is newer than all that is forgotten.
    #[must_use]
    pub fn takes(&self, reading: &Reading) -> bool {
        self.forgotten_until.is_none_or(|until| reading.at > skewed(until))
    }
}

/// The sum of readings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Ordered by name. A list, because not every name is a valid document key.
    pub labels: Vec<Label>,
    /// Newest first.
    pub read: Vec<Read>,
}

/// The weight of a label for one user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Label {
    /// A category or a tag.
    pub label: String,
    weight: f64,
    at: Timestamp,
}

/// An article that the user has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// The id of the article.
    pub article_id: ArticleId,
    at: Timestamp,
}

impl Label {
    /// Returns the decayed weight at a later time.
    #[must_use]
    pub fn weight_at(&self, time: Timestamp) -> f64 {
        self.weight * left_after(self.at, time)
    }

    /// Adds a reading.
    fn add(&mut self, at: Timestamp) {
        let newest = self.at.max(at);
        self.weight = self.weight_at(newest) + left_after(at, newest);
        self.at = newest;
    }

    /// Orders labels as their weights at any common time do.
    fn rank(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds are far below 2^53")]
        let half_lives = self.at.millis() as f64 / HALF_LIFE;
        self.weight.log2() + half_lives
    }
}

fn left_after(at: Timestamp, time: Timestamp) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds are far below 2^53")]
    let age = (time.millis() - at.millis()) as f64;
    (-age / HALF_LIFE).exp2()
}

impl Profile {
    /// Adds readings; each must be new to the profile.
    #[must_use]
    pub fn with<'a>(self, readings: impl IntoIterator<Item = &'a Reading>) -> Self {
        let named = |label: Label| (label.label.clone(), label);
        let mut labels: BTreeMap<_, _> = self.labels.into_iter().map(named).collect();
        let mut read: BTreeMap<_, _> =
            self.read.into_iter().map(|read| (read.article_id, read.at)).collect();
        for reading in readings {
            let at = reading.at;
            for name in &reading.labels {
                let new = || Label { label: name.clone(), weight: 1.0, at };
                let known = labels.entry(name.clone());
                known.and_modify(|label| label.add(at)).or_insert_with(new);
            }
            let last = read.entry(reading.article_id).or_insert(at);
            *last = at.max(*last);
        }
        Self { labels: heaviest(labels.into_values().collect()), read: newest(read) }
    }

    /// Returns the labels with their weights at `now`, heaviest first.
    #[must_use]
    pub fn labels_at(&self, now: Timestamp) -> Vec<(&str, f64)> {
        let mut labels: Vec<_> =
            self.labels.iter().map(|label| (&*label.label, label.weight_at(now))).collect();
        labels.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        labels
    }
}

fn heaviest(mut labels: Vec<Label>) -> Vec<Label> {
    if labels.len() > LABELS {
        labels.sort_by(|a, b| b.rank().total_cmp(&a.rank()));
        labels.truncate(LABELS);
        labels.sort_unstable_by(|a, b| a.label.cmp(&b.label));
    }
    labels
}

fn newest(read: BTreeMap<ArticleId, Timestamp>) -> Vec<Read> {
    let read = read.into_iter().map(|(article_id, at)| Read { article_id, at });
    let mut read: Vec<_> = read.collect();
    read.sort_unstable_by_key(|read| std::cmp::Reverse((read.at, read.article_id)));
    read.truncate(READ);
    read
}

#[cfg(test)]
mod tests;
