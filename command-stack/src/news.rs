//! Articles: commands and the rules that decide them.
//!
//! | state \ command | publish draft | change text | retract |
//! |---|---|---|---|
//! | none | not found | not found | not found |
//! | draft | published | revised | refused |
//! | published | refused | corrected, needs a note | retracted |
//! | retracted | refused | refused | refused |

use events::news::{
    Article, ArticleCorrected, ArticleDrafted, ArticlePublished, ArticleRetracted, ArticleRevised,
    ArticleStatus, ArticleText, NewsEvent,
};
use events::{ArticleId, BoxError, Category, DomainEvent, Stamp, StreamId, UserId, Version};
use uuid::Uuid;

use crate::aggregate::Aggregate;

/// What the newsroom wants with an article.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewsCommand {
    /// Begin an article that only the newsroom sees.
    DraftArticle {
        /// Where it will appear.
        category: Category,
        /// The first text.
        text: ArticleText,
        /// Who begins it.
        author_id: Option<UserId>,
    },
    /// Begin an article and show it at once.
    PublishArticle {
        /// Where it appears.
        category: Category,
        /// The text.
        text: ArticleText,
        /// Who begins it.
        author_id: Option<UserId>,
    },
    /// Do something with an article that exists.
    Change {
        /// Where the client believes it to be.
        category: Category,
        /// What to do.
        change: Change,
    },
}

/// What can be done with an article that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Show a draft to the readers.
    PublishDraft,
    /// Revise a draft, or correct a published article, which then needs a note.
    Text {
        /// The new text.
        text: ArticleText,
        /// What was wrong, for the readers.
        correction_note: Option<String>,
    },
    /// Take a published article back.
    Retract {
        /// Why, for the readers.
        reason: String,
    },
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
}

impl Aggregate for Article {
    type Command = NewsCommand;
    type Event = NewsEvent;
    type Error = NewsError;

    fn decide(state: Option<&Self>, command: &NewsCommand) -> Result<Vec<NewsEvent>, NewsError> {
        let event = match (state, command.clone()) {
            (None, NewsCommand::DraftArticle { category, text, author_id }) => {
                NewsEvent::Drafted(ArticleDrafted { category, text, author_id })
            }
            (None, NewsCommand::PublishArticle { category, text, author_id }) => {
                let drafted_at = None;
                NewsEvent::Published(ArticlePublished { category, text, author_id, drafted_at })
            }
            (Some(_), NewsCommand::DraftArticle { .. } | NewsCommand::PublishArticle { .. }) => {
                return Err(NewsError::Exists);
            }
            (None, NewsCommand::Change { .. }) => return Err(NewsError::NotFound),
            (Some(article), NewsCommand::Change { category, change }) => {
                if article.category != category {
                    return Err(NewsError::NotFound);
                }
                return change_article(article, change);
            }
        };
        Ok(vec![event])
    }

    fn evolve(state: Option<Self>, event: DomainEvent, stamp: Stamp) -> Result<Self, BoxError> {
        match event {
            DomainEvent::News(event) => Ok(Self::evolve(state, event, stamp)?),
            DomainEvent::User(_) => Err("an event of a user in the stream of an article".into()),
        }
    }

    fn stream(id: Uuid) -> StreamId {
        ArticleId(id).into()
    }

    fn version(&self) -> Version {
        self.version
    }
}

fn change_article(article: &Article, change: Change) -> Result<Vec<NewsEvent>, NewsError> {
    use ArticleStatus::{Draft, Published, Retracted};
    let category = article.category.clone();
    let refused = |command| NewsError::IllegalTransition { status: article.status, command };
    let event = match (article.status, change) {
        (Draft, Change::PublishDraft) => NewsEvent::Published(ArticlePublished {
            category,
            text: article.text.clone(),
            author_id: article.author_id,
            drafted_at: Some(article.created_at),
        }),
        (Published | Retracted, Change::PublishDraft) => return Err(refused("published")),
        (Draft | Published, Change::Text { text, .. }) if text == article.text => {
            return Ok(Vec::new());
        }
        (Draft, Change::Text { text, .. }) => NewsEvent::Revised(ArticleRevised { category, text }),
        (Published, Change::Text { text, correction_note }) => {
            let note = correction_note.ok_or(NewsError::MissingNote)?;
            NewsEvent::Corrected(ArticleCorrected { category, text, note })
        }
        (Retracted, Change::Text { .. }) => return Err(refused("changed")),
        (Published, Change::Retract { reason }) => {
            NewsEvent::Retracted(ArticleRetracted { category, reason })
        }
        (Draft | Retracted, Change::Retract { .. }) => return Err(refused("retracted")),
    };
    Ok(vec![event])
}

#[cfg(test)]
mod tests;
