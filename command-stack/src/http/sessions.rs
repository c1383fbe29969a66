//! `/v1/sessions`: sign in, stay signed in, sign out; and the public keys of the tokens.

use std::sync::{Arc, PoisonError};

use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use events::personal::{Opened, PersonalText};
use events::user::User;
use events::{Chain, Timestamp, UserId};
use proto::Problem;
use proto::fields::{Fields, Wrong};
use proto::token::{ACCESS_TOKEN_LIFETIME, Principal, PublicKeys, TokenError, Verifier};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::{Mutex, MutexGuard};
use uuid::Uuid;

use super::identity::Identity;
use super::{Body, Command, Commands, explain_log};
use crate::accounts::confirms;
use crate::caller::Caller;
use crate::email_digest::EmailDigest;
use crate::passwords::{self, HashError};
use crate::sessions::{Attempt, RefreshToken, TokenDigest, Used};
use crate::signing_keys::SigningKeys;

pub(super) fn routes() -> Router<Commands> {
    Router::new()
        .route("/v1/sessions", post(sign_in).delete(sign_out))
        .route("/v1/sessions/refresh", post(refresh))
        .route("/.well-known/jwks.json", get(public_keys))
}

/// Signs access tokens and reads them.
#[derive(Clone)]
pub(super) struct Tokens {
    keys: Arc<SigningKeys>,
    verifier: Arc<Verifier>,
    /// What the verifier knows.
    known: Arc<std::sync::Mutex<PublicKeys>>,
}

impl Tokens {
    pub(super) fn new(keys: SigningKeys) -> Self {
        let known = keys.public();
        let verifier = Arc::new(Verifier::new(known.clone()));
        Self { keys: Arc::new(keys), verifier, known: Arc::new(std::sync::Mutex::new(known)) }
    }

    /// Another process may have rotated the keys. Anybody can name a key that there is not, so the
    /// verifier, and what it remembers, is only replaced when there is something new.
    fn refresh(&self) {
        let newest = self.keys.public();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != newest {
            *known = newest.clone();
            self.verifier.replace(newest);
        }
    }

    /// # Errors
    /// 401 when the token is not a valid one of ours.
    pub(super) fn identify(&self, token: &str, now: Timestamp) -> Result<Identity, Problem> {
        let mut principal = self.verifier.verify(token, now);
        if matches!(principal, Err(TokenError::UnknownKey)) {
            self.refresh();
            principal = self.verifier.verify(token, now);
        }
        let principal = principal.map_err(|error| {
            Problem::invalid_token(error.to_string()).refusing("an invalid token", None)
        })?;
        let Principal { user_id: id, roles, session } = principal;
        Ok(Identity::signed_in(Caller::User { id, roles }, session))
    }
}

async fn public_keys(State(commands): State<Commands>) -> Json<PublicKeys> {
    Json(commands.tokens.keys.public())
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct SignIn {
    #[schemars(length(min = 1))]
    email: String,
    #[schemars(length(min = 1))]
    password: String,
}

impl Body for SignIn {
    fn read(fields: &mut Fields<'_>, _commands: &Commands) -> Result<Self, Wrong> {
        let mut filled = |name| {
            let text = fields.required::<String>(name)?;
            let filled = if text.is_empty() { Err("is empty: must be given") } else { Ok(text) };
            fields.check(name, filled)
        };
        let (email, password) = (filled("email"), filled("password"));
        Ok(Self { email: email?, password: password? })
    }
}

/// As RFC 6749, 5.1 has it.
#[derive(Serialize, JsonSchema)]
pub(super) struct Session<'a> {
    /// Lasts for `expires_in` seconds.
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    /// To be used once, for the next session.
    refresh_token: &'a str,
    user_id: UserId,
}

