//! The events of an article, and (in `article`) the article that they add up to.
//!
//! `ArticlePublished` and `ArticleCorrected` carry the whole text, not a difference: each of them
//! is by itself the proof of what readers were shown from that moment on.
//!
//! A category is a partition of the log, so an article that moves leaves one and enters another:
//! two events, appended together. The second carries the whole article, because the views of the
//! new category have never seen it.

mod article;
mod text;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::personal::{Keys, PersonalText};
use crate::{Category, EventKind, Timestamp, UserId};

pub use self::article::{Article, ArticleStatus, Correction, OutOfOrder, Retraction, Viewer};
pub use self::text::{Byline, Content, Note, Summary, Tag, Tags, Title, WrittenText};

/// What the newsroom wrote, as it is recorded. New texts come as [`WrittenText`], which has limits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ArticleText {
    /// The headline.
    pub title: String,
    /// May be empty.
    #[serde(default)]
    pub summary: String,
    /// The text.
    pub content: String,
    /// The labels.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The author's line as it is printed; sealed when the author has an account.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub byline: Option<PersonalText>,
}

impl ArticleText {
    /// Puts the byline as it is printed in the place of the sealed one.
    pub fn open_byline(&mut self, keys: &Keys) {
        let byline = self.byline.take().and_then(|byline| keys.open(&byline).printed());
        self.byline = byline.map(PersonalText::Plain);
    }
}

/// Somebody began an article; only the newsroom sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArticleDrafted {
    /// Where it will appear.
    pub category: Category,
    /// The first text.
    #[serde(flatten)]
    pub text: ArticleText,
    /// The user who began it; absent when a part of the portal did.
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
    /// The user who began it; absent when a part of the portal did.
    pub author_id: Option<UserId>,
    /// When it was begun as a draft; absent when it was published at once.
    #[serde(default)]
    pub drafted_at: Option<Timestamp>,
    /// For when it was planned; absent when somebody published it by hand. When it really was
    /// published, the envelope says.
    #[serde(default)]
    pub scheduled_for: Option<Timestamp>,
    /// When readers first saw it in the system that it was imported from, as that says; absent when
    /// it was published here.
    #[serde(default)]
    pub first_published_at: Option<Timestamp>,
}

/// An unpublished article has a new text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArticleRevised {
    /// Where it will appear.
    pub category: Category,
    /// The new text.
    #[serde(flatten)]
    pub text: ArticleText,
}

/// A draft is to be published at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArticleScheduled {
    /// Where it will appear.
    pub category: Category,
    /// When.
    pub publish_at: Timestamp,
}

/// A scheduled article is a draft again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArticleUnscheduled {
    /// Where it will appear.
    pub category: Category,
}

/// An unpublished article must not be seen outside the newsroom before a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArticleEmbargoed {
    /// Where it will appear.
    pub category: Category,
    /// Until when; absent when the embargo was lifted.
    pub until: Option<Timestamp>,
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

/// A draft or a retracted article was put away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArticleArchived {
    /// Where it is kept.
    pub category: Category,
}

/// An article left a category. `ArticleMovedIn` follows in the same append.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArticleMovedOut {
    /// What it left.
    pub category: Category,
    /// Where it is now.
    pub to: Category,
}

/// An article came into a category, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArticleMovedIn {
    /// Where it is now.
    pub category: Category,
    /// What it left.
    pub from: Category,
    /// Where it is in its life.
    pub status: ArticleStatus,
    /// The newest text.
    #[serde(flatten)]
    pub text: ArticleText,
    /// The user who began it; absent when a part of the portal did.
    pub author_id: Option<UserId>,
    /// When it was begun.
    pub created_at: Timestamp,
    /// When readers first saw it.
    pub published_at: Option<Timestamp>,
    /// When it is to be published.
    pub publish_at: Option<Timestamp>,
    /// Until when only the newsroom may see it.
    pub embargo_until: Option<Timestamp>,
    /// Newest first.
    pub corrections: Vec<Correction>,
}

/// Any event of an article.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum NewsEvent {
    /// `news.article_drafted`
    Drafted(ArticleDrafted),
    /// `news.article_revised`
    Revised(ArticleRevised),
    /// `news.article_scheduled`
    Scheduled(ArticleScheduled),
    /// `news.article_unscheduled`
    Unscheduled(ArticleUnscheduled),
    /// `news.article_embargoed`
    Embargoed(ArticleEmbargoed),
    /// `news.article_published`
    Published(ArticlePublished),
    /// `news.article_corrected`
    Corrected(ArticleCorrected),
    /// `news.article_retracted`
    Retracted(ArticleRetracted),
    /// `news.article_archived`
    Archived(ArticleArchived),
    /// `news.article_moved_out`
    MovedOut(ArticleMovedOut),
    /// `news.article_moved_in`
    MovedIn(Box<ArticleMovedIn>),
}

impl NewsEvent {
    /// Which kind of event this is.
    #[must_use]
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::Drafted(_) => EventKind::ArticleDrafted,
            Self::Revised(_) => EventKind::ArticleRevised,
            Self::Scheduled(_) => EventKind::ArticleScheduled,
            Self::Unscheduled(_) => EventKind::ArticleUnscheduled,
            Self::Embargoed(_) => EventKind::ArticleEmbargoed,
            Self::Published(_) => EventKind::ArticlePublished,
            Self::Corrected(_) => EventKind::ArticleCorrected,
            Self::Retracted(_) => EventKind::ArticleRetracted,
            Self::Archived(_) => EventKind::ArticleArchived,
            Self::MovedOut(_) => EventKind::ArticleMovedOut,
            Self::MovedIn(_) => EventKind::ArticleMovedIn,
        }
    }

    /// The name on the wire.
    #[must_use]
    pub const fn event_type(&self) -> &'static str {
        self.kind().name()
    }

    /// Where it belongs.
    #[must_use]
    pub const fn category(&self) -> &Category {
        match self {
            Self::Drafted(event) => &event.category,
            Self::Revised(event) => &event.category,
            Self::Scheduled(event) => &event.category,
            Self::Unscheduled(event) => &event.category,
            Self::Embargoed(event) => &event.category,
            Self::Published(event) => &event.category,
            Self::Corrected(event) => &event.category,
            Self::Retracted(event) => &event.category,
            Self::Archived(event) => &event.category,
            Self::MovedOut(event) => &event.category,
            Self::MovedIn(event) => &event.category,
        }
    }
}
