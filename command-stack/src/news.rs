//! Articles: commands and the rules that decide them. `docs/newsroom.md` has the whole life as a
//! table, and a test compares the two cell by cell.
//!
//! Nothing goes round the machine: a change of the text never publishes, and the only ways to the
//! readers are [`Begin::Publish`] (for an import [`Begin::PublishedElsewhere`]), [`Change::Publish`]
//! and, when a planned time has come, [`Change::PublishDue`].

use events::news::{
    Article, ArticleArchived, ArticleCorrected, ArticleDrafted, ArticleEmbargoed, ArticleMovedIn,
    ArticleMovedOut, ArticlePublished, ArticleRetracted, ArticleRevised, ArticleScheduled,
    ArticleStatus, ArticleText, ArticleUnscheduled, NewsEvent, Note, WrittenText,
};
use events::{
    ArticleId, BoxError, Category, DomainEvent, Stamp, StreamId, Timestamp, UserId, Version,
};
use uuid::Uuid;

use crate::aggregate::Aggregate;

/// What the newsroom wants with an article.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewsCommand {
    /// Begin an article.
    Begin {
        /// Where it will appear.
        category: Category,
        /// The first text.
        text: WrittenText,
        /// Who begins it.
        author_id: Option<UserId>,
        /// How far it goes at once.
        begin: Begin,
        /// Not to be seen outside the newsroom before.
        embargo_until: Option<Timestamp>,
    },
    /// Do something with an article that exists.
    Change {
        /// Where the client believes it to be.
        category: Category,
        /// What to do.
        change: Change,
    },
}

/// How far an article goes when it is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// Only the newsroom sees it.
    Draft,
    /// Readers see it at once.
    Publish,
    /// Readers see it from this time on.
    Schedule(Timestamp),
    /// Readers see it at once, and have seen it elsewhere since this time. Only an import says so.
    PublishedElsewhere(Timestamp),
}

/// What can be done with an article that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Revise an unpublished article, or correct a published one, which then needs a note.
    Text {
        /// The new text.
        text: WrittenText,
        /// What was wrong, for the readers.
        correction_note: Option<Note>,
    },
    /// Show it to the readers, as soon as an embargo allows.
    Publish,
    /// Show it to the readers, because its planned time has come. Does nothing when the plan has
    /// changed: that makes it harmless to ask twice.
    PublishDue {
        /// The time that was planned.
        planned: Timestamp,
    },
    /// Publish it at a time.
    Schedule {
        /// When.
        publish_at: Timestamp,
    },
    /// Make a scheduled article a draft again.
    Unschedule,
    /// Keep an unpublished article within the newsroom until a time; `None` lifts the embargo.
    Embargo {
        /// Until when.
        until: Option<Timestamp>,
    },
    /// Take a published article back.
    Retract {
        /// Why, for the readers.
        reason: Note,
    },
    /// Put a draft or a retracted article away.
    Archive,
    /// Move it to another category.
    Move {
        /// Where to.
        to: Category,
    },
}

impl Change {
    /// What it would have done, as a participle.
    #[must_use]
    pub const fn participle(&self) -> &'static str {
        match self {
            Self::Text { .. } => "changed",
            Self::Publish | Self::PublishDue { .. } => "published",
            Self::Schedule { .. } => "scheduled",
            Self::Unschedule => "unscheduled",
            Self::Embargo { .. } => "embargoed",
            Self::Retract { .. } => "retracted",
            Self::Archive => "archived",
            Self::Move { .. } => "moved",
        }
    }
}

/// Why a command on an article is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NewsError {
    /// There is no such article in this category.
    #[error("there is no such article in this category")]
    NotFound,
    /// An article with this id exists.
    #[error("the article exists already")]
    Exists,
    /// The state does not allow the command.
    #[error("a {status} article cannot be {command}")]
    IllegalTransition {
        /// Where the article is in its life.
        status: ArticleStatus,
        /// What was asked for, as a participle.
        command: &'static str,
    },
    /// Readers of a published article are owed a reason.
    #[error("a published article is corrected with a correction_note")]
    MissingNote,
    /// A plan for the past.
    #[error("must be in the future")]
    PublishAtPast,
    /// A first publication that is still to come.
    #[error("must not be in the future")]
    PublishedInFuture,
    /// An embargo that has already ended.
    #[error("must be in the future")]
    EmbargoPast,
    /// A plan that breaks the embargo.
    #[error("the article is under embargo until {until}")]
    PublishAtUnderEmbargo {
        /// The end of the embargo.
        until: Timestamp,
    },
    /// An embargo that breaks the plan.
    #[error("the article is scheduled for {publish_at}: schedule it for later first")]
    EmbargoBeyondSchedule {
        /// The plan.
        publish_at: Timestamp,
    },
}

