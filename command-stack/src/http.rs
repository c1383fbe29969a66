//! Commands over HTTP, resource by resource in `news`, `front`, `users`, `recommendations`,
//! `sessions` and `webhooks`; `openapi` has their contract. This file holds what they share: reading
//! a command and explaining a refusal.

mod body;
mod bylines;
mod front;
mod identity;
mod news;
mod openapi;
mod recommendations;
mod sessions;
mod users;
mod webhooks;

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::FromRequestParts;
use axum::http::header::{ETAG, HeaderName, IF_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use events::personal::{KeyReader, Keyring};
use events::{Category, Chain, Invalid, LogError, Metadata, Position, Version};
use proto::Problem;
use proto::conventions::{
    self, Address, EntityTags, Need, PORTAL_POSITION, etag, liveness, readiness, request_id,
    traceparent,
};
use proto::metrics::exposition;
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use self::body::{Body, Nothing};
use self::identity::Identity;
use self::sessions::{SignInLocks, Tokens};
use crate::accounts::AccountStore;
use crate::aggregate::Aggregate;
use crate::caller::Denied;
use crate::clock::Clock;
use crate::command_handler::{
    CommandError, CommandHandler, Context, ExpectedVersion, Handled, Target,
};
use crate::event_log::{CommandKey, EventLog};
use crate::signing_keys::SigningKeys;

pub use self::news::{NewArticle, NewStatus};
pub use self::openapi::openapi;
pub use self::webhooks::Webhooks;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What the endpoints work with.
#[derive(Clone)]
pub struct Commands {
    handler: CommandHandler,
    log: Arc<dyn EventLog>,
    accounts: Arc<dyn AccountStore>,
    keyring: Keyring,
    tokens: Tokens,
    sign_in_locks: SignInLocks,
    clock: Clock,
    categories: Arc<[Category]>,
    webhooks: Option<Webhooks>,
}

impl Commands {
    /// The commands of a portal with these categories.
    #[must_use]
    pub fn new(
        log: Arc<dyn EventLog>,
        accounts: Arc<dyn AccountStore>,
        keys: SigningKeys,
        categories: &[Category],
    ) -> Self {
        let clock = Clock::system();
        let handler = CommandHandler::new(Arc::clone(&log), clock.clone());
        let keyring = Keyring::new(Arc::clone(&accounts) as Arc<dyn KeyReader>);
        let (tokens, sign_in_locks) = (Tokens::new(keys), SignInLocks::new());
        let (categories, webhooks) = (categories.into(), None);
        Self { handler, log, accounts, keyring, tokens, sign_in_locks, clock, categories, webhooks }
    }

    /// The same, which also lets admins subscribe.
    #[must_use]
    pub fn with_webhooks(self, webhooks: Webhooks) -> Self {
        Self { webhooks: Some(webhooks), ..self }
    }

    /// The endpoints, the health checks and the metrics.
    pub fn router(self) -> Router {
        let log = Arc::clone(&self.log);
        let ready = get(async move || readiness(&[("event log", Need::Vital, &*log)]).await);
        let for_the_signed_in = news::routes()
            .merge(front::routes())
            .merge(users::routes())
            .merge(recommendations::routes())
            .merge(self.webhooks.clone().map(webhooks::routes).unwrap_or_default());
        let commands = for_the_signed_in
            .route_layer(from_fn(identity::require_sign_in))
            .merge(users::open_routes())
            .merge(sessions::routes())
            .layer(from_fn_with_state(self.clone(), identity::identify))
            .with_state(self);
        let health = Router::new()
            .route("/health/live", get(liveness))
            .route("/health/ready", ready)
            .route("/metrics", get(exposition));
        conventions::follow(commands.merge(health))
    }

    fn category(&self, name: &str) -> Result<Category, Problem> {
        let known = self.categories.iter().find(|category| category.as_str() == name);
        known.cloned().ok_or_else(|| {
            let (status, kind) = (StatusCode::NOT_FOUND, "unknown-category");
            let detail = format!("the categories are {}", self.category_names());
            Problem::new(status, kind, "Unknown category", detail)
        })
    }

    /// A category that a field of a body names.
    fn category_of_field(&self, name: &str) -> Result<Category, Invalid> {
        let known = self.categories.iter().find(|category| category.as_str() == name);
        let allowed = || format!("one of {}", self.category_names());
        known.cloned().ok_or_else(|| Invalid::new("is not a category here", allowed()))
    }

    fn category_names(&self) -> String {
        let names: Vec<_> = self.categories.iter().map(Category::as_str).collect();
        names.join(", ")
    }
}

/// A command as it came in: its body, its caller, and the version that the client expects.
struct Command<T> {
    body: T,
    context: Context,
    /// From `If-Match`; `None` without that header.
    expected: Option<ExpectedVersion>,
}

impl<T> Command<T> {
    /// For a command that changes what the client has seen: which needs `If-Match`, so that nobody
    /// overwrites what he has not seen.
    fn change_of(&self, id: Uuid) -> Target {
        Target::Existing(id, self.expected.clone().unwrap_or(ExpectedVersion::Missing))
    }

    /// For a command that depends on nothing that the client has seen.
    fn act_on(&self, id: Uuid) -> Target {
        Target::Existing(id, self.expected.clone().unwrap_or(ExpectedVersion::Any))
    }
}

/// The expected version that `If-Match` names; `None` without that header.
fn expected_version(headers: &HeaderMap) -> Option<ExpectedVersion> {
    EntityTags::read(headers, &IF_MATCH, false).map(|tags| match tags {
        EntityTags::Any => ExpectedVersion::Any,
        EntityTags::Versions(versions) => ExpectedVersion::OneOf(versions),
    })
}

/// One client's keys are its own: the answer to somebody else's command is nobody's business. They
/// are remembered as digests, because a client may take an address or a name for one.
fn context(parts: &Parts, body: &Bytes) -> Result<Context, Problem> {
    let caller = Identity::of(&parts.extensions).caller;
    let actor = caller.actor();
    let key = match parts.headers.get(IDEMPOTENCY_KEY) {
        None => None,
        Some(value) => {
            let given = idempotency_key(value)?;
            let of_actor = digest([b"key", actor.to_string().as_bytes(), given, b"", b""]);
            let id = format!("http:{}", URL_SAFE_NO_PAD.encode(of_actor));
            Some(CommandKey { id, fingerprint: fingerprint(parts, given, body) })
        }
    };
    let metadata = Metadata {
        actor,
        correlation_id: request_id(&parts.headers).to_owned(),
        causation_id: Uuid::now_v7(),
        traceparent: traceparent(&parts.headers),
    };
    Ok(Context { caller, metadata, key })
}

fn idempotency_key(value: &HeaderValue) -> Result<&[u8], Problem> {
    match value.to_str() {
        Ok(key) if (1..=255).contains(&key.len()) => Ok(key.as_bytes()),
        _ => {
            let detail = "Idempotency-Key is 1 to 255 visible ASCII characters";
            let status = StatusCode::BAD_REQUEST;
            Err(Problem::new(status, "malformed-header", "Malformed header", detail))
        }
    }
}

/// What makes two requests the same: method, address, precondition and body. With the client's key
/// in it, which is kept nowhere, nobody can try passwords or names against what is remembered.
fn fingerprint(parts: &Parts, key: &[u8], body: &Bytes) -> [u8; 32] {
    let precondition = parts.headers.get(IF_MATCH).map_or(&b""[..], HeaderValue::as_bytes);
    let path = parts.uri.path().as_bytes();
    digest([parts.method.as_str().as_bytes(), path, precondition, key, body])
}

/// Each part is preceded by its length, so that no two different lists read the same.
fn digest(parts: [&[u8]; 5]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

/// A path parameter that is a UUID; anything else names nothing, hence 404 and not 400.
struct Id(Uuid);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Address(path): Address<HashMap<String, String>> =
            Address::from_request_parts(parts, state).await?;
        let id = path.get("id").and_then(|id| Uuid::parse_str(id).ok());
        id.map(Self).ok_or_else(|| Problem::not_found("there is nothing at this address"))
    }
}

