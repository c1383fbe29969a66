//! A newsroom with its own view store and log; recorded events pass the projections.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use events::news::{
    ArticleCorrected, ArticleDrafted, ArticleMovedIn, ArticleMovedOut, ArticlePublished,
    ArticleStatus, ArticleText, NewsEvent,
};
use events::personal::{KeyReader, UserKey};
use events::{
    Actor, ArticleId, BoxError, DomainEvent, LogError, Metadata, NewEvent, Partition, Position,
    RecordedEvent, StreamId, StreamPages, Timestamp, Version,
};
use proto::v1::article_answer::Answer;
use tempfile::TempDir;
use tokio::sync::watch;
use tonic::Code;

use super::super::*;
use crate::projection::{ViewWriter, views};
use crate::view_store::{Slot, SqliteViewStore};

/// The log and the keys of one database, which can be unavailable.
#[derive(Default)]
pub(crate) struct Database {
    pub(super) down: AtomicBool,
    events: Mutex<Vec<RecordedEvent>>,
    pub(super) keys: Mutex<HashMap<UserId, UserKey>>,
}

/// A recorded event by Ada; number n is recorded at millisecond n.
pub(crate) fn recorded(
    stream_id: StreamId,
    position: i64,
    version: Version,
    new: NewEvent,
) -> RecordedEvent {
    RecordedEvent {
        position: Position::new(position),
        stream_id,
        version,
        event_id: new.event_id,
        partition: new.partition,
        event_type: new.event_type.to_owned(),
        schema_version: new.schema_version,
        data: new.data,
        metadata: Metadata {
            actor: Actor::User(ada()),
            correlation_id: String::new(),
            causation_id: Uuid::nil(),
            traceparent: None,
        },
        recorded_at: Timestamp::from_millis(position),
    }
}

impl Database {
    pub(crate) fn append(&self, stream: &StreamId, new: NewEvent) {
        let mut log = self.events.lock().expect("events");
        let position = i64::try_from(log.len()).expect("few") + 1;
        let before = log.iter().filter(|event| event.stream_id == *stream).count();
        log.push(recorded(stream.clone(), position, Version::NONE.plus(before + 1), new));
    }

    fn up(&self) -> Result<(), LogError> {
        let down = self.down.load(Ordering::Relaxed);
        if down { Err(LogError::Unavailable("down".into())) } else { Ok(()) }
    }
}

#[async_trait]
impl Dependency for Database {
    async fn ping(&self) -> Result<(), BoxError> {
        Ok(self.up()?)
    }
}

#[async_trait]
impl KeyReader for Database {
    async fn keys(&self, users: &[UserId]) -> Result<HashMap<UserId, UserKey>, LogError> {
        self.up()?;
        let keys = self.keys.lock().expect("keys");
        Ok(users.iter().filter_map(|user| Some((*user, keys.get(user)?.clone()))).collect())
    }
}

#[async_trait]
impl EventReader for Database {
    async fn read_after(
        &self,
        after: Position,
        partition: Option<&Partition>,
        _: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        self.up()?;
        let mut events = self.events.lock().expect("events").clone();
        events.retain(|event| {
            event.position > after && partition.is_none_or(|part| *part == event.partition)
        });
        Ok(events)
    }

    async fn read_back(
        &self,
        from: Position,
        partition: &Partition,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        let mut events = self.read_after(Position::START, Some(partition), 0).await?;
        events.retain(|event| event.position <= from);
        Ok(events.into_iter().rev().take(limit).collect())
    }

    async fn read_stream(&self, stream: &StreamId) -> Result<Vec<RecordedEvent>, LogError> {
        self.up()?;
        let mut events = self.events.lock().expect("events").clone();
        events.retain(|event| event.stream_id == *stream);
        Ok(events)
    }

    fn streams(&self, partitions: &[Partition], up_to: Position) -> StreamPages {
        let mut events = self.events.lock().expect("events").clone();
        events.retain(|event| event.position <= up_to && partitions.contains(&event.partition));
        events.sort_by(|a, b| (&a.stream_id, a.version).cmp(&(&b.stream_id, b.version)));
        StreamPages::reading(move |mut pages| async move {
            for event in events {
                pages.send(event).await;
            }
            Ok(pages)
        })
    }

    async fn count(&self, partitions: &[Partition], up_to: Position) -> Result<u64, LogError> {
        let mut events = self.read_after(Position::START, None, 0).await?;
        events.retain(|event| event.position <= up_to && partitions.contains(&event.partition));
        Ok(events.len() as u64)
    }

    async fn count_after(
        &self,
        after: Position,
        partition: &Partition,
        at_most: u32,
    ) -> Result<u64, LogError> {
        let events = self.read_after(after, Some(partition), 0).await?;
        Ok(events.len().min(at_most as usize) as u64)
    }

    async fn last_position(
        &self,
        partition: Option<&Partition>,
        up_to: Position,
    ) -> Result<Position, LogError> {
        let events = self.read_after(Position::START, partition, 0).await?;
        let last = events.iter().map(|event| event.position).filter(|at| *at <= up_to).max();
        Ok(last.unwrap_or(Position::START))
    }

