//! From a command to recorded events: load, decide, append, and again from the start when somebody
//! else was quicker.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use events::{DomainEvent, LogError, Metadata, Position, Stamp, Version};
use uuid::Uuid;

use crate::aggregate::{Aggregate, Authorize, fold};
use crate::caller::{Caller, Denied};
use crate::clock::Clock;
use crate::event_log::{
    Append, AppendError, Appended, CommandKey, EventLog, FirstAnswer, StreamAppend,
};

/// Conflicts that one command outlives. Each means that another command succeeded, so this bounds
/// the work, not the progress of the system.
const ATTEMPTS: usize = 8;

/// Which stream a command is for.
#[derive(Debug, Clone)]
pub enum Target {
    /// One that does not exist yet; nothing is read.
    New(Uuid),
    /// One that should exist, at a version that the caller expects.
    Existing(Uuid, ExpectedVersion),
}

/// The version at which the caller expects the aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpectedVersion {
    /// Any version will do.
    Any,
    /// One of these; an empty list matches none.
    OneOf(Vec<Version>),
    /// The command requires the caller to name a version, and the caller named none.
    Missing,
}

impl Target {
    /// A missing version is reported before the rules of the aggregate decide.
    fn check_given<E>(&self) -> Result<(), CommandError<E>> {
        match self {
            Self::Existing(_, ExpectedVersion::Missing) => {
                Err(CommandError::ExpectedVersionMissing)
            }
            Self::Existing(..) | Self::New(_) => Ok(()),
        }
    }

    fn check<E>(&self, current: Version) -> Result<(), CommandError<E>> {
        match self {
            Self::Existing(_, ExpectedVersion::OneOf(versions)) if !versions.contains(&current) => {
                Err(CommandError::Stale { current })
            }
            Self::Existing(..) | Self::New(_) => Ok(()),
        }
    }
}

/// From whom a command comes, and whether it is a repetition.
#[derive(Debug, Clone)]
pub struct Context {
    /// Who gives it.
    pub caller: Caller,
    /// Goes into every event.
    pub metadata: Metadata,
    /// The `Idempotency-Key`, if there is one.
    pub key: Option<CommandKey>,
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handled<A> {
    /// The aggregate after it.
    pub aggregate: A,
    /// Where in the log its last event stands; for a command that changed nothing, the last event
    /// of the stream.
    pub position: Position,
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum CommandError<E> {
    /// The caller may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// A rule forbids it.
    #[error("refused by a rule")]
    Refused(E),
    /// See [`ExpectedVersion::Missing`].
    #[error("the command requires an expected version")]
    ExpectedVersionMissing,
    /// The aggregate is not at the version that the caller expects.
    #[error("the current version is {current}")]
    Stale {
        /// Where it is.
        current: Version,
    },
    /// The key belongs to another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The first request with this key is not done yet.
    #[error("a command with this idempotency key is running")]
    InProgress,
    /// See [`AppendError::Overloaded`].
    #[error("too many commands are waiting")]
    Overloaded,
    /// Others were quicker too often.
    #[error("too many conflicts")]
    TooManyConflicts,
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Carries commands out. Clones share the log and what is running.
#[derive(Clone)]
pub struct CommandHandler {
    log: Arc<dyn EventLog>,
    clock: Clock,
    running: Arc<Mutex<HashSet<String>>>,
}

/// How one attempt ended without success.
enum Failed<E> {
    Conflict,
    Repeated(FirstAnswer),
    Error(CommandError<E>),
}

impl<E, T: Into<CommandError<E>>> From<T> for Failed<E> {
    fn from(error: T) -> Self {
        Self::Error(error.into())
    }
}

impl CommandHandler {
    /// A handler that appends to this log, and decides by this clock.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, clock: Clock) -> Self {
        Self { log, clock, running: Arc::default() }
    }

    /// Carries a command out, or gives the answer that the first command with its key got.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn handle<A: Authorize>(
        &self,
        target: Target,
        command: &A::Command,
        context: &Context,
    ) -> Result<Handled<A>, CommandError<A::Error>> {
        let _running = self.enter(context.key.as_ref())?;
        if let Some(first) = self.first_answer::<A>(context).await? {
            return Ok(first);
        }
        for _ in 0..ATTEMPTS {
            match self.attempt(&target, command, context).await {
                Ok(handled) => return Ok(handled),
                Err(Failed::Conflict) => {}
                Err(Failed::Repeated(first)) => return self.again(context, first).await,
                Err(Failed::Error(error)) => return Err(error),
            }
        }
        Err(CommandError::TooManyConflicts)
    }

    /// What the first command with this key was answered, if there was one.
    ///
    /// # Errors
    /// [`CommandError::KeyReused`] when that was another request.
    pub async fn first_answer<A: Aggregate>(
        &self,
        context: &Context,
    ) -> Result<Option<Handled<A>>, CommandError<A::Error>> {
        let Some(key) = &context.key else { return Ok(None) };
        match self.log.find_command(&key.id).await? {
            Some(first) => self.again(context, first).await.map(Some),
            None => Ok(None),
        }
    }

    fn enter<E>(&self, key: Option<&CommandKey>) -> Result<Option<Running>, CommandError<E>> {
        let Some(key) = key else { return Ok(None) };
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if !running.insert(key.id.clone()) {
            return Err(CommandError::InProgress);
        }
        Ok(Some(Running { id: key.id.clone(), all: Arc::clone(&self.running) }))
    }

    async fn attempt<A: Authorize>(
        &self,
        target: &Target,
        command: &A::Command,
        context: &Context,
    ) -> Result<Handled<A>, Failed<A::Error>> {
        let (id, state, position) = self.load::<A>(target, command).await?;
        let events = self.decide(target, state.as_ref(), command, context)?;
        match state {
            Some(aggregate) if events.is_empty() => Ok(Handled { aggregate, position }),
            state => {
                let events = events.into_iter().map(Into::into).collect();
                self.append(id, state, events, context).await
            }
        }
    }

    /// Whether a command would be carried out now: for what has to be done before it, and must not
    /// be done for nothing.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn rehearse<A: Authorize>(
        &self,
        target: &Target,
        command: &A::Command,
        context: &Context,
    ) -> Result<Option<A>, CommandError<A::Error>> {
        let (_, state, _) = self.load::<A>(target, command).await?;
        self.decide(target, state.as_ref(), command, context)?;
        Ok(state)
    }

