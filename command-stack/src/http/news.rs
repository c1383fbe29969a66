//! `/v1/news`: begin an article, and lead it through its life.

mod bodies;

use axum::Router;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::{post, put};
use events::news::Article;
use events::{ArticleId, Category};
use proto::conventions::Address;
use proto::{FieldError, Problem};
use serde_json::json;
use uuid::Uuid;

pub(super) use self::bodies::{Destination, Embargo, NewText, Plan, Reason};
pub use self::bodies::{NewArticle, NewStatus};
use super::{Command, Commands, Id, Nothing, answer, explain};
use crate::command_handler::{Handled, Target};
use crate::news::{Change, NewsCommand, NewsError};

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

async fn begin(
    State(commands): State<Commands>,
    Address(category): Address<String>,
    command: Command<NewArticle>,
) -> Result<Response, Problem> {
    let category = commands.category(&category)?;
    let author = command.context.caller.user_id();
    let wanted = command.body.command(category, author);
    let mut wanted = wanted.map_err(|error| Problem::invalid(vec![error]))?;
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
    command: Command<NewText>,
) -> Result<Response, Problem> {
    let Command { body, context, expected } = command;
    let (mut text, correction_note) = body.into_parts();
    if text.byline.is_some() {
        commands.seal_new_byline(id, &mut text.byline, &context).await?;
    }
    let command = Command { body: (), context, expected };
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
    let to = command.body.category.clone();
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
