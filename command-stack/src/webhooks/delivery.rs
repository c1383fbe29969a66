//! Carries events to those who have subscribed. One process does it; in it, one task for each
//! subscription, so that a slow or dead receiver delays nobody else.
//!
//! A task reads its subscription anew before every event, and what became of the attempt is written
//! together with how far the subscription is, unless somebody has changed it since. So commands need
//! not tell us anything, and one who believes that it still leads can only repeat, not lose.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use events::{Backoff, Chain, LogError, Position};
use futures::FutureExt;
use proto::public;
use proto::v1::PublicEvent;
use tokio::sync::{Mutex, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::sender::Sender;
use super::{Range, Terms, Webhook, WebhookStore};
use crate::clock::Clock;
use crate::event_log::{EventLog, LeadError, Task, take_turns};

/// Events that are read from the log at a time. Only what is public of them is kept.
const PAGE: usize = 100;
/// Between looks at which subscriptions there are.
const NEWCOMERS: Duration = Duration::from_millis(500);
/// A subscription is looked at this often even if nothing has happened: somebody may have enabled it,
/// or asked for something once more.
const LOOK: Duration = Duration::from_secs(1);
/// Between looks at the log while commands stream in.
const BREATH: Duration = Duration::from_millis(20);
/// How far a subscription is where nothing was for it is written this often: only that it need not
/// read it again after a restart.
const SAVE_INTERVAL: Duration = Duration::from_secs(5);

/// Delivers webhooks. Any number of them may run; one leads.
pub struct Deliveries {
    log: Arc<dyn EventLog>,
    work: Arc<Work>,
}

/// What the tasks share.
struct Work {
    store: Arc<dyn WebhookStore>,
    pages: LogPages,
    sender: Sender,
    clock: Clock,
    terms: Terms,
    appended: watch::Receiver<()>,
}

/// What a task does next.
enum Next {
    /// There may be more to do.
    GoOn,
    /// Nothing, unless the log grows.
    Idle,
    /// Nothing for so long.
    Pause(Duration),
    /// Nothing any more.
    End,
}

/// Where in the log a task has seen that nothing is for its subscription.
struct Seen {
    position: Position,
    saved_at: Instant,
}

impl Deliveries {
    /// To the subscriptions of this store.
    #[must_use]
    pub fn new(
        log: Arc<dyn EventLog>,
        store: Arc<dyn WebhookStore>,
        terms: Terms,
        clock: Clock,
    ) -> Self {
        let (pages, sender) = (LogPages::of(Arc::clone(&log)), Sender::new(terms.allow_private));
        let appended = log.appended();
        let work = Arc::new(Work { store, pages, sender, clock, terms, appended });
        Self { log, work }
    }

    /// Runs until the token is cancelled.
    pub async fn run(self, shutdown: CancellationToken) {
        let work = |_| self.lead().boxed();
        take_turns(&*self.log, Task::Webhooks, shutdown, work).await;
    }

    /// Leads until something fails. All tasks end with it.
    async fn lead(&self) -> Result<Infallible, LeadError> {
        let mut tasks = JoinSet::new();
        let mut running: HashMap<Uuid, AbortHandle> = HashMap::new();
        loop {
            running.retain(|_, task| !task.is_finished());
            while tasks.try_join_next().is_some() {}
            for webhook in self.work.store.list().await? {
                let begins = webhook.disabled.is_none() && !running.contains_key(&webhook.id);
                if begins {
                    let work = Arc::clone(&self.work);
                    running.insert(webhook.id, tasks.spawn(work.follow(webhook.id)));
                }
            }
            sleep(NEWCOMERS).await;
        }
    }
}

impl Work {
    /// Delivers to one subscription until it ends or is disabled.
    async fn follow(self: Arc<Self>, id: Uuid) {
        let (mut backoff, mut appended) = (Backoff::default(), self.appended.clone());
        let mut seen = Seen { position: Position::START, saved_at: Instant::now() };
        loop {
            appended.mark_unchanged();
            match self.step(id, &mut seen).await {
                Ok(Next::GoOn) => {}
                Ok(Next::Idle) => {
                    sleep(BREATH).await;
                    let _ = timeout(LOOK, appended.changed()).await;
                }
                Ok(Next::Pause(pause)) => sleep(pause.min(LOOK)).await,
                Ok(Next::End) => return,
                Err(error) => {
                    tracing::warn!(webhook = %id, error = %Chain(&error), "not delivered for now");
                    backoff.pause().await;
                }
            }
        }
    }

    async fn step(&self, id: Uuid, seen: &mut Seen) -> Result<Next, LogError> {
        let Some(webhook) = self.store.find(id).await? else { return Ok(Next::End) };
        if webhook.disabled.is_some() {
            return Ok(Next::End);
        }
        if let Some(pause) = webhook.pause(self.clock.now()) {
            return Ok(Next::Pause(pause));
        }
        let mut range = webhook.next();
        if webhook.redelivery.is_none() {
            range.after = range.after.max(seen.position);
        }
        let page = self.pages.after(range.after).await?;
        match page.first(range, |event| webhook.wants(event)) {
            Some(event) => self.deliver(webhook, event).await,
            None => self.pass(webhook, range, page.end, seen).await,
        }
    }

    async fn deliver(&self, webhook: Webhook, event: &PublicEvent) -> Result<Next, LogError> {
        let delivery = self.sender.send(&webhook, event, self.clock.now()).await;
        let tried = webhook.tried(&delivery, &self.terms);
        // If that fails it is not known to have arrived, and is sent again.
        let noted = self.store.save(&tried, Some(&delivery)).await?;
        if let Some(disabled) = tried.disabled.filter(|_| noted) {
            let (webhook, reason) = (tried.id, disabled.reason);
            tracing::warn!(%webhook, reason, "a webhook is disabled");
        }
        Ok(Next::GoOn)
    }

    /// Nothing up to the end of the page is for it.
    async fn pass(
        &self,
        webhook: Webhook,
        range: Range,
        end: Position,
        seen: &mut Seen,
    ) -> Result<Next, LogError> {
        let end = end.min(range.until);
        let (is_again, is_further) = (webhook.redelivery.is_some(), end > range.after);
        let due = if is_again {
            is_further
        } else {
            seen.position = end;
            end > webhook.position && seen.saved_at.elapsed() >= SAVE_INTERVAL
        };
        if due {
            seen.saved_at = Instant::now();
            self.store.save(&webhook.past(end), None).await?;
        }
        Ok(if is_further { Next::GoOn } else { Next::Idle })
    }
}

/// What is public of a piece of the log.
struct LogPage {
    after: Position,
    end: Position,
    events: Vec<PublicEvent>,
}

impl LogPage {
    fn covers(&self, position: Position) -> bool {
        self.after <= position && position < self.end
    }

    fn first(&self, of: Range, wanted: impl Fn(&PublicEvent) -> bool) -> Option<&PublicEvent> {
        let (after, until) = (of.after.get(), of.until.get());
        let within = |event: &&PublicEvent| event.position > after && event.position <= until;
        self.events.iter().filter(within).find(|event| wanted(event))
    }
}

/// Reads the log for all tasks. Those that are up to date want the same page: it is read once, and
/// because the log only grows it stays right.
struct LogPages {
    log: Arc<dyn EventLog>,
    newest: Mutex<Arc<LogPage>>,
}

impl LogPages {
    fn of(log: Arc<dyn EventLog>) -> Self {
        let nothing = LogPage { after: Position::START, end: Position::START, events: Vec::new() };
        Self { log, newest: Mutex::new(Arc::new(nothing)) }
    }

    async fn after(&self, position: Position) -> Result<Arc<LogPage>, LogError> {
        let mut newest = self.newest.lock().await;
        if newest.covers(position) {
            return Ok(Arc::clone(&newest));
        }
        let events = self.log.read_after(position, None, PAGE).await?;
        let end = events.last().map_or(position, |last| last.position);
        let events = events.iter().filter_map(public).collect();
        let page = Arc::new(LogPage { after: position, end, events });
        if end > position {
            *newest = Arc::clone(&page);
        }
        Ok(page)
    }
}
