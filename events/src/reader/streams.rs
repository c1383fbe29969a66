//! Streams on their way from the log to whoever folds them: a page holds whole streams, so that
//! each can be folded by itself, and pages are bounded, so that memory is.

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::LogError;
use crate::RecordedEvent;

/// Enough for one bulk write to be worth its round trip.
const PAGE_EVENTS: usize = 2_000;
/// The longest articles have 200 times the usual length.
const PAGE_BYTES: usize = 4 * 1024 * 1024;
/// Pages that are read ahead.
const AHEAD: usize = 1;

/// Whole streams, page by page. Reading goes on while the page before is folded, and ends when this
/// is dropped.
pub struct StreamPages {
    pages: mpsc::Receiver<Vec<RecordedEvent>>,
    /// Until its end was told.
    reading: Option<JoinHandle<Result<(), LogError>>>,
}

impl StreamPages {
    /// Starts to read, in a task of its own: `read` sends every event, ordered by stream and
    /// version, and returns when there are no more.
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

    /// The next page; `None` when all has been read, or an error was told.
    ///
    /// # Errors
    /// When reading broke off: what came before it is not all.
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

/// Puts events together to pages.
pub struct StreamSender {
    pages: mpsc::Sender<Vec<RecordedEvent>>,
    page: Vec<RecordedEvent>,
    bytes: usize,
}

impl StreamSender {
    /// The next event, in order. Waits while enough has been read ahead.
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
            // Fails when nobody takes them any more, and then this task is about to be ended.
            let _ = self.pages.send(page).await;
        }
    }
}
