//! The pins and breaking news of the editors, and the most-read articles.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use events::{Category, Position, Timestamp};
use futures::future::{join, try_join};
use proto::v1::{self, MostRead};

use super::cached_part::Source;
use crate::queries::{QueryError, QueryStacks, SECTION_DEADLINE, Terms};

/// How many most-read articles are loaded; only these get a higher rank.
const MOST_READ: u32 = 100;

/// The pins and breaking news of the editors, and the most-read articles.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Front {
    /// Article ids by category.
    pub(crate) pinned: HashMap<String, Vec<String>>,
    pub(crate) breaking: Option<String>,
    /// Of the last 24 hours, most readers first.
    pub(crate) most_read: Vec<MostRead>,
}

/// Loads the front from any query-stack.
pub(crate) struct FrontSource {
    queries: Arc<QueryStacks>,
    /// The last known list, used when none can be loaded.
    most_read: Mutex<Vec<MostRead>>,
}

impl Front {
    fn of(front: v1::Front, most_read: Vec<MostRead>) -> Self {
        let pinned = front.pins.into_iter().map(|pins| (pins.category, pins.article_ids));
        Self { pinned: pinned.collect(), breaking: front.breaking, most_read }
    }

    /// The ids of the articles needed from this category, in ascending order.
    ///
    /// Breaking news is looked for in every category, because the article may have moved.
    pub(crate) fn named(&self, category: &Category) -> Arc<[String]> {
        let pinned = self.pinned.get(category.as_str()).into_iter().flatten();
        let most_read = self.most_read.iter().filter(|it| it.category == category.as_str());
        let most_read = most_read.map(|most_read| &most_read.article_id);
        let all: BTreeSet<_> = pinned.chain(&self.breaking).chain(most_read).collect();
        all.into_iter().cloned().collect()
    }
}

impl FrontSource {
    pub(crate) fn new(queries: Arc<QueryStacks>) -> Self {
        Self { queries, most_read: Mutex::default() }
    }

    /// The front at this time.
    ///
    /// # Errors
    /// [`QueryError::Unavailable`] when the log is unavailable.
    pub(crate) async fn as_of(&self, time: Timestamp, terms: Terms) -> Result<Front, QueryError> {
        let time = time.to_string();
        let front = self.queries.get_front(Some(&time), terms);
        let most_read = self.queries.most_read(MOST_READ, Some(&time), terms);
        let (front, most_read) = try_join(front, most_read).await?;
        Ok(Front::of(front, most_read))
    }

    fn known_or(&self, most_read: Result<Vec<MostRead>, QueryError>) -> Vec<MostRead> {
        let mut known = self.most_read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(most_read) = most_read {
            *known = most_read;
        }
        known.clone()
    }
}

impl Source for FrontSource {
    type Content = Front;

    async fn ask(&self, _named: &[String], terms: Terms) -> Result<(Front, Position), QueryError> {
        let readers = Terms::new(Position::START, SECTION_DEADLINE);
        let most_read = self.queries.most_read(MOST_READ, None, readers);
        let (front, most_read) = join(self.queries.get_front(None, terms), most_read).await;
        let (front, most_read) = (front?, self.known_or(most_read));
        let reached = Position::new(front.position);
        Ok((Front::of(front, most_read), reached))
    }
}
