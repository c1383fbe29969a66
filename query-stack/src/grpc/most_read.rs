//! The current most-read articles, counted once for all requests.
//!
//! A count reads the readings of a whole day, so its result is cached for some seconds. It
//! continues if its first request is cancelled.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use events::Timestamp;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tonic::Status;

use super::{Queries, unavailable};
use crate::Unavailable;
use crate::reading_store::{MostRead, ReadingStore};

/// Older readings do not count.
const RECENT: chrono::Duration = chrono::Duration::hours(24);
/// The shortest time between two counts.
const PAUSE: Duration = Duration::from_secs(5);
/// The longest list that any caller requests.
const MOST: usize = 101;

/// The last count; clones share it.
#[derive(Clone, Default)]
pub(super) struct Counted(Arc<Mutex<Option<Count>>>);

struct Count {
    at: Instant,
    /// `None` if the store was unavailable.
    most_read: Option<Arc<[MostRead]>>,
}

impl Queries {
    pub(super) async fn most_read_now(&self) -> Result<Arc<[MostRead]>, Status> {
        let queries = self.clone();
        let count = async move {
            let _turn = queries.looks.acquire().await;
            most_read_before(&*queries.readings, Utc::now().into(), MOST).await
        };
        let most_read = self.counted.or_count(count).await;
        most_read.ok_or_else(|| Status::unavailable("what is read most cannot be counted"))
    }
}

pub(super) async fn most_read_before(
    readings: &dyn ReadingStore,
    to: Timestamp,
    limit: usize,
) -> Result<Vec<MostRead>, Unavailable> {
    let from = Timestamp::from_millis(to.millis() - RECENT.num_milliseconds());
    readings.most_read(from, to, limit).await
}

impl Counted {
    /// The last count, or a new one; concurrent calls share it.
    async fn or_count(
        &self,
        count: impl Future<Output = Result<Vec<MostRead>, Unavailable>> + Send + 'static,
    ) -> Option<Arc<[MostRead]>> {
        let counted = Arc::clone(&self.0);
        let counting = tokio::spawn(async move {
            let mut last = counted.lock().await;
            if let Some(count) = last.as_ref().filter(|count| count.at.elapsed() < PAUSE) {
                return count.most_read.clone();
            }
            // Logged here, once for all callers.
            let most_read = count.await.map_err(unavailable).ok().map(Arc::from);
            *last = Some(Count { at: Instant::now(), most_read: most_read.clone() });
            most_read
        });
        counting.await.ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use events::ArticleId;
    use futures::future::join_all;
    use tokio::time::{advance, sleep};
    use uuid::Uuid;

    use super::*;

    const TAKES: Duration = Duration::from_secs(1);

    fn articles(readers: u64) -> Vec<MostRead> {
        let category = "sports".parse().expect("a category");
        vec![MostRead { article_id: ArticleId(Uuid::nil()), category, readers }]
    }

    /// Count number n, from 0, returns n readers.
    fn ask(
        counted: &Counted,
        counts: &Arc<AtomicUsize>,
    ) -> impl Future<Output = Option<Arc<[MostRead]>>> + use<> {
        let (counted, counts) = (counted.clone(), Arc::clone(counts));
        async move {
            let count = async move {
                let before = counts.fetch_add(1, Ordering::Relaxed);
                sleep(TAKES).await;
                Ok(articles(before as u64))
            };
            counted.or_count(count).await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_counted_once_for_all_who_ask_and_again_after_a_while() {
        let (counted, counts) = (Counted::default(), Arc::default());
        let first: Option<Arc<[_]>> = Some(articles(0).into());
        for answer in join_all((0..100).map(|_| ask(&counted, &counts))).await {
            assert_eq!(answer, first);
        }
        advance(PAUSE - Duration::from_millis(1)).await;
        assert_eq!(ask(&counted, &counts).await, first);
        advance(Duration::from_millis(1)).await;
        assert_eq!(ask(&counted, &counts).await, Some(articles(1).into()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_count_goes_on_when_who_asked_for_it_is_gone() {
        let (counted, counts) = (Counted::default(), Arc::default());
        assert!(tokio::time::timeout(TAKES / 2, ask(&counted, &counts)).await.is_err());
        assert_eq!(ask(&counted, &counts).await, Some(articles(0).into()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_does_not_answer_is_not_asked_all_the_time() {
        let counted = Counted::default();
        let fail = async || Err(Unavailable("down".into()));
        assert_eq!(counted.or_count(fail()).await, None);
        assert_eq!(counted.or_count(async { Ok(articles(1)) }).await, None);
        advance(PAUSE).await;
        assert_eq!(counted.or_count(async { Ok(articles(1)) }).await, Some(articles(1).into()));
    }
}
