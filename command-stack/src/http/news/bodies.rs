//! What the commands of an article are given.

use std::str::FromStr;

use events::news::{Byline, Content, Note, Summary, Tags, Title, WrittenText};
use events::personal::PersonalText;
use events::{Category, Invalid, Timestamp, UserId};
use proto::FieldError;
use proto::fields::{Field, Fields, Wrong};
use schemars::JsonSchema;

use crate::http::{Body, Commands};
use crate::news::{Begin, NewsCommand};

/// The body of `POST /v1/news/{category}`, and of a line that is imported.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct NewArticle {
    /// The headline.
    pub title: Title,
    /// The text.
    pub content: Content,
    /// Under the headline.
    pub summary: Option<Summary>,
    /// The labels.
    pub tags: Option<Tags>,
    /// As it is printed.
    pub byline: Option<Byline>,
    /// Published when absent.
    pub status: Option<NewStatus>,
    /// Published then, and not at once.
    pub publish_at: Option<Timestamp>,
    /// Not seen outside the newsroom before.
    pub embargo_until: Option<Timestamp>,
}

/// How an article begins.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum NewStatus {
    /// Readers see it at once.
    #[default]
    Published,
    /// Only the newsroom sees it.
    Draft,
}

impl FromStr for NewStatus {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "published" => Ok(Self::Published),
            "draft" => Ok(Self::Draft),
            _ => Err(Invalid::new("is not a status to begin with", <Self as Field>::allowed())),
        }
    }
}

impl Field for NewStatus {
    fn allowed() -> String {
        "published or draft".to_owned()
    }

    fn read(text: &str) -> Result<Self, Invalid> {
        text.parse()
    }
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::http) struct NewText {
    /// The headline.
    title: Title,
    /// The text.
    content: Content,
    /// Under the headline.
    summary: Option<Summary>,
    /// The labels.
    tags: Option<Tags>,
    /// As it is printed.
    byline: Option<Byline>,
    /// For the readers: needed once it is published.
    correction_note: Option<Note>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::http) struct Reason {
    /// For the readers.
    pub(super) reason: Note,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::http) struct Plan {
    /// When it is to be published by itself.
    pub(super) publish_at: Timestamp,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::http) struct Embargo {
    /// Must be given: only an explicit `null` lifts an embargo.
    #[schemars(with = "serde_json::Value", extend("type" = ["string", "null"], "format" = "date-time"))]
    pub(super) until: Option<Timestamp>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::http) struct Destination {
    /// See `/v1/categories`.
    pub(super) category: Category,
}

impl Body for NewArticle {
    fn read(fields: &mut Fields<'_>, _commands: &Commands) -> Result<Self, Wrong> {
        let (title, content) = (fields.required("title"), fields.required("content"));
        let (summary, tags) = (fields.optional("summary"), fields.optional_list("tags"));
        let (byline, status) = (fields.optional("byline"), fields.optional("status"));
        let publish_at = fields.optional("publish_at");
        let embargo_until = fields.optional("embargo_until");
        if let (Ok(status), Ok(publish_at)) = (status, publish_at) {
            fields.check("publish_at", begin_as(status, publish_at))?;
        }
        Ok(Self {
            title: title?,
            content: content?,
            summary: summary?,
            tags: tags?,
            byline: byline?,
            status: status?,
            publish_at: publish_at?,
            embargo_until: embargo_until?,
        })
    }
}

impl Body for NewText {
    fn read(fields: &mut Fields<'_>, _commands: &Commands) -> Result<Self, Wrong> {
        let (title, content) = (fields.required("title"), fields.required("content"));
        let (summary, tags) = (fields.optional("summary"), fields.optional_list("tags"));
        let (byline, note) = (fields.optional("byline"), fields.optional("correction_note"));
        let (summary, tags, byline) = (summary?, tags?, byline?);
        let (title, content, correction_note) = (title?, content?, note?);
        Ok(Self { title, content, summary, tags, byline, correction_note })
    }
}

impl Body for Reason {
    fn read(fields: &mut Fields<'_>, _commands: &Commands) -> Result<Self, Wrong> {
        Ok(Self { reason: fields.required("reason")? })
    }
}

impl Body for Plan {
    fn read(fields: &mut Fields<'_>, _commands: &Commands) -> Result<Self, Wrong> {
        Ok(Self { publish_at: fields.required("publish_at")? })
    }
}

impl Body for Embargo {
    fn read(fields: &mut Fields<'_>, _commands: &Commands) -> Result<Self, Wrong> {
        Ok(Self { until: fields.nullable("until")? })
    }
}

impl Body for Destination {
    fn read(fields: &mut Fields<'_>, commands: &Commands) -> Result<Self, Wrong> {
        let name = fields.required::<String>("category")?;
        Ok(Self { category: fields.check("category", commands.category_of_field(&name))? })
    }
}

/// How far an article goes with this status and this plan.
fn begin_as(
    status: Option<NewStatus>,
    publish_at: Option<Timestamp>,
) -> Result<Begin, &'static str> {
    match (status.unwrap_or_default(), publish_at) {
        (NewStatus::Draft, None) => Ok(Begin::Draft),
        (NewStatus::Published, None) => Ok(Begin::Publish),
        (NewStatus::Published, Some(at)) => Ok(Begin::Schedule(at)),
        (NewStatus::Draft, Some(_)) => {
            Err("contradicts the status: a draft has no time of publication, leave the status out")
        }
    }
}

impl NewArticle {
    /// The command that this body asks for. The byline is left as it is written.
    ///
    /// # Errors
    /// When the status and the plan contradict each other.
    pub fn command(
        self,
        category: Category,
        author_id: Option<UserId>,
    ) -> Result<NewsCommand, FieldError> {
        let Self { title, content, summary, tags, byline, status, publish_at, embargo_until } =
            self;
        let begin = begin_as(status, publish_at);
        let begin = begin.map_err(|wrong| FieldError::new("/publish_at", wrong))?;
        let text = written(title, content, summary, tags, byline);
        Ok(NewsCommand::Begin { category, text, author_id, begin, embargo_until })
    }
}

impl NewText {
    /// The text, its byline as it is written, and the note for the readers.
    pub(super) fn into_parts(self) -> (WrittenText, Option<Note>) {
        let Self { title, content, summary, tags, byline, correction_note } = self;
        (written(title, content, summary, tags, byline), correction_note)
    }
}

fn written(
    title: Title,
    content: Content,
    summary: Option<Summary>,
    tags: Option<Tags>,
    byline: Option<Byline>,
) -> WrittenText {
    let (summary, tags) = (summary.unwrap_or_default(), tags.unwrap_or_default());
    WrittenText { title, summary, content, tags, byline: byline.map(PersonalText::from) }
}
