//! `/v1/front`: what the editors want to be seen first. `If-Match` is honoured, and not asked for:
//! who pins has the whole list in hand.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::put;
use events::front::{FrontBreakingSet, FrontEvent, FrontPinned};
use events::news::Article;
use events::text::UpTo;
use events::{ArticleId, Category, Timestamp, Version};
use proto::conventions::Address;
use proto::fields::{Fields, Wrong};
use proto::{FieldError, Problem};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Body, Command, Commands, Nothing, answer, explain, explain_denied, explain_log, no_content,
};
use crate::access;
use crate::command_handler::Handled;
use crate::front::{Candidate, Front, FrontCommand, FrontError};

/// More would not be seen at first sight, and each is looked up.
type Pinning = UpTo<ArticleId, 20>;

/// A category that is called `breaking` cannot have pins: its address is the breaking news'.
pub(super) fn routes() -> Router<Commands> {
    Router::new()
        .route("/v1/front/{category}", put(pin))
        .route("/v1/front/breaking", put(set_breaking).delete(clear_breaking))
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Pins {
    /// The first stands first. Published articles of the category, each once.
    pinned: Pinning,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Breaking {
    /// A published article of any category.
    article_id: ArticleId,
}

impl Body for Pins {
    fn read(fields: &mut Fields<'_>, _commands: &Commands) -> Result<Self, Wrong> {
        Ok(Self { pinned: fields.required_list("pinned")? })
    }
}

impl Body for Breaking {
    fn read(fields: &mut Fields<'_>, _commands: &Commands) -> Result<Self, Wrong> {
        Ok(Self { article_id: fields.required("article_id")? })
    }
}

/// What readers see first in a category.
#[derive(Serialize, JsonSchema)]
pub(super) struct Pinned<'a> {
    category: &'a Category,
    pinned: &'a [ArticleId],
    version: Version,
    updated_at: Option<Timestamp>,
}

/// What readers see first of all.
#[derive(Serialize, JsonSchema)]
pub(super) struct BreakingNews<'a> {
    article_id: ArticleId,
    category: &'a Category,
    version: Version,
    updated_at: Option<Timestamp>,
}

async fn pin(
    State(commands): State<Commands>,
    Address(category): Address<String>,
    command: Command<Pins>,
) -> Result<Response, Problem> {
    let category = commands.category(&category)?;
    access::to_front(&command.context.caller).map_err(explain_denied)?;
    let mut articles = Vec::new();
    for id in command.body.pinned.clone().into_vec() {
        articles.push(candidate(&commands, id).await?);
    }
    change(&commands, FrontCommand::Pin { category, articles }, &command).await
}

async fn set_breaking(
    State(commands): State<Commands>,
    command: Command<Breaking>,
) -> Result<Response, Problem> {
    access::to_front(&command.context.caller).map_err(explain_denied)?;
    let wanted = FrontCommand::SetBreaking(candidate(&commands, command.body.article_id).await?);
    change(&commands, wanted, &command).await
}

async fn clear_breaking(
    State(commands): State<Commands>,
    command: Command<Nothing>,
) -> Result<Response, Problem> {
    change(&commands, FrontCommand::ClearBreaking, &command).await
}

async fn candidate(commands: &Commands, id: ArticleId) -> Result<Candidate, Problem> {
    let article = commands.handler.read::<Article>(id.0).await;
    Ok(Candidate::new(id, article.map_err(|error| explain_log(&error))?))
}

async fn change<T>(
    commands: &Commands,
    wanted: FrontCommand,
    command: &Command<T>,
) -> Result<Response, Problem> {
    let target = command.act_on(wanted.place().0);
    let handled = commands.handler.handle::<Front>(target, &wanted, &command.context).await;
    let handled = handled.map_err(|error| explain(error, |refusal| refused(&wanted, refusal)))?;
    Ok(shown(&handled))
}

/// Names each article that cannot be shown, where it was asked for.
fn refused(wanted: &FrontCommand, FrontError(unfit): FrontError) -> Problem {
    let pointer = |index| match wanted {
        FrontCommand::Pin { .. } => format!("/pinned/{index}"),
        FrontCommand::SetBreaking(_) | FrontCommand::ClearBreaking => "/article_id".to_owned(),
    };
    let errors = unfit.into_iter();
    let errors = errors.map(|(index, unfit)| FieldError::new(pointer(index), unfit.to_string()));
    Problem::invalid(errors.collect())
}

fn shown(handled: &Handled<Front>) -> Response {
    let Handled { aggregate: Front { shows, version, updated_at }, position } = handled;
    let (version, updated_at) = (*version, *updated_at);
    match shows {
        FrontEvent::Pinned(FrontPinned { category, articles }) => {
            let body = Pinned { category, pinned: articles, version, updated_at };
            answer(StatusCode::OK, version, *position, &body)
        }
        FrontEvent::BreakingSet(FrontBreakingSet { article_id, category }) => {
            let body = BreakingNews { article_id: *article_id, category, version, updated_at };
            answer(StatusCode::OK, version, *position, &body)
        }
        FrontEvent::BreakingCleared(_) => no_content(handled),
    }
}
