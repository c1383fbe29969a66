//! `/v1/recommendations/users/{id}`: what a reader decides on what is known of the own reading.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::put;
use events::user::User;
use proto::Problem;
use proto::fields::{Fields, Wrong};
use schemars::JsonSchema;

use super::users::refused;
use super::{Body, Command, Commands, Id, Nothing, explain, no_content};
use crate::user::UserCommand;

pub(super) fn routes() -> Router<Commands> {
    Router::new().route("/v1/recommendations/users/{id}", put(switch).delete(clear))
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Switch {
    /// Whether there are to be recommendations.
    enabled: bool,
}

impl Body for Switch {
    fn read(fields: &mut Fields<'_>, _commands: &Commands) -> Result<Self, Wrong> {
        Ok(Self { enabled: fields.required("enabled")? })
    }
}

async fn switch(
    State(commands): State<Commands>,
    Id(id): Id,
    command: Command<Switch>,
) -> Result<Response, Problem> {
    let wanted = UserCommand::SwitchRecommendations { enabled: command.body.enabled };
    let handled = commands.handler.handle::<User>(command.act_on(id), &wanted, &command.context);
    Ok(no_content(&handled.await.map_err(|error| explain(error, refused))?))
}

async fn clear(
    State(commands): State<Commands>,
    Id(id): Id,
    command: Command<Nothing>,
) -> Result<Response, Problem> {
    let wanted = UserCommand::ClearReadingProfile;
    let handled = commands.handler.handle::<User>(command.act_on(id), &wanted, &command.context);
    Ok(no_content(&handled.await.map_err(|error| explain(error, refused))?))
}
