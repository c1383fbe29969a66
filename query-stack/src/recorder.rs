//! Takes readings from the bus into the store. Any number of recorders may run: the bus gives each
//! reading to one of them, and one that comes twice counts once.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use events::bus::{BusError, ReadingSubscriber};
use events::readings::Reading;
use events::{Backoff, Chain};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::reading_store::{ReadingStore, expire, kept_since};

/// Between looks for readings that have been kept long enough.
const EXPIRE: Duration = Duration::from_secs(3_600);

/// Records what was read.
pub struct Recorder {
    /// What brings the readings.
    pub bus: Arc<dyn ReadingSubscriber>,
    /// Where they are kept.
    pub store: Arc<dyn ReadingStore>,
}

impl Recorder {
    /// Runs until the token is cancelled.
    pub async fn run(self, shutdown: CancellationToken) {
        let work = async {
            let mut backoff = Backoff::default();
            loop {
                let Err(error) = self.record_all().await;
                tracing::warn!(error = %Chain(&error), "readings are interrupted");
                backoff.pause().await;
            }
        };
        shutdown.run_until_cancelled(async { tokio::join!(work, self.expire()) }).await;
    }

    async fn record_all(&self) -> Result<Infallible, BusError> {
        let mut subscription = self.bus.subscribe_to_readings().await?;
        loop {
            self.record(&subscription.receive().await?).await;
            subscription.acknowledge().await?;
        }
    }

    /// Returns when the readings are in the store, however long that is away: holding on to them is
    /// what keeps the rest at the broker.
    async fn record(&self, readings: &[Reading]) {
        let mut backoff = Backoff::default();
        while let Err(error) = self.store.record(readings).await {
            tracing::warn!(error = %Chain(&error), "readings wait for the store");
            backoff.pause().await;
        }
    }

    async fn expire(&self) {
        loop {
            if let Err(error) = expire(&*self.store, kept_since()).await {
                tracing::warn!(error = %Chain(&error), "old readings are deleted later");
            }
            sleep(EXPIRE).await;
        }
    }
}