/// The answer to a command that was carried out.
fn answer<T: Serialize>(
    status: StatusCode,
    version: Version,
    position: Position,
    body: &T,
) -> Response {
    let mut response = (status, axum::Json(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(ETAG, etag(version));
    headers.insert(PORTAL_POSITION, HeaderValue::from(position.get()));
    response
}

/// The answer to a command after which there is nothing to show.
fn no_content<A: Aggregate>(handled: &Handled<A>) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(ETAG, etag(handled.aggregate.version()));
    headers.insert(PORTAL_POSITION, HeaderValue::from(handled.position.get()));
    response
}

/// The one place where an error of a command becomes an answer; it is also logged here, once.
fn explain<E>(error: CommandError<E>, refused: impl FnOnce(E) -> Problem) -> Problem {
    match error {
        CommandError::Denied(denied) => explain_denied(denied),
        CommandError::Refused(refusal) => refused(refusal),
        CommandError::ExpectedVersionMissing => {
            let detail = "send the ETag of the version that you want to change as If-Match";
            let status = StatusCode::PRECONDITION_REQUIRED;
            Problem::new(status, "precondition-required", "If-Match required", detail)
        }
        CommandError::Stale { current } => {
            let detail =
                format!("it is at version {current} now: read it again and send its ETag, quoted");
            let status = StatusCode::PRECONDITION_FAILED;
            Problem::new(status, "version-conflict", "Version conflict", detail)
                .with("current_version", json!(current))
        }
        CommandError::KeyReused => key_reused(),
        CommandError::InProgress => {
            let detail = "the first request with this Idempotency-Key is still running";
            Problem::new(StatusCode::CONFLICT, "in-progress", "Still running", detail)
                .retry_after(1)
        }
        CommandError::Overloaded | CommandError::TooManyConflicts => {
            Problem::overloaded("too many commands at once")
        }
        CommandError::Log(error) => explain_log(&error),
    }
}

fn key_reused() -> Problem {
    let detail = "this Idempotency-Key belongs to a request with other content";
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    Problem::new(status, "idempotency-key-reused", "Idempotency key reused", detail)
}

fn sign_in_first() -> Problem {
    Problem::unauthenticated(Denied::NotSignedIn.to_string()).refusing("not signed in", None)
}

fn explain_denied(denied: Denied) -> Problem {
    let problem = match denied {
        Denied::NotSignedIn => return sign_in_first(),
        Denied::NotAllowed => Problem::forbidden(denied.to_string()),
        Denied::Hidden => Problem::not_found(denied.to_string()),
    };
    let why = if denied == Denied::Hidden { "hidden from the caller" } else { "not allowed" };
    problem.refusing(why, None)
}

fn explain_log(error: &LogError) -> Problem {
    tracing::error!(error = %Chain(error), "a command failed");
    match error {
        LogError::Unavailable(_) => Problem::unavailable("commands are not possible right now"),
        LogError::Corrupt(_) => Problem::internal(),
    }
}
