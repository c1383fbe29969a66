//! Commands over HTTP: what API.md calls the commands, resource by resource in `news` and
//! `users`. This file holds what they share: reading a command and explaining a refusal.

mod news;
mod users;

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::{CONTENT_TYPE, ETAG, HeaderName, IF_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use events::{Actor, Category, Chain, LogError, Metadata, Position, Version};
use proto::conventions::{
    self, Address, BODY_LIMIT, EntityTags, Need, PORTAL_POSITION, etag, liveness, readiness,
    request_id, traceparent,
};
use proto::{FieldError, Problem};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use serde_path_to_error::Segment;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::aggregate::Aggregate;
use crate::command_handler::{CommandError, CommandHandler, Context, Handled, Target};
use crate::credentials::CredentialStore;
use crate::event_log::{CommandKey, EventLog};

pub use self::news::{NewArticle, NewStatus, parse_article};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What the endpoints work with.
#[derive(Clone)]
pub struct Commands {
    handler: CommandHandler,
    log: Arc<dyn EventLog>,
    credentials: Arc<dyn CredentialStore>,
    categories: Arc<[Category]>,
}

impl Commands {
    /// The commands of a portal with these categories.
    #[must_use]
    pub fn new(
        log: Arc<dyn EventLog>,
        credentials: Arc<dyn CredentialStore>,
        categories: &[Category],
    ) -> Self {
        let handler = CommandHandler::new(Arc::clone(&log));
        Self { handler, log, credentials, categories: categories.into() }
    }

    /// The endpoints, and the health checks.
    pub fn router(self) -> Router {
        let log = Arc::clone(&self.log);
        let ready = get(async move || readiness(&[("event log", Need::Vital, &*log)]).await);
        let commands = Router::new().merge(news::routes()).merge(users::routes()).with_state(self);
        let health =
            Router::new().route("/health/live", get(liveness)).route("/health/ready", ready);
        conventions::follow(commands.merge(health))
    }

    fn category(&self, name: &str) -> Result<Category, Problem> {
        let known = self.categories.iter().find(|category| category.as_str() == name);
        known.cloned().ok_or_else(|| {
            let (status, kind) = (StatusCode::NOT_FOUND, "unknown-category");
            let known: Vec<_> = self.categories.iter().map(Category::as_str).collect();
            let detail = format!("the categories are {}", known.join(", "));
            Problem::new(status, kind, "Unknown category", detail)
        })
    }
}

/// A command as it came in: the body, whose it is, and what the client believes the version to be.
struct Command<T> {
    body: T,
    context: Context,
    if_match: Option<EntityTags>,
}

impl<T> Command<T> {
    /// For a command that changes something: which needs `If-Match`, so that nobody overwrites
    /// what he has not seen.
    fn target(&self, id: Uuid) -> Result<Target, Problem> {
        match &self.if_match {
            Some(tags) => Ok(Target::Existing(id, Some(tags.clone()))),
            None => {
                let detail = "send the ETag of the version that you want to change as If-Match";
                let status = StatusCode::PRECONDITION_REQUIRED;
                let (kind, title) = ("precondition-required", "If-Match required");
                Err(Problem::new(status, kind, title, detail))
            }
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Command<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = to_bytes(body, BODY_LIMIT).await.map_err(|_| {
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            Problem::new(status, "body-too-large", "Body too large", "the limit is 1 MiB")
        })?;
        Ok(Self {
            if_match: EntityTags::read(&parts.headers, &IF_MATCH, false),
            context: context(&parts, &bytes)?,
            body: parse_json(&parts.headers, &bytes)?,
        })
    }
}

fn context(parts: &Parts, body: &Bytes) -> Result<Context, Problem> {
    let key = match parts.headers.get(IDEMPOTENCY_KEY) {
        None => None,
        Some(value) => {
            Some(CommandKey { id: idempotency_key(value)?, fingerprint: fingerprint(parts, body) })
        }
    };
    let metadata = Metadata {
        actor: Actor::Anonymous,
        correlation_id: request_id(&parts.headers).to_owned(),
        causation_id: Uuid::now_v7(),
        traceparent: traceparent(&parts.headers),
    };
    Ok(Context { metadata, key })
}

fn idempotency_key(value: &HeaderValue) -> Result<String, Problem> {
    match value.to_str() {
        Ok(key) if (1..=255).contains(&key.len()) => Ok(format!("http:{key}")),
        _ => {
            let detail = "Idempotency-Key is 1 to 255 visible ASCII characters";
            let status = StatusCode::BAD_REQUEST;
            Err(Problem::new(status, "malformed-header", "Malformed header", detail))
        }
    }
}

/// What makes two requests the same: method, address, precondition and body, each preceded by its
/// length, so that no two different requests read the same.
fn fingerprint(parts: &Parts, body: &Bytes) -> [u8; 32] {
    let precondition = parts.headers.get(IF_MATCH).map_or(&b""[..], HeaderValue::as_bytes);
    let path = parts.uri.path().as_bytes();
    digest([parts.method.as_str().as_bytes(), path, precondition, body])
}

fn digest(parts: [&[u8]; 4]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

/// An empty body reads as `{}`, so that commands without arguments need none.
fn parse_json<T: DeserializeOwned>(headers: &HeaderMap, body: &Bytes) -> Result<T, Problem> {
    let body = if body.is_empty() { &b"{}"[..] } else { body };
    let json = headers.get(CONTENT_TYPE).is_none_or(|value| {
        let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
        essence.trim().eq_ignore_ascii_case("application/json")
    });
    if !json {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        let (kind, title) = ("unsupported-media-type", "Unsupported media type");
        return Err(Problem::new(status, kind, title, "commands are application/json"));
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let parsed = serde_path_to_error::deserialize(&mut reader);
    parsed
        .map_err(explain_json)
        .and_then(|value| reader.end().map_err(|error| malformed_json(&error)).map(|()| value))
}

fn malformed_json(error: &serde_json::Error) -> Problem {
    let detail = error.to_string();
    Problem::new(StatusCode::BAD_REQUEST, "malformed-json", "Malformed JSON", detail)
}

/// Well-formed JSON of the wrong shape names the field.
fn explain_json(error: serde_path_to_error::Error<serde_json::Error>) -> Problem {
    if error.inner().classify() != serde_json::error::Category::Data {
        return malformed_json(error.inner());
    }
    let pointer: String = error.path().iter().map(pointer_part).collect();
    let whole = error.inner().to_string();
    let detail = whole.split(" at line ").next().unwrap_or_default();
    Problem::invalid(vec![FieldError::new(pointer, detail)])
}

/// A part of an RFC 6901 pointer.
fn pointer_part(segment: &Segment) -> String {
    match segment {
        Segment::Seq { index } => format!("/{index}"),
        Segment::Map { key } | Segment::Enum { variant: key } => {
            format!("/{}", key.replace('~', "~0").replace('/', "~1"))
        }
        Segment::Unknown => String::new(),
    }
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

fn changed<A: Aggregate + Serialize>(handled: &Handled<A>) -> Response {
    let aggregate = &handled.aggregate;
    answer(StatusCode::OK, aggregate.version(), handled.position, aggregate)
}

/// The one place where an error of a command becomes an answer; it is also logged here, once.
fn explain<E>(error: CommandError<E>, refused: impl FnOnce(E) -> Problem) -> Problem {
    match error {
        CommandError::Refused(refusal) => refused(refusal),
        CommandError::Stale { current } => {
            let detail =
                format!("it is at version {current} now: read it again and send its ETag, quoted");
            let status = StatusCode::PRECONDITION_FAILED;
            Problem::new(status, "version-conflict", "Version conflict", detail)
                .with("current_version", json!(current))
        }
        CommandError::KeyReused => {
            let detail = "this Idempotency-Key belongs to a request with other content";
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Problem::new(status, "idempotency-key-reused", "Idempotency key reused", detail)
        }
        CommandError::InProgress => {
            let detail = "the first request with this Idempotency-Key is still running";
            Problem::new(StatusCode::CONFLICT, "in-progress", "Still running", detail)
                .retry_after(1)
        }
        CommandError::Overloaded | CommandError::TooManyConflicts => {
            Problem::unavailable("too many commands at once")
        }
        CommandError::Log(error) => explain_log(&error),
    }
}

fn explain_log(error: &LogError) -> Problem {
    tracing::error!(error = %Chain(error), "a command failed");
    match error {
        LogError::Unavailable(_) => Problem::unavailable("commands are not possible right now"),
        LogError::Corrupt(_) => Problem::internal(),
    }
}
