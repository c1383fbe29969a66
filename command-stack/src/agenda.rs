//! The agenda: does what the log obliges the portal to do later. Scheduled articles are published
//! when their time has come; of erased users everything is destroyed and their drafts are archived.
//!
//! It remembers nothing. What is open is asked of the log, and that something was done is an event
//! like any other: so it may be killed at any moment and loses nothing, and what was due while
//! nothing ran is done on return, once. One leads among several instances; if two should ever
//! believe so, the version of the stream lets only one append.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use events::news::Article;
use events::{ArticleId, Chain, LogError, Metadata, Position};
use futures::FutureExt;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::accounts::AccountStore;
use crate::caller::Caller;
use crate::clock::Clock;
use crate::command_handler::{CommandError, CommandHandler, Context, ExpectedVersion, Target};
use crate::event_log::{Duty, EventLog, LeadError, Task, take_turns};
use crate::news::{Change, NewsCommand, NewsError};

/// The log is looked at this often even if nothing woke us.
const POLL: Duration = Duration::from_millis(500);
/// For one duty.
const DUTY_TIMEOUT: Duration = Duration::from_secs(30);
/// Between looks while commands stream in: each costs a query.
const BREATH: Duration = Duration::from_millis(50);
/// Between looks at everything, for what an incremental look cannot see: a draft of somebody who
/// had been erased before.
const FULL_LOOK: Duration = Duration::from_mins(10);

/// Does what is due. Any number of them may run; one leads.
pub struct Agenda {
    log: Arc<dyn EventLog>,
    accounts: Arc<dyn AccountStore>,
    handler: CommandHandler,
    clock: Clock,
}

/// Why a duty was not done; it stays on the list.
#[derive(Debug, thiserror::Error)]
enum Undone {
    #[error(transparent)]
    Command(#[from] CommandError<NewsError>),
    #[error(transparent)]
    Log(#[from] LogError),
}

/// What is to be done, and what of the log has been seen.
struct Open {
    duties: BTreeSet<Duty>,
    seen: Position,
    looked_at_all: Instant,
}

impl Agenda {
    /// An agenda of this log.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, accounts: Arc<dyn AccountStore>, clock: Clock) -> Self {
        let handler = CommandHandler::new(Arc::clone(&log), clock.clone());
        Self { log, accounts, handler, clock }
    }

    /// Runs until the token is cancelled.
    pub async fn run(self, shutdown: CancellationToken) {
        let work = |_| self.follow().boxed();
        take_turns(&*self.log, Task::Agenda, shutdown, work).await;
    }

    /// Leads until something fails.
    async fn follow(&self) -> Result<Infallible, LeadError> {
        let mut appended = self.log.appended();
        let mut open = self.look_at_all().await?;
        loop {
            self.do_what_is_due(&mut open).await;
            sleep(BREATH).await;
            let _ = timeout(self.until_next(&open), appended.changed()).await;
            appended.mark_unchanged();
            if open.looked_at_all.elapsed() > FULL_LOOK {
                open = self.look_at_all().await?;
            } else {
                self.look(&mut open).await?;
            }
        }
    }

    async fn look_at_all(&self) -> Result<Open, LogError> {
        let (duties, seen) = (BTreeSet::new(), Position::START);
        let mut open = Open { duties, seen, looked_at_all: Instant::now() };
        self.look(&mut open).await?;
        Ok(open)
    }

    async fn look(&self, open: &mut Open) -> Result<(), LogError> {
        // Before the look: what comes meanwhile is looked at the next time.
        let head = self.log.last_position(None, Position::END).await?;
        let obligations = self.log.obligations(open.seen).await?;
        open.duties.extend(obligations.into_iter().map(|obligation| obligation.what));
        open.seen = head;
        Ok(())
    }

    /// Until the next planned time, and not longer than a poll.
    fn until_next(&self, open: &Open) -> Duration {
        let now = self.clock.now().millis();
        let planned = open.duties.iter().filter_map(|duty| match duty {
            Duty::Publish { planned, .. } => Some(planned.millis()),
            Duty::Forget { .. } | Duty::Archive { .. } => None,
        });
        // What is due already was tried just now and failed: after a poll it is tried again.
        let next = planned.filter(|planned| *planned > now).min();
        let wait = next.map_or(POLL, |next| Duration::from_millis((next - now).unsigned_abs()));
        wait.min(POLL)
    }

    async fn do_what_is_due(&self, open: &mut Open) {
        let now = self.clock.now();
        let is_due = |duty: &Duty| !matches!(duty, Duty::Publish { planned, .. } if *planned > now);
        let due: Vec<_> = open.duties.iter().copied().filter(is_due).collect();
        for duty in due {
            // One that is never answered must not keep the others from being done.
            match timeout(DUTY_TIMEOUT, self.carry_out(duty)).await {
                Ok(Ok(())) => drop(open.duties.remove(&duty)),
                Err(silence) => {
                    tracing::warn!(?duty, error = %silence, "not done yet");
                }
                Ok(Err(error)) => {
                    tracing::warn!(?duty, error = %Chain(&error), "not done yet");
                }
            }
        }
    }

    async fn carry_out(&self, duty: Duty) -> Result<(), Undone> {
        match duty {
            Duty::Publish { article, planned } => {
                self.change(article, "schedule", Change::PublishDue { planned }).await
            }
            Duty::Forget { user } => Ok(self.accounts.destroy(user).await?),
            Duty::Archive { article } => self.change(article, "erasure", Change::Archive).await,
        }
    }

    async fn change(
        &self,
        article: ArticleId,
        part: &'static str,
        change: Change,
    ) -> Result<(), Undone> {
        let Some(known) = self.handler.read::<Article>(article.0).await? else { return Ok(()) };
        let command = NewsCommand::Change { category: known.category, change };
        let target = Target::Existing(article.0, ExpectedVersion::Any);
        let done = self.handler.handle::<Article>(target, &command, &context(part)).await;
        match done {
            // Somebody else has decided otherwise since: nothing is left to be done.
            Ok(_) | Err(CommandError::Refused(NewsError::IllegalTransition { .. })) => Ok(()),
            // It moved to another category this moment.
            Err(error) => Err(error.into()),
        }
    }
}

fn context(part: &'static str) -> Context {
    let caller = Caller::Portal(part);
    let causation_id = Uuid::now_v7();
    let metadata = Metadata {
        actor: caller.actor(),
        correlation_id: causation_id.to_string(),
        causation_id,
        traceparent: None,
    };
    Context { caller, metadata, key: None }
}