impl Aggregate for Article {
    type Command = NewsCommand;
    type Event = NewsEvent;
    type Error = NewsError;

    fn decide(
        state: Option<&Self>,
        command: &NewsCommand,
        now: Timestamp,
    ) -> Result<Vec<NewsEvent>, NewsError> {
        match (state, command.clone()) {
            (None, NewsCommand::Begin { category, text, author_id, begin, embargo_until }) => {
                let draft = ArticleDrafted { category, text: text.into(), author_id };
                begin_article(draft, begin, embargo_until, now)
            }
            (Some(_), NewsCommand::Begin { .. }) => Err(NewsError::Exists),
            (Some(article), NewsCommand::Change { category, change })
                if article.category == category =>
            {
                change_article(article, change, now)
            }
            (_, NewsCommand::Change { .. }) => Err(NewsError::NotFound),
        }
    }

    fn evolve(state: Option<Self>, event: DomainEvent, stamp: Stamp) -> Result<Self, BoxError> {
        match event {
            DomainEvent::News(event) => Ok(Self::evolve(state, event, stamp)?),
            DomainEvent::User(_) | DomainEvent::Front(_) => {
                Err("an event of something else in the stream of an article".into())
            }
        }
    }

    fn stream(id: Uuid) -> StreamId {
        ArticleId(id).into()
    }

    fn version(&self) -> Version {
        self.version
    }
}

fn begin_article(
    draft: ArticleDrafted,
    begin: Begin,
    embargo_until: Option<Timestamp>,
    now: Timestamp,
) -> Result<Vec<NewsEvent>, NewsError> {
    let category = draft.category.clone();
    if embargo_until.is_some_and(|until| until <= now) {
        return Err(NewsError::EmbargoPast);
    }
    let publish_at = match (begin, embargo_until) {
        (Begin::Publish, None) => return Ok(published_at_once(draft, None)),
        (Begin::PublishedElsewhere(at), _) if at > now => return Err(NewsError::PublishedInFuture),
        (Begin::PublishedElsewhere(at), None) => return Ok(published_at_once(draft, Some(at))),
        (Begin::PublishedElsewhere(_), Some(until)) => {
            return Err(NewsError::PublishAtUnderEmbargo { until });
        }
        (Begin::Draft, _) => None,
        (Begin::Publish, until) => until,
        (Begin::Schedule(at), until) => Some(checked_plan(at, until, now)?),
    };
    let mut events = vec![NewsEvent::Drafted(draft)];
    if let (until @ Some(_), category) = (embargo_until, category.clone()) {
        events.push(NewsEvent::Embargoed(ArticleEmbargoed { category, until }));
    }
    events.extend(publish_at.map(|publish_at| schedule(category, publish_at)));
    Ok(events)
}

/// Without having been a draft here.
fn published_at_once(
    draft: ArticleDrafted,
    first_published_at: Option<Timestamp>,
) -> Vec<NewsEvent> {
    let ArticleDrafted { category, text, author_id } = draft;
    vec![NewsEvent::Published(ArticlePublished {
        category,
        text,
        author_id,
        drafted_at: None,
        scheduled_for: None,
        first_published_at,
    })]
}

fn schedule(category: Category, publish_at: Timestamp) -> NewsEvent {
    NewsEvent::Scheduled(ArticleScheduled { category, publish_at })
}

/// A plan is for the future, and not before an embargo ends.
fn checked_plan(
    publish_at: Timestamp,
    embargo_until: Option<Timestamp>,
    now: Timestamp,
) -> Result<Timestamp, NewsError> {
    match embargo_until {
        _ if publish_at <= now => Err(NewsError::PublishAtPast),
        Some(until) if publish_at < until => Err(NewsError::PublishAtUnderEmbargo { until }),
        _ => Ok(publish_at),
    }
}

