//! `/v1/news`: begin an article, and lead it through its life.

use axum::Router;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::{post, put};
use events::news::{Article, ArticleText};
use events::personal::PersonalText;
use events::{ArticleId, Category, Timestamp, UserId};
use proto::conventions::Address;
use proto::{FieldError, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use serde_json::json;
use uuid::Uuid;

use super::patterns::{ANY_TEXT, TEXT};
use super::{Command, Commands, Id, Nothing, answer, explain};
use crate::command_handler::{Handled, Target};
use crate::news::{Begin, Change, NewsCommand, NewsError};

pub(super) fn routes() -> Router<Commands> {
    Router::new()
        .route("/v1/news/{category}", post(begin))
        .route("/v1/news/{category}/{id}", put(change_text))
        .route("/v1/news/{category}/{id}/publish", post(publish))
        .route("/v1/news/{category}/{id}/schedule", post(schedule))
        .route("/v1/news/{category}/{id}/unschedule", post(unschedule))
        .route("/v1/news/{category}/{id}/embargo", post(embargo))
        .route("/v1/news/{category}/{id}/retract", post(retract))
        .route("/v1/news/{category}/{id}/archive", post(archive))
        .route("/v1/news/{category}/{id}/move", post(move_to))
}

/// The body of `POST /v1/news/{category}`, and of a line that is imported.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewArticle {
    /// 1 to 200 characters.
    #[serde(default)]
    #[schemars(!default, length(min = 1, max = 200), regex(pattern = TEXT))]
    pub title: String,
    /// 1 to 200,000 characters.
    #[serde(default)]
    #[schemars(!default, length(min = 1, max = 200_000), regex(pattern = TEXT))]
    pub content: String,
    /// Up to 500 characters.
    #[schemars(length(max = 500), regex(pattern = ANY_TEXT))]
    pub summary: Option<String>,
    /// Up to 20 of 1 to 50 characters.
    #[schemars(length(max = 20), inner(length(min = 1, max = 50), regex(pattern = TEXT)))]
    pub tags: Option<Vec<String>>,
    /// 1 to 100 characters.
    #[schemars(length(min = 1, max = 100), regex(pattern = TEXT))]
    pub byline: Option<String>,
    /// Published when absent.
    pub status: Option<NewStatus>,
    /// Published then, and not at once.
    pub publish_at: Option<Timestamp>,
    /// Not seen outside the newsroom before.
    pub embargo_until: Option<Timestamp>,
}

