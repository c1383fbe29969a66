//! Pages of whole streams on their way from the log to a fold.
//! Whole streams fold independently; bounded pages bound memory.

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::LogError;
use crate::RecordedEvent;

/// Events per page: one bulk write of this size is worth its round trip.
const PAGE_EVENTS: usize = 2_000;
/// Bytes per page: the longest articles have 200 times the usual length.
const PAGE_BYTES: usize = 4 * 1024 * 1024;
/// Number of pages that are read ahead.
const AHEAD: usize = 1;

/// Whole streams, page by page.
/// Reads the next page while the caller folds the current one. Dropping it stops the reading.
pub struct StreamPages {
    pages: mpsc::Receiver<Vec<RecordedEvent>>,
    /// `None` once its result was returned.
    reading: Option<JoinHandle<Result<(), LogError>>>,
}

impl StreamPages {
    /// Spawns a task that reads.
    /// `read` sends all events, ordered by stream and version, then returns the sender.
    pub fn reading<R>(read: impl FnOnce(StreamSender) -> R) -> Self
    where
        R: Future<Output = Result<StreamSender, LogError>> + Send + 'static,
    {
        let (sender, pages) = mpsc::channel(AHEAD);
        let read = read(StreamSender { pages: sender, page: Vec::new(), bytes: 0 });
        let reading = tokio::spawn(async move {
            read.await?.send_page().await;
            Ok(())
        });
        Self { pages, reading: Some(reading) }
    }

    /// The next page; `None` at the end or after an error.
    ///
    /// # Errors
    /// The reading failed: the pages so far are incomplete.
    pub async fn next(&mut self) -> Result<Option<Vec<RecordedEvent>>, LogError> {
        if let Some(page) = self.pages.recv().await {
            return Ok(Some(page));
        }
        let Some(reading) = self.reading.take() else { return Ok(None) };
        reading.await.map_err(|panic| LogError::Unavailable(panic.into()))?.map(|()| None)
    }
}

impl Drop for StreamPages {
    fn drop(&mut self) {
        if let Some(reading) = &self.reading {
            reading.abort();
        }
    }
}

/// Collects events into pages of whole streams.
pub struct StreamSender {
    pages: mpsc::Sender<Vec<RecordedEvent>>,
    page: Vec<RecordedEvent>,
    bytes: usize,
}

impl StreamSender {
    /// Adds the next event, in order. Waits while the receiver is behind.
    pub async fn send(&mut self, event: RecordedEvent) {
        let is_full = self.page.len() >= PAGE_EVENTS || self.bytes >= PAGE_BYTES;
        let ends = self.page.last().is_some_and(|last| last.stream_id != event.stream_id);
        if is_full && ends {
            self.send_page().await;
        }
        self.bytes += event.data.get().len();
        self.page.push(event);
    }

    async fn send_page(&mut self) {
        self.bytes = 0;
        let page = std::mem::take(&mut self.page);
        if !page.is_empty() {
            // Fails only if the receiver was dropped, which also aborts this task.
            let _ = self.pages.send(page).await;
        }
    }
}