fn change_article(
    article: &Article,
    change: Change,
    now: Timestamp,
) -> Result<Vec<NewsEvent>, NewsError> {
    use ArticleStatus::{Draft, Published, Retracted, Scheduled};
    let refused =
        NewsError::IllegalTransition { status: article.status, command: change.participle() };
    let category = article.category.clone();
    let event = match (article.status, change) {
        (Draft | Scheduled | Published, Change::Text { text, correction_note }) => {
            return change_text(article, text.into(), correction_note);
        }
        (Draft | Scheduled, Change::Publish) => return Ok(publish_now(article, now)),
        // Also for an article that was published or changed meanwhile.
        (_, Change::PublishDue { planned }) => return Ok(publish_due(article, planned, now)),
        (Draft | Scheduled, Change::Schedule { publish_at }) => {
            let publish_at = checked_plan(publish_at, article.embargo_until, now)?;
            if article.publish_at == Some(publish_at) {
                return Ok(Vec::new());
            }
            schedule(category, publish_at)
        }
        (Scheduled, Change::Unschedule) => NewsEvent::Unscheduled(ArticleUnscheduled { category }),
        (Draft | Scheduled, Change::Embargo { until }) => return embargo(article, until, now),
        (Published, Change::Retract { reason }) => {
            NewsEvent::Retracted(ArticleRetracted { category, reason: reason.into() })
        }
        (Draft | Retracted, Change::Archive) => NewsEvent::Archived(ArticleArchived { category }),
        (Draft | Scheduled | Published, Change::Move { to }) => return Ok(move_to(article, to)),
        _ => return Err(refused),
    };
    Ok(vec![event])
}

fn change_text(
    article: &Article,
    text: ArticleText,
    correction_note: Option<Note>,
) -> Result<Vec<NewsEvent>, NewsError> {
    if text == article.text {
        return Ok(Vec::new());
    }
    let category = article.category.clone();
    Ok(vec![if article.status == ArticleStatus::Published {
        let note = correction_note.ok_or(NewsError::MissingNote)?.into();
        NewsEvent::Corrected(ArticleCorrected { category, text, note })
    } else {
        NewsEvent::Revised(ArticleRevised { category, text })
    }])
}

/// Under embargo the decision stands and waits: the article is scheduled for the embargo's end.
fn publish_now(article: &Article, now: Timestamp) -> Vec<NewsEvent> {
    match article.embargo_until {
        Some(until) if until > now && article.publish_at == Some(until) => Vec::new(),
        Some(until) if until > now => vec![schedule(article.category.clone(), until)],
        _ => vec![published(article, None)],
    }
}

fn publish_due(article: &Article, planned: Timestamp, now: Timestamp) -> Vec<NewsEvent> {
    let stands = article.status == ArticleStatus::Scheduled && article.publish_at == Some(planned);
    if stands && planned <= now { vec![published(article, Some(planned))] } else { Vec::new() }
}

fn published(article: &Article, scheduled_for: Option<Timestamp>) -> NewsEvent {
    NewsEvent::Published(ArticlePublished {
        category: article.category.clone(),
        text: article.text.clone(),
        author_id: article.author_id,
        drafted_at: Some(article.created_at),
        scheduled_for,
        first_published_at: None,
    })
}

fn embargo(
    article: &Article,
    until: Option<Timestamp>,
    now: Timestamp,
) -> Result<Vec<NewsEvent>, NewsError> {
    match (until, article.publish_at) {
        (Some(until), _) if until <= now => Err(NewsError::EmbargoPast),
        (Some(until), Some(publish_at)) if publish_at < until => {
            Err(NewsError::EmbargoBeyondSchedule { publish_at })
        }
        _ if until == article.embargo_until => Ok(Vec::new()),
        _ => {
            let category = article.category.clone();
            Ok(vec![NewsEvent::Embargoed(ArticleEmbargoed { category, until })])
        }
    }
}

fn move_to(article: &Article, to: Category) -> Vec<NewsEvent> {
    let from = article.category.clone();
    if from == to {
        return Vec::new();
    }
    let moved_out = ArticleMovedOut { category: from.clone(), to: to.clone() };
    let moved_in = ArticleMovedIn {
        category: to,
        from,
        status: article.status,
        text: article.text.clone(),
        author_id: article.author_id,
        created_at: article.created_at,
        published_at: article.published_at,
        publish_at: article.publish_at,
        embargo_until: article.embargo_until,
        corrections: article.corrections.clone(),
    };
    vec![NewsEvent::MovedOut(moved_out), NewsEvent::MovedIn(Box::new(moved_in))]
}

#[cfg(test)]
mod tests;