    /// The aggregate as it is; `None` when there is none.
    ///
    /// # Errors
    /// When the log does not answer or is corrupt.
    pub async fn read<A: Aggregate>(&self, id: Uuid) -> Result<Option<A>, LogError> {
        fold(&self.log.read_stream(&A::stream(id)).await?)
    }

    fn decide<A: Authorize>(
        &self,
        target: &Target,
        state: Option<&A>,
        command: &A::Command,
        context: &Context,
    ) -> Result<Vec<A::Event>, CommandError<A::Error>> {
        let now = self.clock.now();
        A::authorize(state, command, &context.caller, now)?;
        target.check_given()?;
        let events = A::decide(state, command, now).map_err(CommandError::Refused)?;
        // After the decision: preconditions come after the normal checks (RFC 9110, 13.2.1).
        target.check(state.map_or(Version::NONE, A::version))?;
        Ok(events)
    }

    async fn load<A: Aggregate>(
        &self,
        target: &Target,
        command: &A::Command,
    ) -> Result<(Uuid, Option<A>, Position), LogError> {
        let id = match target {
            Target::New(id) => return Ok((*id, None, Position::START)),
            Target::Existing(id, _) => *id,
        };
        let events = self.log.read_stream(&A::stream(id)).await?;
        let position = events.last().map_or(Position::START, |event| event.position);
        let state = fold::<A>(&events)?.or_else(|| A::initial(command));
        Ok((id, state, position))
    }

    async fn append<A: Aggregate>(
        &self,
        id: Uuid,
        state: Option<A>,
        events: Vec<DomainEvent>,
        context: &Context,
    ) -> Result<Handled<A>, Failed<A::Error>> {
        let expected = state.as_ref().map_or(Version::NONE, A::version);
        let encoded: Result<_, _> = events.iter().map(DomainEvent::encode).collect();
        let encoded = encoded.map_err(|error| LogError::Corrupt(error.into()))?;
        let stream = StreamAppend { stream_id: A::stream(id), expected, events: encoded };
        let (key, metadata) = (context.key.clone(), context.metadata.clone());
        let append = Append { key, metadata, streams: vec![stream] };
        let appended = self.log.append(append).await.map_err(|error| match error {
            AppendError::Conflict => Failed::Conflict,
            AppendError::Repeated(first) => Failed::Repeated(first),
            AppendError::Overloaded => Failed::Error(CommandError::Overloaded),
            AppendError::Log(error) => Failed::from(error),
        })?;
        Ok(after(id, expected, state, events, appended)?)
    }

    /// The first answer again: the aggregate as it was right after that command.
    async fn again<A: Aggregate>(
        &self,
        context: &Context,
        first: FirstAnswer,
    ) -> Result<Handled<A>, CommandError<A::Error>> {
        if context.key.as_ref().is_none_or(|key| key.fingerprint != first.fingerprint) {
            return Err(CommandError::KeyReused);
        }
        let mut events = self.log.read_stream(&first.stream_id).await?;
        events.retain(|event| event.version <= first.version);
        match fold(&events)? {
            Some(aggregate) => Ok(Handled { aggregate, position: first.position }),
            None => Err(LogError::Corrupt("a remembered command without events".into()).into()),
        }
    }
}

/// The aggregate as the events that were just recorded leave it.
fn after<A: Aggregate>(
    id: Uuid,
    expected: Version,
    mut state: Option<A>,
    events: Vec<DomainEvent>,
    appended: Appended,
) -> Result<Handled<A>, LogError> {
    for (ahead, event) in (1..).zip(events) {
        let stamp = Stamp { id, version: expected.plus(ahead), at: appended.recorded_at };
        state = Some(A::evolve(state, event, stamp).map_err(LogError::Corrupt)?);
    }
    let aggregate =
        state.ok_or_else(|| LogError::Corrupt("a command that began nothing".into()))?;
    Ok(Handled { aggregate, position: appended.position })
}

struct Running {
    id: String,
    all: Arc<Mutex<HashSet<String>>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}
