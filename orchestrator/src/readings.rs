//! Who read what, told to the bus after the answer has left. The reader waits for nothing: keys for
//! the token are fetched afterwards, and when too many wait, or the bus is away, readings are dropped
//! and counted. What is no token, or a bad one, is dropped at once, so that nobody can fill the places
//! of those who are signed in.

use std::collections::HashSet;
use std::sync::Arc;

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use events::bus::ReadingSender;
use events::readings::Reading;
use events::{ArticleId, Backoff, Chain, Timestamp};
use futures::future::join_all;
use proto::metrics;
use proto::v1::article_answer::Answer;
use proto::v1::{Article, ArticleAnswer};
use tokio::sync::mpsc;

use crate::identity::Identity;

/// Readings that wait to be sent.
const WAITING: usize = 1_024;
/// And places that are kept free for tokens that are known to be good: until there are keys, or for a
/// key that is not among them, anybody can write one.
const FOR_THE_KNOWN: usize = WAITING / 2;
/// Readings that are sent together.
const BATCH: usize = 64;

/// Where readings are noted, if anywhere.
#[derive(Clone)]
pub(crate) struct Readings(Option<(mpsc::Sender<Noted>, Identity)>);

/// That somebody was answered with an article: whoever that is, if anybody.
struct Noted {
    authorization: HeaderValue,
    article_id: String,
    category: String,
    tags: Vec<String>,
    at: Timestamp,
}

impl Readings {
    /// Nowhere.
    pub(crate) const fn off() -> Self {
        Self(None)
    }

    /// To this bus; and what sends them, until all who note are gone.
    pub(crate) fn to(
        bus: Arc<dyn ReadingSender>,
        identity: Identity,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (noted, to_send) = mpsc::channel(WAITING);
        (Self(Some((noted, identity.clone()))), send_all(to_send, identity, bus))
    }

    /// Notes that an answer was given. Waits for nothing.
    pub(crate) fn note(&self, answer: &ArticleAnswer, headers: &HeaderMap) {
        let Some((noted, identity)) = &self.0 else { return };
        let Some(authorization) = headers.get(AUTHORIZATION) else { return };
        let Some(Answer::Article(Article { id, category, tags, .. })) = &answer.answer else {
            return;
        };
        let kept_free = match identity.is_signed_in(headers) {
            Some(false) => return,
            Some(true) => 0,
            None => FOR_THE_KNOWN,
        };
        if noted.capacity() <= kept_free {
            return metrics::readings_dropped(1);
        }
        let noting = noted.try_send(Noted {
            authorization: authorization.clone(),
            article_id: id.clone(),
            category: category.clone(),
            tags: tags.clone(),
            at: chrono::Utc::now().into(),
        });
        if noting.is_err() {
            metrics::readings_dropped(1);
        }
    }
}

async fn send_all(
    mut noted: mpsc::Receiver<Noted>,
    identity: Identity,
    bus: Arc<dyn ReadingSender>,
) {
    let mut backoff = Backoff::default();
    let mut batch = Vec::with_capacity(BATCH);
    while noted.recv_many(&mut batch, BATCH).await > 0 {
        let readings = join_all(batch.drain(..).map(|noted| reading(noted, &identity))).await;
        let mut readings: Vec<_> = readings.into_iter().flatten().collect();
        // Who loads an article again and again does not read it again and again.
        let mut known = HashSet::new();
        readings.retain(|it| known.insert((it.user_id, it.article_id, it.hour())));
        if readings.is_empty() {
            continue;
        }
        if let Err(error) = bus.send(&readings).await {
            tracing::warn!(error = %Chain(&error), "readings were dropped");
            metrics::readings_dropped(readings.len());
            backoff.pause().await;
        }
    }
}

/// `None`: nobody is signed in with that token. Nobody is told so: the article is for everybody.
async fn reading(noted: Noted, identity: &Identity) -> Option<Reading> {
    let Noted { authorization, article_id, category, tags, at } = noted;
    let headers = HeaderMap::from_iter([(AUTHORIZATION, authorization)]);
    let principal = identity.identify(&headers).await.ok()??;
    let article_id = ArticleId(article_id.parse().ok()?);
    Some(Reading::new(principal.user_id, article_id, category.parse().ok()?, &tags, at))
}
