//! What the views tell of themselves: how far they are, and what they leave out.

use std::sync::Arc;
use std::time::Duration;

use events::{EventReader, LogError, Position, Timestamp};
use futures::future::join_all;
use proto::conventions::ParkedView;
use proto::metrics;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::Unavailable;
use crate::view_store::{ParkedCounts, ParkedState, View, ViewStore};

/// How long a health check waits for what is parked.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);

/// Events that a view has not taken are counted up to here.
const COUNTED: u32 = 100_000;

/// Looks at the views now and then, so that `/metrics` can tell. Each process looks for itself:
/// which projector works on a view is of no concern.
pub struct Figures {
    /// Where the events are.
    pub log: Arc<dyn EventReader>,
    /// Where the views are.
    pub store: Arc<dyn ViewStore>,
    /// Which.
    pub views: Vec<View>,
}

impl Figures {
    /// Runs until the token is cancelled.
    pub async fn run(self, shutdown: CancellationToken) {
        let look = async {
            loop {
                // The projectors come first: they make what is not there yet.
                sleep(metrics::SAMPLE_INTERVAL).await;
                join_all(self.views.iter().map(|view| self.look_at(view))).await;
            }
        };
        shutdown.run_until_cancelled(look).await;
    }

    async fn look_at(&self, view: &View) {
        let name = view.to_string();
        let Ok((position, parked)) = seen(&*self.store, view).await else {
            metrics::view_position(&name, None);
            metrics::view_lag(&name, None);
            metrics::view_lag_events(&name, None);
            return;
        };
        metrics::view_position(&name, Some(position));
        for (state, count) in [
            (ParkedState::Parked, parked.parked),
            (ParkedState::Waiting, parked.waiting),
            (ParkedState::Discarded, parked.discarded),
        ] {
            metrics::view_parked(&name, state.as_str(), count);
        }
        let lag = self.lag(view, position).await.ok();
        metrics::view_lag(&name, lag);
        metrics::view_lag_events(&name, self.events_after(view, position, lag).await);
    }

    /// Counted only for a view that is behind, which few are.
    async fn events_after(
        &self,
        view: &View,
        position: Position,
        lag: Option<Duration>,
    ) -> Option<u64> {
        if lag? == Duration::ZERO {
            return Some(0);
        }
        self.log.count_after(position, &view.partition, COUNTED).await.ok()
    }

    /// How long the oldest event waits that comes after the position.
    async fn lag(&self, view: &View, position: Position) -> Result<Duration, LogError> {
        let next = self.log.read_after(position, Some(&view.partition), 1).await?;
        let now = Timestamp::from(chrono::Utc::now());
        let age = next.first().map_or(0, |event| now.millis() - event.recorded_at.millis());
        Ok(Duration::from_millis(u64::try_from(age).unwrap_or_default()))
    }
}

async fn seen(store: &dyn ViewStore, view: &View) -> Result<(Position, ParkedCounts), Unavailable> {
    let live = store.state(view).await?.live;
    // While none ever was parked, nobody needs to ask.
    let parked = match live.revision {
        0 => ParkedCounts::default(),
        _ => store.count_parked(view, live.generation).await?,
    };
    Ok((live.position, parked))
}

/// The views that leave out streams to which somebody or a newer program has to see. Empty when the
/// store does not answer: that is told elsewhere.
pub(crate) async fn parked_views(store: &dyn ViewStore, views: &[View]) -> Vec<ParkedView> {
    let look = join_all(views.iter().map(async |view| {
        let (_, ParkedCounts { parked, waiting, .. }) = seen(store, view).await.ok()?;
        Some(ParkedView { view: view.to_string(), parked, waiting })
    }));
    let seen = timeout(STORE_TIMEOUT, look).await.unwrap_or_default();
    seen.into_iter().flatten().filter(|view| view.parked + view.waiting > 0).collect()
}
