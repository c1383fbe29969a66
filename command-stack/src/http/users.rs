//! `/v1/users`: register, change name, e-mail address, password and roles, erase.

use std::collections::BTreeSet;

use axum::Router;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::{post, put};
use events::personal::{PersonalText, UserKey};
use events::user::{Name, User};
use events::{Email, RecordedEvent, Role, Secrets, UserId};
use proto::fields::{Fields, Wrong};
use proto::{FieldError, Problem};
use schemars::JsonSchema;
use uuid::Uuid;

use super::sessions::{attempt, explain_hash};
use super::{Body, Command, Commands, Id, Nothing, answer, explain, explain_log, no_content};
use crate::accounts::{self, ClaimError, NewAccount};
use crate::command_handler::{CommandError, Handled, Target};
use crate::email_digest::EmailDigest;
use crate::passwords::{self, HashError, Password};
use crate::user::{UserCommand, UserError};

/// Of users who exist.
pub(super) fn routes() -> Router<Commands> {
    Router::new()
        .route("/v1/users/{id}", put(change_profile).delete(erase))
        .route("/v1/users/{id}/password", post(change_password))
        .route("/v1/users/{id}/roles", put(change_roles))
}

/// For everybody.
pub(super) fn open_routes() -> Router<Commands> {
    Router::new().route("/v1/users", post(register))
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct NewUser {
    name: Name,
    email: Email,
    password: Password,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Profile {
    name: Name,
    email: Option<Email>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct NewPassword {
    password: Password,
    /// To change the own.
    current_password: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Roles {
    /// All that the user may be from now on; `reader` always is.
    roles: BTreeSet<Role>,
}

impl Body for NewUser {
    fn read(fields: &mut Fields<'_>, _commands: &Commands) -> Result<Self, Wrong> {
        let (name, email) = (fields.required("name"), fields.required("email"));
        let password = fields.required("password");
        Ok(Self { name: name?, email: email?, password: password? })
    }
}

impl Body for Profile {
    fn read(fields: &mut Fields<'_>, _commands: &Commands) -> Result<Self, Wrong> {
        let (name, email) = (fields.required("name"), fields.optional("email"));
        Ok(Self { name: name?, email: email? })
    }
}

impl Body for NewPassword {
    fn read(fields: &mut Fields<'_>, _commands: &Commands) -> Result<Self, Wrong> {
        let (password, current) =
            (fields.required("password"), fields.optional("current_password"));
        Ok(Self { password: password?, current_password: current? })
    }
}

impl Body for Roles {
    fn read(fields: &mut Fields<'_>, _commands: &Commands) -> Result<Self, Wrong> {
        // Each once, so that there are never more than there are roles.
        let roles = fields.required_list::<Role, { Role::ALL.len() }>("roles")?;
        Ok(Self { roles: roles.into_vec().into_iter().collect() })
    }
}

async fn register(
    State(commands): State<Commands>,
    command: Command<NewUser>,
) -> Result<Response, Problem> {
    let NewUser { name, email, password } = command.body;
    let email = email.as_str();
    // A repetition must not find the address taken by its own first time.
    let first = commands.handler.first_answer::<User>(&command.context).await;
    if let Some(first) = first.map_err(|error| explain(error, refused))? {
        return Ok(created(&commands, first).await);
    }
    let (user, key) = (UserId(Uuid::now_v7()), UserKey::generate());
    let key = key.map_err(|error| explain_hash(HashError::Failed(error)))?;
    let password_hash = passwords::hash(password).await.map_err(explain_hash)?;
    let wanted =
        UserCommand::Register { name: key.seal(user, name.as_str()), email: key.seal(user, email) };
    let account = NewAccount { user, key, email: EmailDigest::of(email), password_hash };
    let opened =
        accounts::open(&*commands.accounts, &commands.log, &account, commands.clock.now()).await;
    opened.map_err(explain_claim)?;
    let handled = commands.handler.handle::<User>(Target::New(user.0), &wanted, &command.context);
    let handled = handled.await;
    // Certainly not registered: the address is free again at once.
    if let Err(CommandError::Overloaded | CommandError::Refused(_) | CommandError::InProgress) =
        &handled
    {
        let destroyed = commands.accounts.destroy(user).await;
        destroyed.map_err(|error| explain_log(&error))?;
    }
    let handled = handled.map_err(|error| explain(error, refused))?;
    Ok(created(&commands, handled).await)
}

fn explain_claim(error: ClaimError) -> Problem {
    match error {
        ClaimError::EmailTaken => {
            let detail = "another account has this e-mail address";
            Problem::new(StatusCode::CONFLICT, "email-taken", "E-mail address taken", detail)
        }
        ClaimError::Log(error) => explain_log(&error),
    }
}

async fn created(commands: &Commands, handled: Handled<User>) -> Response {
    let user = commands.shown_user(handled.aggregate).await;
    let mut response = answer(StatusCode::CREATED, user.version, handled.position, &user);
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/users/{}", user.id)) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

async fn changed(commands: &Commands, handled: Handled<User>) -> Response {
    let user = commands.shown_user(handled.aggregate).await;
    answer(StatusCode::OK, user.version, handled.position, &user)
}

async fn change_profile(
    State(commands): State<Commands>,
    Id(id): Id,
    command: Command<Profile>,
) -> Result<Response, Problem> {
    let (Profile { name, email }, user) = (&command.body, UserId(id));
    let email = email.as_ref().map(Email::as_str);
    let target = command.change_of(id);
    let keys = commands.accounts.keys(&[user]).await.map_err(|error| explain_log(&error))?;
    let seal = |text: &str| match keys.get(&user) {
        Some(key) => key.seal(user, text),
        // Nobody, or nobody any more: the rehearsal says so.
        None => PersonalText::Plain(String::new()),
    };
    let wanted = UserCommand::ChangeProfile { name: seal(name.as_str()), email: email.map(seal) };
    // Before anything is claimed, so that nothing is for a request that is refused.
    let rehearsed = commands.handler.rehearse::<User>(&target, &wanted, &command.context).await;
    rehearsed.map_err(|error| explain(error, refused))?;
    if keys.is_empty() {
        return Err(refused(UserError::NotFound));
    }
    if let Some(email) = email {
        let (store, now) = (&*commands.accounts, commands.clock.now());
        let digest = EmailDigest::of(email);
        let claimed = accounts::claim(store, &commands.log, user, &digest, now).await;
        claimed.map_err(explain_claim)?;
    }
    // The claim on the address before is void as soon as the log says otherwise.
    let handled = commands.handler.handle::<User>(target, &wanted, &command.context).await;
    let handled = handled.map_err(|error| explain(error, refused))?;
    Ok(changed(&commands, handled).await)
}

/// Who changes the own password has to know it: an access token that was left somewhere must not
/// be enough to take an account over.
async fn change_password(
    State(commands): State<Commands>,
    Id(id): Id,
    command: Command<NewPassword>,
) -> Result<Response, Problem> {
    let (user, target) = (UserId(id), command.act_on(id));
    let wanted = UserCommand::ChangePassword;
    let first = commands.handler.first_answer::<User>(&command.context).await;
    let first = first.map_err(|error| explain(error, refused))?;
    if first.is_none() {
        let rehearsed = commands.handler.rehearse::<User>(&target, &wanted, &command.context);
        rehearsed.await.map_err(|error| explain(error, refused))?;
        if command.context.caller.user_id() == Some(user) {
            check_current_password(&commands, user, command.body.current_password).await?;
        }
    }
    let hash = passwords::hash(command.body.password).await.map_err(explain_hash)?;
    // The event first: what is refused here must not have changed anything. Should the process die
    // before the rest, nothing was acknowledged, and a repetition with the same key comes to it.
    let handled = commands.handler.handle::<User>(target, &wanted, &command.context).await;
    let handled = handled.map_err(|error| explain(error, refused))?;
    let events =
        commands.log.read_stream(&user.into()).await.map_err(|error| explain_log(&error))?;
    let later = |event: &RecordedEvent| event.version > handled.aggregate.version;
    let changes = |event: &RecordedEvent| {
        event.kind().is_some_and(|kind| kind.secrets() == Secrets::NewPassword)
    };
    // A repetition that comes late must not bring an older password back.
    if !events.iter().any(|event| later(event) && changes(event)) {
        let set = commands.accounts.set_password(user, &hash).await;
        set.map_err(|error| explain_log(&error))?;
        let ended = commands.accounts.end_all(user).await;
        ended.map_err(|error| explain_log(&error))?;
    }
    Ok(no_content(&handled))
}

async fn check_current_password(
    commands: &Commands,
    user: UserId,
    current: Option<String>,
) -> Result<(), Problem> {
    let field = "/current_password";
    let Some(current) = current else {
        let detail = "is missing: must be your password so far, to change your own";
        return Err(Problem::invalid(vec![FieldError::new(field, detail)]));
    };
    // Not an address, so in nobody's way: guesses are counted per account.
    let guesses = EmailDigest::of(&format!("current password of {user}"));
    attempt(commands, &guesses, Some(user)).await?;
    let hash = commands.accounts.password(user).await.map_err(|error| explain_log(&error))?;
    if !passwords::verify(current, hash).await.map_err(explain_hash)? {
        let problem = Problem::invalid(vec![FieldError::new(field, "is not your password so far")]);
        return Err(problem.refusing("wrong current password", Some(user)));
    }
    commands.accounts.signed_in(&guesses).await.map_err(|error| explain_log(&error))
}

async fn change_roles(
    State(commands): State<Commands>,
    Id(id): Id,
    command: Command<Roles>,
) -> Result<Response, Problem> {
    let wanted = UserCommand::ChangeRoles { roles: command.body.roles.clone() };
    let target = command.change_of(id);
    let handled = commands.handler.handle::<User>(target, &wanted, &command.context).await;
    let handled = handled.map_err(|error| explain(error, refused))?;
    Ok(changed(&commands, handled).await)
}

/// The event first: should the process die after it, the agenda destroys the rest.
async fn erase(
    State(commands): State<Commands>,
    Id(id): Id,
    command: Command<Nothing>,
) -> Result<Response, Problem> {
    let target = command.act_on(id);
    let wanted = UserCommand::Erase;
    let handled = commands.handler.handle::<User>(target, &wanted, &command.context).await;
    let handled = handled.map_err(|error| explain(error, refused))?;
    let destroyed = commands.accounts.destroy(UserId(id)).await;
    destroyed.map_err(|error| explain_log(&error))?;
    commands.keyring.forget(UserId(id));
    // Outside the log as well: who restores an older one has to ask for it again.
    tracing::info!(target: "security", user = %id, "erased");
    Ok(no_content(&handled))
}

pub(super) fn refused(error: UserError) -> Problem {
    match error {
        UserError::NotFound => Problem::not_found(error.to_string()),
        UserError::Exists => {
            Problem::new(StatusCode::CONFLICT, "exists", "Exists already", error.to_string())
        }
    }
}