    async fn gaps(&self) -> Result<Vec<String>, LogError> {
        Ok(Vec::new())
    }

    fn appended(&self) -> watch::Receiver<()> {
        watch::channel(()).1
    }
}

pub(crate) struct Newsroom {
    pub(crate) queries: Queries,
    pub(crate) database: Arc<Database>,
    _folder: TempDir,
}

pub(crate) fn ada() -> UserId {
    UserId(Uuid::from_u128(1))
}

pub(crate) fn category(name: &str) -> Category {
    name.parse().expect("a category")
}

pub(super) fn staff(user: UserId, editor: bool) -> Option<v1::Viewer> {
    Some(v1::Viewer { user_id: user.to_string(), editor })
}

pub(super) fn another() -> Option<v1::Viewer> {
    staff(UserId(Uuid::from_u128(2)), false)
}

pub(crate) fn text(content: &str, key: &UserKey) -> ArticleText {
    let byline = Some(key.seal(ada(), "Ada"));
    let (title, content) = ("T".to_owned(), content.to_owned());
    ArticleText { title, content, byline, ..Default::default() }
}

impl Newsroom {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("views.db");
        let store = SqliteViewStore::at(path.to_str().expect("UTF-8")).await.expect("a file");
        let database = Arc::new(Database::default());
        database.keys.lock().expect("keys").insert(ada(), key());
        let keyring = Keyring::new(database.clone());
        let categories = [category("sports"), category("politics")];
        let (store, readings) = (Arc::new(store.clone()), Arc::new(store));
        let queries = Queries::new(store, readings, database.clone(), keyring, &categories);
        Self { queries, database, _folder: folder }
    }

    pub(crate) fn store(&self) -> Arc<dyn ViewStore> {
        Arc::clone(&self.queries.store)
    }

    /// Appends to the log and to every view.
    pub(super) async fn record(
        &self,
        stream: StreamId,
        events: impl IntoIterator<Item = DomainEvent>,
    ) {
        for event in events {
            self.database.append(&stream, event.encode().expect("an event"));
        }
        for view in views(&self.queries.categories) {
            let store = Arc::clone(&self.queries.store);
            let from = store.state(&view).await.expect("a state").live;
            let events = self.database.read_after(from.position, Some(&view.partition), 99).await;
            let writer = ViewWriter::new(store, view, Slot::Live);
            writer.advance(from, &events.expect("events")).await.expect("advanced");
        }
    }

    pub(super) async fn article(&self, request: GetArticleRequest) -> Result<Answer, Code> {
        self.queries.article(request).await.map_err(|status| status.code())
    }

    pub(super) async fn content(
        &self,
        id: ArticleId,
        viewer: Option<v1::Viewer>,
    ) -> Result<String, Code> {
        match self.article(GetArticleRequest { viewer, ..of(id) }).await? {
            Answer::Article(article) => Ok(article.content),
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn listed(
        &self,
        status: Option<&str>,
        viewer: Option<v1::Viewer>,
    ) -> Result<Vec<v1::ArticleSummary>, Code> {
        let (category, status) = ("sports".to_owned(), status.map(str::to_owned));
        let request =
            ListArticlesRequest { category, status, viewer, limit: 9, ..Default::default() };
        let page = self.queries.articles(request).await;
        page.map(|page| page.items).map_err(|status| status.code())
    }
}

pub(crate) fn key() -> UserKey {
    UserKey::new([7; 32])
}

pub(super) fn of(id: ArticleId) -> GetArticleRequest {
    GetArticleRequest { category: "sports".to_owned(), id: id.to_string(), ..Default::default() }
}

pub(crate) fn drafted() -> DomainEvent {
    let author_id = Some(ada());
    let text = text("draft", &key());
    NewsEvent::Drafted(ArticleDrafted { category: category("sports"), text, author_id }).into()
}

pub(crate) fn published() -> DomainEvent {
    let event = ArticlePublished {
        category: category("sports"),
        text: text("first", &key()),
        author_id: Some(ada()),
        drafted_at: None,
        scheduled_for: None,
        first_published_at: None,
    };
    NewsEvent::Published(event).into()
}

pub(crate) fn corrected() -> DomainEvent {
    let (text, note) = (text("second", &key()), "Why.".to_owned());
    NewsEvent::Corrected(ArticleCorrected { category: category("sports"), text, note }).into()
}

/// A published article leaves one category and enters the other.
pub(super) fn moved(from: &str, to: &str) -> [DomainEvent; 2] {
    let moved_in = ArticleMovedIn {
        category: category(to),
        from: category(from),
        status: ArticleStatus::Published,
        text: text("first", &key()),
        author_id: None,
        created_at: Timestamp::from_millis(1),
        published_at: Some(Timestamp::from_millis(1)),
        publish_at: None,
        embargo_until: None,
        corrections: Vec::new(),
    };
    let moved_out = ArticleMovedOut { category: category(from), to: category(to) };
    [NewsEvent::MovedOut(moved_out), NewsEvent::MovedIn(Box::new(moved_in))].map(DomainEvent::from)
}
