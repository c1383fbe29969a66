//! A newsroom whose clock stands until it is set, and agendas at work in it.

use std::sync::Arc;
use std::time::Duration;

use command_stack::accounts::{AccountStore, NewAccount, PostgresAccounts, SqliteAccounts, open};
use command_stack::agenda::Agenda;
use command_stack::aggregate::Authorize;
use command_stack::caller::Caller;
use command_stack::clock::Clock;
use command_stack::command_handler::{CommandHandler, Context, ExpectedVersion, Target};
use command_stack::email_digest::EmailDigest;
use command_stack::event_log::EventLog;
use command_stack::news::{Begin, Change, NewsCommand};
use command_stack::user::UserCommand;
use events::news::{Article, ArticlePublished, NewsEvent, WrittenText};
use events::personal::UserKey;
use events::user::User;
use events::{ArticleId, Category, DomainEvent, Metadata, RecordedEvent, Timestamp, UserId};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::database::{Database, Kept, eventually};

pub(crate) struct Newsroom {
    pub(crate) on: Database,
    pub(crate) accounts: Arc<dyn AccountStore>,
    pub(crate) clock: Clock,
    handler: CommandHandler,
}

/// So many minutes after the moment at which the clock stands first.
pub(crate) fn minute(minutes: u64) -> Timestamp {
    let since = i64::try_from(Duration::from_secs(60 * minutes).as_millis()).expect("a time");
    Timestamp::from_millis(1_800_000_000_000 + since)
}

pub(crate) fn category(name: &str) -> Category {
    name.parse().expect("a category")
}

fn context() -> Context {
    let caller = Caller::Portal("test");
    let causation_id = Uuid::now_v7();
    let correlation_id = "request-1".to_owned();
    let metadata =
        Metadata { actor: caller.actor(), correlation_id, causation_id, traceparent: None };
    Context { caller, metadata, key: None }
}

impl Newsroom {
    pub(crate) fn of(on: Database) -> Self {
        let clock = Clock::standing_at(minute(0));
        let handler = CommandHandler::new(Arc::clone(&on.log), clock.clone());
        let accounts: Arc<dyn AccountStore> = match &on.kept {
            Kept::Sqlite { pool, .. } => Arc::new(SqliteAccounts(pool.clone())),
            Kept::Postgres { pool, .. } => Arc::new(PostgresAccounts(pool.clone())),
        };
        Self { on, accounts, clock, handler }
    }

    pub(crate) async fn begin(&self, begin: Begin, author_id: Option<UserId>) -> ArticleId {
        let article = ArticleId(Uuid::now_v7());
        let category = category("sports");
        let (title, content) = ("A".parse().expect("a title"), "Text.".parse().expect("a content"));
        let text = WrittenText::new(title, content);
        let command = NewsCommand::Begin { category, text, author_id, begin, embargo_until: None };
        self.handle::<Article>(Target::New(article.0), &command).await;
        article
    }

    pub(crate) async fn schedule(&self, minutes: u64) -> ArticleId {
        self.begin(Begin::Schedule(minute(minutes)), None).await
    }

    pub(crate) async fn change(&self, article: ArticleId, change: Change) {
        let category = self.article(article).await.category;
        let command = NewsCommand::Change { category, change };
        self.handle::<Article>(Target::Existing(article.0, ExpectedVersion::Any), &command).await;
    }

    /// Somebody with an account.
    pub(crate) async fn register(&self, email: &str) -> UserId {
        let (user, key) = (UserId(Uuid::now_v7()), UserKey::generate().expect("randomness"));
        let (name, sealed) = (key.seal(user, "Ada"), key.seal(user, email));
        let (password_hash, email) = ("$argon2id$".to_owned(), EmailDigest::of(email));
        let account = NewAccount { user, key, email, password_hash };
        open(&*self.accounts, &self.on.log, &account, self.clock.now()).await.expect("open");
        let command = UserCommand::Register { name, email: sealed };
        self.handle::<User>(Target::New(user.0), &command).await;
        user
    }

    /// Says so in the log, and nothing more: as if the process had died after it.
    pub(crate) async fn erase(&self, user: UserId) {
        let target = Target::Existing(user.0, ExpectedVersion::Any);
        self.handle::<User>(target, &UserCommand::Erase).await;
    }

    async fn handle<A: Authorize>(&self, target: Target, command: &A::Command) {
        let handled = self.handler.handle::<A>(target, command, &context()).await;
        assert!(handled.is_ok(), "the command was not carried out");
    }

    pub(crate) async fn article(&self, id: ArticleId) -> Article {
        self.handler.read(id.0).await.expect("read").expect("an article")
    }

    /// Each time the article was published.
    pub(crate) async fn publications(
        &self,
        id: ArticleId,
    ) -> Vec<(RecordedEvent, ArticlePublished)> {
        let events = self.on.log.read_stream(&id.into()).await.expect("read");
        let published = |event: RecordedEvent| match event.decode().expect("an event") {
            DomainEvent::News(NewsEvent::Published(published)) => Some((event, published)),
            _ => None,
        };
        events.into_iter().filter_map(published).collect()
    }

    /// Waits until it is published, and is told of it.
    pub(crate) async fn is_published(&self, id: ArticleId) -> (RecordedEvent, ArticlePublished) {
        let publication = async || self.publications(id).await.pop();
        eventually("the article is published", publication).await
    }

    pub(crate) fn agenda(&self) -> RunningAgenda {
        self.agenda_of(&self.on.log)
    }

    pub(crate) fn agenda_of(&self, log: &Arc<dyn EventLog>) -> RunningAgenda {
        let accounts = Arc::clone(&self.accounts);
        let agenda = Agenda::new(Arc::clone(log), accounts, self.clock.clone());
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(agenda.run(shutdown.clone()));
        RunningAgenda { shutdown, task }
    }
}

pub(crate) struct RunningAgenda {
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl RunningAgenda {
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.expect("the agenda ends");
    }

    /// As kill -9 does.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.is_err());
    }
}
