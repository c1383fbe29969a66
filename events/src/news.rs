//! The events of an article, and the article that they add up to.
//!
//! `ArticlePublished` and `ArticleCorrected` carry the whole text, not a difference: each of them
//! is by itself the proof of what readers were shown from that moment on.

use serde::{Deserialize, Serialize};

use crate::{ArticleId, Category, Stamp, Timestamp, UserId, Version};

/// What the newsroom wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArticleText {
    /// 1 to 200 characters.
    pub title: String,
    /// Up to 500 characters, may be empty.
    #[serde(default)]
    pub summary: String,
    /// 1 to 200,000 characters.
    pub content: String,
    /// Up to 20 labels of 1 to 50 characters.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The author's line as it is printed.
    #[serde(default)]
    pub byline: Option<String>,
}

/// Somebody began an article; only the newsroom sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArticleDrafted {
    /// Where it will appear.
    pub category: Category,
    /// The first text.
    #[serde(flatten)]
    pub text: ArticleText,
    /// The user who began it, when one was signed in.
    pub author_id: Option<UserId>,
}

/// Readers see the article from here on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArticlePublished {
    /// Where it appears.
    pub category: Category,
    /// The text as published.
    #[serde(flatten)]
    pub text: ArticleText,
    /// The user who began it, when one was signed in.
    pub author_id: Option<UserId>,
    /// When it was begun as a draft; absent when it was published at once.
    #[serde(default)]
    pub drafted_at: Option<Timestamp>,
}

/// A draft has a new text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArticleRevised {
    /// Where it will appear.
    pub category: Category,
    /// The new text.
    #[serde(flatten)]
    pub text: ArticleText,
}

/// A published article has a new text, and readers are told why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArticleCorrected {
    /// Where it appears.
    pub category: Category,
    /// The text from here on.
    #[serde(flatten)]
    pub text: ArticleText,
    /// What was wrong, for the readers.
    pub note: String,
}

/// A published article was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArticleRetracted {
    /// Where it appeared.
    pub category: Category,
    /// Why, for the readers.
    pub reason: String,
}

/// Any event of an article.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum NewsEvent {
    /// `news.article_drafted`
    Drafted(ArticleDrafted),
    /// `news.article_published`
    Published(ArticlePublished),
    /// `news.article_revised`
    Revised(ArticleRevised),
    /// `news.article_corrected`
    Corrected(ArticleCorrected),
    /// `news.article_retracted`
    Retracted(ArticleRetracted),
}

impl NewsEvent {
    /// The name on the wire.
    #[must_use]
    pub const fn event_type(&self) -> &'static str {
        match self {
            Self::Drafted(_) => "news.article_drafted",
            Self::Published(_) => "news.article_published",
            Self::Revised(_) => "news.article_revised",
            Self::Corrected(_) => "news.article_corrected",
            Self::Retracted(_) => "news.article_retracted",
        }
    }

    /// Where it belongs.
    pub(crate) const fn category(&self) -> &Category {
        match self {
            Self::Drafted(event) => &event.category,
            Self::Published(event) => &event.category,
            Self::Revised(event) => &event.category,
            Self::Corrected(event) => &event.category,
            Self::Retracted(event) => &event.category,
        }
    }
}

/// Where an article is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArticleStatus {
    /// Only the newsroom sees it.
    Draft,
    /// Readers see it.
    Published,
    /// It was taken back; readers are told why.
    Retracted,
}

impl std::fmt::Display for ArticleStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Draft => "draft",
            Self::Published => "published",
            Self::Retracted => "retracted",
        })
    }
}

/// One correction, as readers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correction {
    /// When the text changed.
    pub at: Timestamp,
    /// What was wrong.
    pub note: String,
}

/// Why and when an article was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retraction {
    /// When.
    pub at: Timestamp,
    /// Why, for the readers.
    pub reason: String,
}

/// What the events of one article add up to: the state on which commands are decided, the
/// document of the public view, and the resource that the API answers with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Article {
    /// Which article.
    pub id: ArticleId,
    /// Where it appears.
    pub category: Category,
    /// The version of the last event: the `ETag`.
    pub version: Version,
    /// Where it is in its life.
    pub status: ArticleStatus,
    /// The newest text.
    #[serde(flatten)]
    pub text: ArticleText,
    /// The user who began it, when one was signed in.
    pub author_id: Option<UserId>,
    /// When it was begun.
    pub created_at: Timestamp,
    /// When readers first saw it.
    pub published_at: Option<Timestamp>,
    /// When the last event was recorded.
    pub updated_at: Timestamp,
    /// Newest first.
    pub corrections: Vec<Correction>,
    /// Set when the status is `retracted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retraction: Option<Retraction>,
}

/// An event that cannot follow the state it is applied to: the log or the caller is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{event_type} at version {version} cannot follow {before}")]
pub struct OutOfOrder {
    /// The name on the wire.
    pub event_type: &'static str,
    /// Its version.
    pub version: Version,
    /// What it was applied to.
    pub before: String,
}

impl Article {
    /// The article after `event`. `ArticlePublished` needs no article before it, because it says
    /// all: the public view begins there.
    ///
    /// # Errors
    /// [`OutOfOrder`] when the event needs an article and there is none.
    pub fn evolve(
        before: Option<Self>,
        event: NewsEvent,
        stamp: Stamp,
    ) -> Result<Self, OutOfOrder> {
        let event_type = event.event_type();
        let mut article = match event {
            NewsEvent::Drafted(ArticleDrafted { category, text, author_id }) => {
                return Ok(Self::begun(category, text, author_id, stamp));
            }
            NewsEvent::Published(event) => return Ok(Self::published(event, stamp)),
            NewsEvent::Revised(_) | NewsEvent::Corrected(_) | NewsEvent::Retracted(_) => before
                .ok_or_else(|| OutOfOrder {
                    event_type,
                    version: stamp.version,
                    before: "no article".to_owned(),
                })?,
        };
        match event {
            NewsEvent::Drafted(_) | NewsEvent::Published(_) => {}
            NewsEvent::Revised(event) => article.text = event.text,
            NewsEvent::Corrected(ArticleCorrected { text, note, .. }) => {
                article.text = text;
                article.corrections.insert(0, Correction { at: stamp.at, note });
            }
            NewsEvent::Retracted(ArticleRetracted { reason, .. }) => {
                article.status = ArticleStatus::Retracted;
                article.retraction = Some(Retraction { at: stamp.at, reason });
            }
        }
        article.version = stamp.version;
        article.updated_at = stamp.at;
        Ok(article)
    }

    fn begun(
        category: Category,
        text: ArticleText,
        author_id: Option<UserId>,
        stamp: Stamp,
    ) -> Self {
        Self {
            id: ArticleId(stamp.id),
            category,
            version: stamp.version,
            status: ArticleStatus::Draft,
            text,
            author_id,
            created_at: stamp.at,
            published_at: None,
            updated_at: stamp.at,
            corrections: Vec::new(),
            retraction: None,
        }
    }

    fn published(event: ArticlePublished, stamp: Stamp) -> Self {
        let drafted_at = event.drafted_at;
        let begun = Self::begun(event.category, event.text, event.author_id, stamp);
        Self {
            status: ArticleStatus::Published,
            created_at: drafted_at.unwrap_or(stamp.at),
            published_at: Some(stamp.at),
            ..begun
        }
    }
}