/// Does the same work whether the address is known or not, so that the time it takes says nothing.
async fn sign_in(
    State(commands): State<Commands>,
    command: Command<SignIn>,
) -> Result<Response, Problem> {
    let SignIn { email, password } = command.body;
    let digest = EmailDigest::of(&email);
    let found = commands.accounts.find(&digest).await.map_err(|error| explain_log(&error))?;
    let (holder, hash) = found.unzip();
    let _lock = commands.sign_in_locks.take(&digest).await;
    attempt(&commands, &digest, holder).await?;
    let right = passwords::verify(password, hash.clone()).await.map_err(explain_hash)?;
    let user = read_user(&commands, holder.unwrap_or(UserId(Uuid::nil()))).await?;
    let confirmed = confirms(&*commands.accounts, user.as_ref(), &digest).await;
    match user {
        Some(user) if right && confirmed.map_err(|error| explain_log(&error))? => {
            let forgotten = commands.accounts.signed_in(&digest).await;
            forgotten.map_err(|error| explain_log(&error))?;
            let (token, family) = (fresh_token()?, Uuid::now_v7());
            let (digest, now) = (TokenDigest::of(token.secret()), commands.clock.now());
            let kept = commands.accounts.give(digest, family, user.id, now).await;
            kept.map_err(|error| explain_log(&error))?;
            // A new password ends all sessions: also one that was begun with the old one meanwhile.
            let newest = commands.accounts.password(user.id).await;
            if newest.map_err(|error| explain_log(&error))? != hash {
                commands.accounts.end(family).await.map_err(|error| explain_log(&error))?;
                return Err(wrong_credentials(holder));
            }
            tokens(&commands, StatusCode::CREATED, &user, family, &token)
        }
        _ => Err(wrong_credentials(holder)),
    }
}

fn wrong_credentials(holder: Option<UserId>) -> Problem {
    let detail = "the e-mail address or the password is wrong";
    Problem::unauthenticated(detail).refusing("wrong address or password", holder)
}

/// Lets those who try to sign in with the same address come one after the other: who tries while
/// another is tried would count as a failure, and may have the right password.
#[derive(Clone)]
pub(super) struct SignInLocks(Arc<[Mutex<()>]>);

impl SignInLocks {
    pub(super) fn new() -> Self {
        Self((0..64).map(|_| Mutex::default()).collect())
    }

    async fn take(&self, EmailDigest(digest): &EmailDigest) -> MutexGuard<'_, ()> {
        self.0[usize::from(digest[0]) % self.0.len()].lock().await
    }
}

/// Counts the attempt.
///
/// # Errors
/// 429 when too many have failed.
pub(super) async fn attempt(
    commands: &Commands,
    digest: &EmailDigest,
    whose: Option<UserId>,
) -> Result<(), Problem> {
    let attempt = commands.accounts.try_sign_in(digest, commands.clock.now()).await;
    match attempt.map_err(|error| explain_log(&error))? {
        Attempt::Allowed => Ok(()),
        Attempt::Throttled { retry_after_seconds } => {
            let status = StatusCode::TOO_MANY_REQUESTS;
            let detail = "too many attempts have failed; wait, and try again";
            Err(Problem::new(status, "too-many-attempts", "Too many attempts", detail)
                .retry_after(retry_after_seconds)
                .refusing("too many failed attempts", whose))
        }
    }
}

pub(super) fn explain_hash(error: HashError) -> Problem {
    match error {
        HashError::Overloaded => Problem::overloaded("too many passwords at once"),
        HashError::Failed(_) => {
            tracing::error!(error = %Chain(&error), "a password was not hashed or compared");
            Problem::internal()
        }
    }
}

async fn read_user(commands: &Commands, id: UserId) -> Result<Option<User>, Problem> {
    let user = commands.handler.read::<User>(id.0).await;
    Ok(user.map_err(|error| explain_log(&error))?.filter(|user| user.erased_at.is_none()))
}

fn fresh_token() -> Result<RefreshToken, Problem> {
    RefreshToken::generate().map_err(|error| {
        tracing::error!(error = %Chain(&*error), "no randomness");
        Problem::internal()
    })
}

