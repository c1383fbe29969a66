//! What somebody likes to read, as far as readings tell: a pure fold of them, in whatever order they
//! arrive.
//!
//! Each label has a weight: one for every reading, halved every seven days since. A weight is kept
//! as it was at its newest reading, so that nothing has to be written because time goes by.

use std::collections::BTreeMap;

use events::readings::Reading;
use events::{ArticleId, Position, Timestamp};
use serde::{Deserialize, Serialize};

/// After so many milliseconds a reading counts half: seven days.
const HALF_LIFE: f64 = 7.0 * 24.0 * 3_600_000.0;
/// Labels of one reader, the heaviest ones: more than anybody has within some half-lives.
const LABELS: usize = 200;
/// Articles that a reader is known to have read, the newest ones.
const READ: usize = 500;

/// By how many milliseconds the clock of a door, which says when something was read, may be ahead of
/// the log's, which says up to when it is forgotten: five seconds.
const SKEW: i64 = 5_000;

/// Up to when a door may have said that something was read that is to be forgotten up to this time.
#[must_use]
pub fn skewed(forgotten_until: Timestamp) -> Timestamp {
    Timestamp::from_millis(forgotten_until.millis() + SKEW)
}

/// What is known of what one user reads.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Reader {
    /// What it adds up to.
    pub profile: Profile,
    /// What was read up to then is forgotten, by the clock of the log, and also what is still on its
    /// way.
    pub forgotten_until: Option<Timestamp>,
    /// The event that said so.
    pub forgotten_by: Position,
}

impl Reader {
    /// Whether this reading may be known.
    #[must_use]
    pub fn takes(&self, reading: &Reading) -> bool {
        self.forgotten_until.is_none_or(|until| reading.at > skewed(until))
    }
}

/// What readings add up to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// In the order of their names. A list and no map, because a name may be anything, and no key of
    /// a document may.
    pub labels: Vec<Label>,
    /// The newest first.
    pub read: Vec<Read>,
}

/// How much somebody reads about something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Label {
    /// A category or a tag.
    pub label: String,
    weight: f64,
    at: Timestamp,
}

/// That somebody read an article.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    pub article_id: ArticleId,
    at: Timestamp,
}

impl Label {
    /// What is left of the weight at a later time.
    #[must_use]
    pub fn weight_at(&self, time: Timestamp) -> f64 {
        self.weight * left_after(self.at, time)
    }

    /// With one reading more.
    fn add(&mut self, at: Timestamp) {
        let newest = self.at.max(at);
        self.weight = self.weight_at(newest) + left_after(at, newest);
        self.at = newest;
    }

    /// Compares as the weights at any common time do.
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
    /// With these readings, each of which is in it for the first time.
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

    /// The labels with what their weights are now, heaviest first.
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