/// How an article begins.
#[derive(Debug, Default, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NewStatus {
    /// Readers see it at once.
    #[default]
    Published,
    /// Only the newsroom sees it.
    Draft,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewText {
    /// 1 to 200 characters.
    #[serde(default)]
    #[schemars(!default, length(min = 1, max = 200), regex(pattern = TEXT))]
    title: String,
    /// 1 to 200,000 characters.
    #[serde(default)]
    #[schemars(!default, length(min = 1, max = 200_000), regex(pattern = TEXT))]
    content: String,
    /// Up to 500 characters.
    #[schemars(length(max = 500), regex(pattern = ANY_TEXT))]
    summary: Option<String>,
    /// Up to 20 of 1 to 50 characters.
    #[schemars(length(max = 20), inner(length(min = 1, max = 50), regex(pattern = TEXT)))]
    tags: Option<Vec<String>>,
    /// 1 to 100 characters.
    #[schemars(length(min = 1, max = 100), regex(pattern = TEXT))]
    byline: Option<String>,
    /// For the readers: needed once it is published. 1 to 500 characters.
    #[schemars(length(min = 1, max = 500), regex(pattern = TEXT))]
    correction_note: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    /// For the readers: 1 to 500 characters.
    #[serde(default)]
    #[schemars(!default, length(min = 1, max = 500), regex(pattern = TEXT))]
    reason: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    /// When it is to be published by itself.
    publish_at: Timestamp,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Embargo {
    /// Must be given: only an explicit `null` lifts an embargo.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "serde_json::Value", extend("type" = ["string", "null"], "format" = "date-time"))]
    until: Option<Timestamp>,
}

fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    Option::deserialize(deserializer)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Destination {
    /// See `/v1/categories`.
    #[schemars(with = "Category")]
    category: String,
}

impl NewArticle {
    /// The command that this body asks for. The byline is left as it is written.
    ///
    /// # Errors
    /// Every field that is not as the OpenAPI document says.
    pub fn command(
        self,
        category: Category,
        author_id: Option<UserId>,
    ) -> Result<NewsCommand, Vec<FieldError>> {
        let Self { title, content, summary, tags, byline, status, publish_at, embargo_until } =
            self;
        let text = text(title, content, summary, tags, byline);
        let begin = match (status, publish_at) {
            (Some(NewStatus::Draft), None) => Begin::Draft,
            (None | Some(NewStatus::Published), None) => Begin::Publish,
            (None | Some(NewStatus::Published), Some(at)) => Begin::Schedule(at),
            (Some(NewStatus::Draft), Some(_)) => {
                let detail = "a draft has no time of publication: leave the status out";
                let error = FieldError::new("/publish_at", detail);
                return Err([text.err().unwrap_or_default(), vec![error]].concat());
            }
        };
        Ok(NewsCommand::Begin { category, text: text?, author_id, begin, embargo_until })
    }
}

fn text(
    title: String,
    content: String,
    summary: Option<String>,
    tags: Option<Vec<String>>,
    byline: Option<String>,
) -> Result<ArticleText, Vec<FieldError>> {
    let (summary, tags) = (summary.unwrap_or_default(), tags.unwrap_or_default());
    let mut errors = Vec::new();
    check(&mut errors, "/title", &title, 1..=200);
    check(&mut errors, "/summary", &summary, 0..=500);
    check(&mut errors, "/content", &content, 1..=200_000);
    if let Some(byline) = &byline {
        check(&mut errors, "/byline", byline, 1..=100);
    }
    if tags.len() > 20 {
        errors.push(FieldError::new("/tags", "at most 20 tags"));
    }
    for (number, tag) in tags.iter().enumerate() {
        check(&mut errors, &format!("/tags/{number}"), tag, 1..=50);
    }
    if errors.is_empty() {
        let byline = byline.map(PersonalText::Plain);
        Ok(ArticleText { title, summary, content, tags, byline })
    } else {
        Err(errors)
    }
}

/// Counts characters, not bytes. NUL is refused because PostgreSQL's `jsonb` cannot hold it.
pub(super) fn check(
    errors: &mut Vec<FieldError>,
    pointer: &str,
    text: &str,
    length: std::ops::RangeInclusive<usize>,
) {
    let (least, most) = (length.start(), length.end());
    if !length.contains(&text.chars().count()) {
        errors.push(FieldError::new(pointer, format!("{least} to {most} characters")));
    } else if *least > 0 && text.trim().is_empty() {
        errors.push(FieldError::new(pointer, "must not be blank"));
    } else if text.contains('\0') {
        errors.push(FieldError::new(pointer, "must not contain U+0000"));
    }
}

async fn begin(
    State(commands): State<Commands>,
    Address(category): Address<String>,
    command: Command<NewArticle>,
) -> Result<Response, Problem> {
    let category = commands.category(&category)?;
    let author = command.context.caller.user_id();
    let mut wanted = command.body.command(category, author).map_err(Problem::invalid)?;
    if let NewsCommand::Begin { text, .. } = &mut wanted {
        commands.seal_byline(&mut text.byline, author, &command.context).await?;
    }
    let target = Target::New(Uuid::now_v7());
    let handled = commands.handler.handle::<Article>(target, &wanted, &command.context).await;
    let handled = handled.map_err(|error| explain(error, refused_beginning))?;
    let location = address(&handled.aggregate.category, handled.aggregate.id);
    let mut response = shown(&commands, StatusCode::CREATED, handled).await;
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

fn address(category: &Category, id: ArticleId) -> String {
    format!("/v1/news/{category}/{id}")
}

/// The answer to a command: the article with its byline as it is printed.
async fn shown(commands: &Commands, status: StatusCode, handled: Handled<Article>) -> Response {
    let mut article = handled.aggregate;
    let keys = commands.keyring.keys_for(&article.text.byline).await;
    article.text.open_byline(&keys);
    answer(status, article.version, handled.position, &article)
}

async fn change_text(
    State(commands): State<Commands>,
    Address((category, _)): Address<(String, String)>,
    Id(id): Id,
    mut command: Command<NewText>,
) -> Result<Response, Problem> {
    let body = &mut command.body;
    let mut errors = Vec::new();
    let correction_note = body.correction_note.take();
    if let Some(note) = &correction_note {
        check(&mut errors, "/correction_note", note, 1..=500);
    }
    let parsed = text(
        std::mem::take(&mut body.title),
        std::mem::take(&mut body.content),
        body.summary.take(),
        body.tags.take(),
        body.byline.take(),
    );
    let mut text = match parsed {
        Ok(text) if errors.is_empty() => text,
        Ok(_) => return Err(Problem::invalid(errors)),
        Err(more) => return Err(Problem::invalid([more, errors].concat())),
    };
    if text.byline.is_some() {
        commands.seal_new_byline(id, &mut text.byline, &command.context).await?;
    }
    change(&commands, &category, id, Change::Text { text, correction_note }, &command).await
}

async fn publish(
    State(commands): State<Commands>,
    Address((category, _)): Address<(String, String)>,
    Id(id): Id,
    command: Command<Nothing>,
) -> Result<Response, Problem> {
    change(&commands, &category, id, Change::Publish, &command).await
}

async fn schedule(
    State(commands): State<Commands>,
    Address((category, _)): Address<(String, String)>,
    Id(id): Id,
    command: Command<Plan>,
) -> Result<Response, Problem> {
    let publish_at = command.body.publish_at;
    change(&commands, &category, id, Change::Schedule { publish_at }, &command).await
}

async fn unschedule(
    State(commands): State<Commands>,
    Address((category, _)): Address<(String, String)>,
    Id(id): Id,
    command: Command<Nothing>,
) -> Result<Response, Problem> {
    change(&commands, &category, id, Change::Unschedule, &command).await
}

async fn embargo(
    State(commands): State<Commands>,
    Address((category, _)): Address<(String, String)>,
    Id(id): Id,
    command: Command<Embargo>,
) -> Result<Response, Problem> {
    let until = command.body.until;
    change(&commands, &category, id, Change::Embargo { until }, &command).await
}

async fn retract(
    State(commands): State<Commands>,
    Address((category, _)): Address<(String, String)>,
    Id(id): Id,
    command: Command<Reason>,
) -> Result<Response, Problem> {
    let reason = command.body.reason.clone();
    let mut errors = Vec::new();
    check(&mut errors, "/reason", &reason, 1..=500);
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    change(&commands, &category, id, Change::Retract { reason }, &command).await
}

async fn archive(
    State(commands): State<Commands>,
    Address((category, _)): Address<(String, String)>,
    Id(id): Id,
    command: Command<Nothing>,
) -> Result<Response, Problem> {
    change(&commands, &category, id, Change::Archive, &command).await
}

async fn move_to(
    State(commands): State<Commands>,
    Address((category, _)): Address<(String, String)>,
    Id(id): Id,
    command: Command<Destination>,
) -> Result<Response, Problem> {
    let wanted = &command.body.category;
    let known = commands.categories.iter().find(|known| known.as_str() == wanted);
    let to = known.cloned().ok_or_else(|| {
        Problem::invalid(vec![FieldError::new("/category", "there is no such category")])
    })?;
    change(&commands, &category, id, Change::Move { to }, &command).await
}

async fn change<T>(
    commands: &Commands,
    category: &str,
    id: Uuid,
    change: Change,
    command: &Command<T>,
) -> Result<Response, Problem> {
    let category = commands.category(category)?;
    let wanted = NewsCommand::Change { category, change };
    let target = command.change_of(id);
    let handled = commands.handler.handle::<Article>(target, &wanted, &command.context).await;
    let handled = handled.map_err(|error| explain(error, refused))?;
    Ok(shown(commands, StatusCode::OK, handled).await)
}

/// Here the end of an embargo has another name than where it is changed.
fn refused_beginning(error: NewsError) -> Problem {
    match error {
        NewsError::EmbargoPast => {
            Problem::invalid(vec![FieldError::new("/embargo_until", error.to_string())])
        }
        error => refused(error),
    }
}

fn refused(error: NewsError) -> Problem {
    let field = |pointer| Problem::invalid(vec![FieldError::new(pointer, error.to_string())]);
    match error {
        NewsError::NotFound => Problem::not_found(error.to_string()),
        NewsError::PublishedInFuture => field("/published_at"),
        NewsError::MissingNote => field("/correction_note"),
        NewsError::PublishAtPast | NewsError::PublishAtUnderEmbargo { .. } => field("/publish_at"),
        NewsError::EmbargoPast | NewsError::EmbargoBeyondSchedule { .. } => field("/until"),
        NewsError::Exists => {
            Problem::new(StatusCode::CONFLICT, "exists", "Exists already", error.to_string())
        }
        NewsError::IllegalTransition { status, command } => {
            let (kind, title) = ("illegal-transition", "Illegal transition");
            Problem::new(StatusCode::CONFLICT, kind, title, error.to_string())
                .with("status_of_article", json!(status))
                .with("command", json!(command))
        }
    }
}
