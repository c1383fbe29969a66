//! `/v1/users`: register, rename.

use axum::Router;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::{post, put};
use events::user::User;
use events::{Chain, UserId};
use proto::{FieldError, Problem};
use serde::Deserialize;
use uuid::Uuid;

use super::news::check;
use super::{Command, Commands, Id, answer, changed, digest, explain, explain_log};
use crate::command_handler::{CommandError, Handled, Target};
use crate::credentials::{ClaimError, Credentials, HashError, claim, hash_password};
use crate::user::{UserCommand, UserError};

pub(super) fn routes() -> Router<Commands> {
    Router::new().route("/v1/users", post(register)).route("/v1/users/{id}", put(rename))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewUser {
    #[serde(default)]
    name: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewName {
    #[serde(default)]
    name: String,
    email: Option<String>,
}

/// One `@` with something on both sides, no spaces, at most 254 characters (RFC 5321, 4.5.3): more
/// can only be known by sending a letter.
fn check_email(errors: &mut Vec<FieldError>, email: &str) {
    let parts = email.split_once('@');
    let plausible = parts
        .is_some_and(|(user, host)| !user.is_empty() && !host.is_empty() && !host.contains('@'));
    let clean = !email.chars().any(|c| c.is_whitespace() || c.is_control());
    if !plausible || !clean || email.len() > 254 {
        errors.push(FieldError::new("/email", "an address such as ada@example.org"));
    }
}

async fn register(
    State(commands): State<Commands>,
    mut command: Command<NewUser>,
) -> Result<Response, Problem> {
    let NewUser { name, email, password } = command.body;
    let mut errors = Vec::new();
    check(&mut errors, "/name", &name, 1..=100);
    check_email(&mut errors, &email);
    check(&mut errors, "/password", &password, 8..=200);
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    // What is kept of a request must not help to guess its password.
    if let Some(key) = &mut command.context.key {
        key.fingerprint = digest([b"register", name.as_bytes(), email.as_bytes(), b""]);
    }
    // A repetition must not find the address taken by its own first time.
    let first = commands.handler.first_answer::<User>(&command.context).await;
    if let Some(first) = first.map_err(|error| explain(error, refused))? {
        return Ok(created(&first));
    }
    let user_id = UserId(Uuid::now_v7());
    let password_hash = hash_password(password).await.map_err(explain_hash)?;
    let credentials = Credentials { user_id, email, password_hash };
    claim(&*commands.credentials, &commands.log, &credentials).await.map_err(
        |error| match error {
            ClaimError::EmailTaken => email_taken(),
            ClaimError::Log(error) => explain_log(&error),
        },
    )?;
    let (target, wanted) = (Target::New(user_id.0), UserCommand::RegisterUser { name });
    let handled = commands.handler.handle::<User>(target, &wanted, &command.context).await;
    // Certainly not registered: the address is free again at once.
    if let Err(CommandError::Overloaded | CommandError::Refused(_)) = &handled {
        let released = commands.credentials.release(user_id).await;
        released.map_err(|error| explain_log(&error))?;
    }
    handled.map(|handled| created(&handled)).map_err(|error| explain(error, refused))
}

fn explain_hash(error: HashError) -> Problem {
    match error {
        HashError::Overloaded => Problem::unavailable("too many registrations at once"),
        HashError::Failed(_) => {
            tracing::error!(error = %Chain(&error), "a registration failed");
            Problem::internal()
        }
    }
}

fn created(handled: &Handled<User>) -> Response {
    let user = &handled.aggregate;
    let mut response = answer(StatusCode::CREATED, user.version, handled.position, user);
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/users/{}", user.id)) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

async fn rename(
    State(commands): State<Commands>,
    Id(id): Id,
    command: Command<NewName>,
) -> Result<Response, Problem> {
    let NewName { name, email } = &command.body;
    let mut errors = Vec::new();
    check(&mut errors, "/name", name, 1..=100);
    if let Some(email) = email {
        check_email(&mut errors, email);
    }
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let target = command.target(id)?;
    // Before the append, so that a name is not changed by a request that is refused.
    if let Some(email) = email {
        change_email(&commands, &target, UserId(id), email).await?;
    }
    let wanted = UserCommand::RenameUser { name: name.clone() };
    let handled = commands.handler.handle::<User>(target, &wanted, &command.context).await;
    handled.map(|handled| changed(&handled)).map_err(|error| explain(error, refused))
}

async fn change_email(
    commands: &Commands,
    target: &Target,
    user: UserId,
    email: &str,
) -> Result<(), Problem> {
    let known = commands.handler.read::<User>(target).await;
    if known.map_err(|error| explain(error, refused))?.is_none() {
        return Err(refused(UserError::NotFound));
    }
    let free = commands.credentials.change_email(user, email).await;
    if free.map_err(|error| explain_log(&error))? { Ok(()) } else { Err(email_taken()) }
}

fn email_taken() -> Problem {
    let detail = "another account has this e-mail address";
    Problem::new(StatusCode::CONFLICT, "email-taken", "E-mail address taken", detail)
}

fn refused(error: UserError) -> Problem {
    match error {
        UserError::NotFound => Problem::not_found(error.to_string()),
        UserError::Exists => {
            Problem::new(StatusCode::CONFLICT, "exists", "Exists already", error.to_string())
        }
    }
}