/// The answer follows RFC 6749, 5.1.
fn tokens(
    commands: &Commands,
    status: StatusCode,
    user: &User,
    family: Uuid,
    refresh_token: &RefreshToken,
) -> Result<Response, Problem> {
    let roles = user.roles.clone();
    let principal = Principal { user_id: user.id, roles, session: Some(family) };
    let signed = commands.tokens.keys.sign(&principal, ACCESS_TOKEN_LIFETIME, commands.clock.now());
    let access_token = signed.map_err(|error| {
        tracing::error!(error = %Chain(&error), "a token was not signed");
        Problem::internal()
    })?;
    let body = Session {
        access_token,
        token_type: "Bearer",
        expires_in: ACCESS_TOKEN_LIFETIME.as_secs(),
        refresh_token: refresh_token.secret(),
        user_id: user.id,
    };
    let mut response = (status, Json(body)).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Refresh {
    refresh_token: String,
}

impl Body for Refresh {
    fn read(fields: &mut Fields<'_>, _commands: &Commands) -> Result<Self, Wrong> {
        Ok(Self { refresh_token: fields.required("refresh_token")? })
    }
}

async fn refresh(
    State(commands): State<Commands>,
    command: Command<Refresh>,
) -> Result<Response, Problem> {
    let (sent, next) = (TokenDigest::of(&command.body.refresh_token), fresh_token()?);
    let (next_digest, now) = (TokenDigest::of(next.secret()), commands.clock.now());
    let session = commands.accounts.find_session(sent, now).await;
    let Some((user, family)) = session.map_err(|error| explain_log(&error))? else {
        return Err(sign_in_again("an unknown refresh token", None));
    };
    let Some(user) = read_user(&commands, user).await? else {
        return Err(sign_in_again("a session of nobody", Some(user)));
    };
    let answer = tokens(&commands, StatusCode::OK, &user, family, &next)?;
    // Last: what can fail has not, so that nobody has to send a token again that is used up.
    let used = commands.accounts.use_up(sent, next_digest, now).await;
    match used.map_err(|error| explain_log(&error))? {
        Used::Once { .. } => Ok(answer),
        Used::Again { .. } => {
            let why = "a refresh token was used twice: its session ended";
            Err(sign_in_again(why, Some(user.id)))
        }
        Used::Unknown => Err(sign_in_again("an unknown refresh token", None)),
    }
}

fn sign_in_again(why: &'static str, whose: Option<UserId>) -> Problem {
    let detail = "the refresh token is not valid, or not any more: sign in again";
    Problem::unauthenticated(detail).refusing(why, whose)
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct SignOut {
    /// Or else the session of the access token ends.
    refresh_token: Option<String>,
}

impl Body for SignOut {
    fn read(fields: &mut Fields<'_>, _commands: &Commands) -> Result<Self, Wrong> {
        Ok(Self { refresh_token: fields.optional("refresh_token")? })
    }
}

/// Ends the session that the refresh token, or else the access token, belongs to. Twice is no
/// error.
async fn sign_out(
    State(commands): State<Commands>,
    axum::Extension(identity): axum::Extension<Identity>,
    command: Command<SignOut>,
) -> Result<StatusCode, Problem> {
    let ended = match (&command.body.refresh_token, identity.session) {
        (Some(token), _) => commands.accounts.end_by_token(TokenDigest::of(token)).await,
        (None, Some(family)) => commands.accounts.end(family).await,
        (None, None) if identity.caller == Caller::Anonymous => {
            return Err(identity.sign_in_first());
        }
        // A token from the command line belongs to no session.
        (None, None) => return Ok(StatusCode::NO_CONTENT),
    };
    ended.map(|()| StatusCode::NO_CONTENT).map_err(|error| explain_log(&error))
}

impl Commands {
    /// A user as the API shows it, opened.
    pub(super) async fn shown_user(&self, mut user: User) -> User {
        let keys = self.keyring.keys_for(user.name.iter().chain(&user.email)).await;
        let open = |text: &PersonalText| keys.open(text).printed().map(PersonalText::Plain);
        user.name = user.name.as_ref().and_then(open);
        // Nobody's address is "former contributor".
        let known = user.email.take().filter(|email| matches!(keys.open(email), Opened::Text(_)));
        user.email = known.as_ref().and_then(open);
        // Only the user is told, by the recommendations.
        (user.recommendations_off_since, user.readings_forgotten_at) = (None, None);
        user
    }
}
