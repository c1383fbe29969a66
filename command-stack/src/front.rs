//! The editors' front page: commands and the rules that decide them. Who shows it to readers looks
//! at each article again: one that is retracted or moved later stays pinned, and is not shown.

use std::collections::HashSet;

use events::front::{FrontBreakingCleared, FrontBreakingSet, FrontEvent, FrontId, FrontPinned};
use events::news::{Article, ArticleStatus};
use events::{ArticleId, BoxError, Category, DomainEvent, Stamp, StreamId, Timestamp, Version};
use uuid::Uuid;

use crate::aggregate::Aggregate;

/// A place of the front page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Front {
    /// The newest event, which says all that the place shows.
    pub shows: FrontEvent,
    /// The version of the last event: the `ETag`.
    pub version: Version,
    /// When the last event was recorded.
    pub updated_at: Option<Timestamp>,
}

/// What an editor wants to be seen first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrontCommand {
    /// These articles in a category, the first first, and no others.
    Pin {
        /// Where.
        category: Category,
        /// Which.
        articles: Vec<Candidate>,
    },
    /// This article as breaking news.
    SetBreaking(Candidate),
    /// No breaking news.
    ClearBreaking,
}

impl FrontCommand {
    /// What it is about.
    #[must_use]
    pub fn place(&self) -> FrontId {
        match self {
            Self::Pin { category, .. } => FrontId::of_category(category),
            Self::SetBreaking(_) | Self::ClearBreaking => FrontId::breaking(),
        }
    }
}

/// An article that somebody wants on the front page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub id: ArticleId,
    /// Where readers find it now; `None`: nowhere.
    pub published_in: Option<Category>,
}

impl Candidate {
    /// The article as it is; `None` when there is none with this id.
    #[must_use]
    pub fn new(id: ArticleId, article: Option<Article>) -> Self {
        let published = article.filter(|article| article.status == ArticleStatus::Published);
        Self { id, published_in: published.map(|article| article.category) }
    }
}

/// Why an article cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Readers would find nothing.
    #[error("is no published article")]
    NotPublished,
    /// It is not one of this category's.
    #[error("is an article of {0}")]
    Elsewhere(Category),
    /// It has a place already.
    #[error("is pinned twice")]
    Twice,
}

/// Articles that cannot be shown, each with its index among those that were asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not all of these articles can be shown")]
pub struct FrontError(pub Vec<(usize, Unfit)>);

impl Aggregate for Front {
    type Command = FrontCommand;
    type Event = FrontEvent;
    type Error = FrontError;

    fn initial(command: &FrontCommand) -> Option<Self> {
        let shows = match command {
            FrontCommand::Pin { category, .. } => pinned(category.clone(), Vec::new()),
            FrontCommand::SetBreaking(_) | FrontCommand::ClearBreaking => cleared(),
        };
        Some(Self { shows, version: Version::NONE, updated_at: None })
    }

    fn decide(
        state: Option<&Self>,
        command: &FrontCommand,
        _now: Timestamp,
    ) -> Result<Vec<FrontEvent>, FrontError> {
        let event = match command.clone() {
            FrontCommand::Pin { category, articles } => pin(category, &articles)?,
            FrontCommand::SetBreaking(article) => set_breaking(article)?,
            FrontCommand::ClearBreaking => cleared(),
        };
        let is_so = state.is_some_and(|front| front.shows == event);
        Ok(if is_so { Vec::new() } else { vec![event] })
    }

    fn evolve(_state: Option<Self>, event: DomainEvent, stamp: Stamp) -> Result<Self, BoxError> {
        let DomainEvent::Front(shows) = event else {
            return Err("an event of something else in a stream of the front page".into());
        };
        Ok(Self { shows, version: stamp.version, updated_at: Some(stamp.at) })
    }

    fn stream(id: Uuid) -> StreamId {
        FrontId(id).into()
    }

    fn version(&self) -> Version {
        self.version
    }
}

fn pin(category: Category, articles: &[Candidate]) -> Result<FrontEvent, FrontError> {
    let mut seen = HashSet::new();
    let unfit = articles.iter().enumerate().filter_map(|(index, article)| {
        let unfit = match &article.published_in {
            _ if !seen.insert(article.id) => Unfit::Twice,
            None => Unfit::NotPublished,
            Some(elsewhere) if *elsewhere != category => Unfit::Elsewhere(elsewhere.clone()),
            Some(_) => return None,
        };
        Some((index, unfit))
    });
    let unfit: Vec<_> = unfit.collect();
    if unfit.is_empty() {
        Ok(pinned(category, articles.iter().map(|article| article.id).collect()))
    } else {
        Err(FrontError(unfit))
    }
}

fn set_breaking(article: Candidate) -> Result<FrontEvent, FrontError> {
    let Candidate { id: article_id, published_in } = article;
    match published_in {
        Some(category) => Ok(FrontEvent::BreakingSet(FrontBreakingSet { article_id, category })),
        None => Err(FrontError(vec![(0, Unfit::NotPublished)])),
    }
}

fn pinned(category: Category, articles: Vec<ArticleId>) -> FrontEvent {
    FrontEvent::Pinned(FrontPinned { category, articles })
}

fn cleared() -> FrontEvent {
    FrontEvent::BreakingCleared(FrontBreakingCleared {})
}

#[cfg(test)]
mod tests;
