//! `/v1/news`: publish, draft, change, retract.

use axum::Router;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::{post, put};
use events::news::{Article, ArticleText};
use events::{ArticleId, Category};
use proto::conventions::Address;
use proto::{FieldError, Problem};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::{Command, Commands, Id, answer, changed, explain};
use crate::command_handler::Target;
use crate::news::{Change, NewsCommand, NewsError};

pub(super) fn routes() -> Router<Commands> {
    Router::new()
        .route("/v1/news/{category}", post(begin))
        .route("/v1/news/{category}/{id}", put(change_text))
        .route("/v1/news/{category}/{id}/publish", post(publish_draft))
        .route("/v1/news/{category}/{id}/retract", post(retract))
}

/// The body of `POST /v1/news/{category}`, and of a line that is imported.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewArticle {
    /// 1 to 200 characters.
    #[serde(default)]
    pub title: String,
    /// 1 to 200,000 characters.
    #[serde(default)]
    pub content: String,
    /// Up to 500 characters.
    pub summary: Option<String>,
    /// Up to 20 of 1 to 50 characters.
    pub tags: Option<Vec<String>>,
    /// 1 to 100 characters.
    pub byline: Option<String>,
    /// Published when absent.
    pub status: Option<NewStatus>,
}

/// How an article begins.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NewStatus {
    /// Readers see it at once.
    #[default]
    Published,
    /// Only the newsroom sees it.
    Draft,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewText {
    #[serde(default)]
    title: String,
    #[serde(default)]
    content: String,
    summary: Option<String>,
    tags: Option<Vec<String>>,
    byline: Option<String>,
    correction_note: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// The command that this body asks for.
///
/// # Errors
/// Every field that is not as API.md wants it.
pub fn parse_article(
    category: Category,
    article: NewArticle,
) -> Result<NewsCommand, Vec<FieldError>> {
    let NewArticle { title, content, summary, tags, byline, status } = article;
    let text = text(title, content, summary, tags, byline)?;
    Ok(match status.unwrap_or_default() {
        NewStatus::Published => NewsCommand::PublishArticle { category, text, author_id: None },
        NewStatus::Draft => NewsCommand::DraftArticle { category, text, author_id: None },
    })
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
    let wanted = parse_article(category, command.body).map_err(Problem::invalid)?;
    let target = Target::New(Uuid::now_v7());
    let handled = commands.handler.handle::<Article>(target, &wanted, &command.context).await;
    let handled = handled.map_err(|error| explain(error, refused))?;
    let article = &handled.aggregate;
    let mut response = answer(StatusCode::CREATED, article.version, handled.position, article);
    if let Ok(location) = HeaderValue::from_str(&address(&article.category, article.id)) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

fn address(category: &Category, id: ArticleId) -> String {
    format!("/v1/news/{category}/{id}")
}

async fn change_text(
    State(commands): State<Commands>,
    Address((category, _)): Address<(String, String)>,
    Id(id): Id,
    mut command: Command<NewText>,
) -> Result<Response, Problem> {
    let body = &mut command.body;
    let mut errors = Vec::new();
    let note = body.correction_note.take();
    if let Some(note) = &note {
        check(&mut errors, "/correction_note", note, 1..=500);
    }
    let parsed = text(
        std::mem::take(&mut body.title),
        std::mem::take(&mut body.content),
        body.summary.take(),
        body.tags.take(),
        body.byline.take(),
    );
    match parsed {
        Ok(text) if errors.is_empty() => {
            let what = Change::Text { text, correction_note: note };
            change(&commands, &category, id, what, &command).await
        }
        Ok(_) => Err(Problem::invalid(errors)),
        Err(more) => Err(Problem::invalid([more, errors].concat())),
    }
}

async fn publish_draft(
    State(commands): State<Commands>,
    Address((category, _)): Address<(String, String)>,
    Id(id): Id,
    command: Command<Nothing>,
) -> Result<Response, Problem> {
    change(&commands, &category, id, Change::PublishDraft, &command).await
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

async fn change<T>(
    commands: &Commands,
    category: &str,
    id: Uuid,
    change: Change,
    command: &Command<T>,
) -> Result<Response, Problem> {
    let category = commands.category(category)?;
    let wanted = NewsCommand::Change { category, change };
    let target = command.target(id)?;
    let handled = commands.handler.handle::<Article>(target, &wanted, &command.context).await;
    handled.map(|handled| changed(&handled)).map_err(|error| explain(error, refused))
}

fn refused(error: NewsError) -> Problem {
    match error {
        NewsError::NotFound => Problem::not_found(error.to_string()),
        NewsError::MissingNote => {
            Problem::invalid(vec![FieldError::new("/correction_note", error.to_string())])
        }
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
