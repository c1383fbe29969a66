//! Past states and the history of an article, from the log, which is the record.

use std::time::{Duration, Instant};

use events::news::Viewer;
use events::{ArticleId, BoxError, Category, Chain, StreamId, Timestamp, Version};
use proto::v1::{
    GetHistoryRequest, History, HistoryEntry, Retracted, article_answer, history_answer,
};
use tonic::Status;
use uuid::Uuid;

use super::{Queries, id, malformed, nothing, read, silent_log, viewer};
use crate::history::{Access, Ledger, Point, access};

/// The deadline for computing the differences of one history.
const DIFF_TIMEOUT: Duration = Duration::from_millis(500);

/// What a viewer may see of an article's history.
enum ArticleHistory {
    Ledger { ledger: Ledger, since_publication: bool },
    Retracted(Retracted),
    Moved(String),
}

impl Queries {
    pub(super) async fn history(
        &self,
        request: GetHistoryRequest,
    ) -> Result<history_answer::Answer, Status> {
        let (category, id) = (self.category(&request.category)?, id(&request.id)?);
        // A long history is megabytes of text and takes CPU time: one per core at a time.
        let _turn = self.ledgers.acquire().await;
        let past = self.past(category, id, viewer(request.viewer)?).await?;
        Ok(match past {
            ArticleHistory::Ledger { ledger, since_publication } => {
                let entries = entries(ledger, since_publication).await?;
                history_answer::Answer::History(History { entries })
            }
            ArticleHistory::Retracted(retracted) => history_answer::Answer::Retracted(retracted),
            ArticleHistory::Moved(to) => history_answer::Answer::Moved(to),
        })
    }

    pub(super) async fn past_article(
        &self,
        category: &Category,
        id: Uuid,
        point: Point,
        viewer: Option<Viewer>,
    ) -> Result<article_answer::Answer, Status> {
        Ok(match self.past(category, id, viewer).await? {
            ArticleHistory::Ledger { ledger, since_publication } => {
                let state = ledger.at(point, since_publication).map_err(|error| corrupt(&error))?;
                let body = serde_json::to_value(state.ok_or_else(nothing)?);
                article_answer::Answer::Article(read(body.map_err(|error| corrupt(&error))?)?)
            }
            ArticleHistory::Retracted(retracted) => article_answer::Answer::Retracted(retracted),
            ArticleHistory::Moved(to) => article_answer::Answer::Moved(to),
        })
    }

    async fn past(
        &self,
        category: &Category,
        id: Uuid,
        viewer: Option<Viewer>,
    ) -> Result<ArticleHistory, Status> {
        let events = self.log.read_stream(&StreamId::from(ArticleId(id))).await;
        let events = events.map_err(silent_log)?;
        let now = Timestamp::from(chrono::Utc::now());
        let access = access(&events, category, viewer, now).map_err(|error| corrupt(&*error))?;
        let since_publication = match access {
            Access::All => false,
            Access::SincePublication => true,
            Access::Retracted(retraction) => {
                let (at, reason) = (retraction.at.to_string(), retraction.reason);
                return Ok(ArticleHistory::Retracted(Retracted { at, reason }));
            }
            Access::Moved(to) => return Ok(ArticleHistory::Moved(to.to_string())),
            Access::Nothing => return Err(nothing()),
        };
        let mut ledger = Ledger::read(&events).map_err(|error: BoxError| corrupt(&*error))?;
        let keys = self.keyring.keys_for(ledger.bylines()).await;
        let unreadable = |_| Status::unavailable("the keys of users cannot be read");
        ledger.open(&keys).map_err(unreadable)?;
        Ok(ArticleHistory::Ledger { ledger, since_publication })
    }
}

/// Computed on a blocking thread, because comparing long texts takes time.
async fn entries(ledger: Ledger, since_publication: bool) -> Result<Vec<HistoryEntry>, Status> {
    let deadline = Instant::now() + DIFF_TIMEOUT;
    let entries = tokio::task::spawn_blocking(move || ledger.entries(since_publication, deadline));
    let entries = entries.await.map_err(|error| corrupt(&error))?;
    entries.map_err(|error| corrupt(&error))
}

/// The requested past state, if any.
pub(super) fn point(version: Option<i64>, as_of: Option<&str>) -> Result<Option<Point>, Status> {
    match (version, as_of) {
        (None, None) => Ok(None),
        (Some(version), None) => Ok(Some(Point::After(Version::new(version)))),
        (None, Some(time)) => time.parse().map(Point::At).map(Some).map_err(|_| malformed()),
        (Some(_), Some(_)) => Err(malformed()),
    }
}

fn corrupt(error: &(dyn std::error::Error + 'static)) -> Status {
    tracing::error!(error = %Chain(error), "the past of an article cannot be told");
    Status::internal("the stream of the article cannot be read")
}
