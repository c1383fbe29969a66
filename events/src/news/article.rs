//! The article that its events add up to.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ArticleCorrected, ArticleDrafted, ArticleMovedIn, ArticlePublished, ArticleRetracted,
    ArticleText, NewsEvent,
};
use crate::{ArticleId, Category, Invalid, Stamp, Timestamp, UserId, Version};

/// Where an article is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ArticleStatus {
    /// Only the newsroom sees it.
    Draft,
    /// Only the newsroom sees it; it is published by itself when its time has come.
    Scheduled,
    /// Readers see it.
    Published,
    /// It was taken back; readers are told why.
    Retracted,
    /// It was put away.
    Archived,
}

impl ArticleStatus {
    /// In the order of an article's life.
    pub const ALL: [Self; 5] =
        [Self::Draft, Self::Scheduled, Self::Published, Self::Retracted, Self::Archived];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Scheduled => "scheduled",
            Self::Published => "published",
            Self::Retracted => "retracted",
            Self::Archived => "archived",
        }
    }
}

impl std::fmt::Display for ArticleStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ArticleStatus {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let known = Self::ALL.into_iter().find(|status| status.as_str() == text);
        let all = || format!("one of {}", Self::ALL.map(Self::as_str).join(", "));
        known.ok_or_else(|| Invalid::new("is not a status", all()))
    }
}

/// One correction, as readers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Correction {
    /// When the text changed.
    pub at: Timestamp,
    /// What was wrong.
    pub note: String,
}

/// Why and when an article was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Retraction {
    /// When.
    pub at: Timestamp,
    /// Why, for the readers.
    pub reason: String,
}

/// What the events of one article add up to: the state on which commands are decided, the
/// document of the views, and the resource that the API answers with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// The user who began it; absent when a part of the portal did.
    pub author_id: Option<UserId>,
    /// When it was begun.
    pub created_at: Timestamp,
    /// When readers first saw it; for an imported article that was elsewhere, before it was here.
    pub published_at: Option<Timestamp>,
    /// When the last event was recorded.
    pub updated_at: Timestamp,
    /// Newest first.
    pub corrections: Vec<Correction>,
    /// Set when the status is `scheduled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish_at: Option<Timestamp>,
    /// Not to be published before; gone once it is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embargo_until: Option<Timestamp>,
    /// Set when it was retracted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retraction: Option<Retraction>,
    /// Set in the views of a category that it left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_to: Option<Category>,
}

/// A member of the newsroom who looks at an article.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Viewer {
    /// Who.
    pub user_id: UserId,
    /// Editors see everything; authors their own, and what is under embargo.
    pub editor: bool,
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
    /// The article after `event`. `ArticlePublished` and `ArticleMovedIn` need no article before
    /// them, because they say all: a view may begin there.
    ///
    /// # Errors
    /// [`OutOfOrder`] when the event needs an article and there is none.
    pub fn evolve(
        before: Option<Self>,
        event: NewsEvent,
        stamp: Stamp,
    ) -> Result<Self, OutOfOrder> {
        let mut article = match event {
            NewsEvent::Drafted(event) => return Ok(Self::drafted(event, stamp)),
            NewsEvent::Published(event) => return Ok(Self::published(event, stamp)),
            NewsEvent::MovedIn(event) => return Ok(Self::moved_in(*event, stamp)),
            ref later => before.ok_or_else(|| OutOfOrder {
                event_type: later.event_type(),
                version: stamp.version,
                before: "no article".to_owned(),
            })?,
        };
        article.change(event, stamp.at);
        article.version = stamp.version;
        article.updated_at = stamp.at;
        Ok(article)
    }

    fn change(&mut self, event: NewsEvent, at: Timestamp) {
        match event {
            NewsEvent::Drafted(_) | NewsEvent::Published(_) | NewsEvent::MovedIn(_) => {}
            NewsEvent::Revised(event) => self.text = event.text,
            NewsEvent::Scheduled(event) => {
                self.status = ArticleStatus::Scheduled;
                self.publish_at = Some(event.publish_at);
            }
            NewsEvent::Unscheduled(_) => {
                self.status = ArticleStatus::Draft;
                self.publish_at = None;
            }
            NewsEvent::Embargoed(event) => self.embargo_until = event.until,
            NewsEvent::Corrected(ArticleCorrected { text, note, .. }) => {
                self.text = text;
                self.corrections.insert(0, Correction { at, note });
            }
            NewsEvent::Retracted(ArticleRetracted { reason, .. }) => {
                self.status = ArticleStatus::Retracted;
                self.retraction = Some(Retraction { at, reason });
            }
            NewsEvent::Archived(_) => self.status = ArticleStatus::Archived,
            NewsEvent::MovedOut(event) => self.moved_to = Some(event.to),
        }
    }

    fn drafted(event: ArticleDrafted, stamp: Stamp) -> Self {
        Self {
            id: ArticleId(stamp.id),
            category: event.category,
            version: stamp.version,
            status: ArticleStatus::Draft,
            text: event.text,
            author_id: event.author_id,
            created_at: stamp.at,
            published_at: None,
            updated_at: stamp.at,
            corrections: Vec::new(),
            publish_at: None,
            embargo_until: None,
            retraction: None,
            moved_to: None,
        }
    }

    fn published(event: ArticlePublished, stamp: Stamp) -> Self {
        let ArticlePublished { category, text, author_id, drafted_at, .. } = event;
        let published_at = event.first_published_at.unwrap_or(stamp.at);
        Self {
            status: ArticleStatus::Published,
            created_at: drafted_at.unwrap_or(published_at),
            published_at: Some(published_at),
            ..Self::drafted(ArticleDrafted { category, text, author_id }, stamp)
        }
    }

    fn moved_in(event: ArticleMovedIn, stamp: Stamp) -> Self {
        let ArticleMovedIn { category, text, author_id, .. } = event;
        Self {
            status: event.status,
            created_at: event.created_at,
            published_at: event.published_at,
            publish_at: event.publish_at,
            embargo_until: event.embargo_until,
            corrections: event.corrections,
            ..Self::drafted(ArticleDrafted { category, text, author_id }, stamp)
        }
    }

    /// Whether it is under embargo.
    #[must_use]
    pub fn is_embargoed(&self, now: Timestamp) -> bool {
        self.published_at.is_none() && self.embargo_until.is_some_and(|until| until > now)
    }

    /// Whether this member of the newsroom may see it: an editor sees everything, an author what
    /// is published, under embargo, or the own.
    #[must_use]
    pub fn is_seen_by(&self, viewer: Viewer, now: Timestamp) -> bool {
        viewer.editor
            || self.published_at.is_some()
            || self.author_id == Some(viewer.user_id)
            || self.is_embargoed(now)
    }
}
