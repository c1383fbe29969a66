//! The bodies of commands: JSON objects, whose fields `proto::fields` reads and explains.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use proto::Problem;
use proto::conventions::read_body;
use proto::fields::{self, Fields, Wrong};
use schemars::JsonSchema;

use super::{Command, Commands, context, expected_version};

/// The body of a command. Its OpenAPI schema is derived from the same types.
pub(super) trait Body: Sized {
    /// Takes every field before the first `?`, so that no wrong field hides another.
    ///
    /// # Errors
    /// When a field is wrong: `fields` has noted how.
    fn read(fields: &mut Fields<'_>, commands: &Commands) -> Result<Self, Wrong>;
}

/// The body of a command that needs no arguments.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Nothing {}

impl Body for Nothing {
    fn read(_fields: &mut Fields<'_>, _commands: &Commands) -> Result<Self, Wrong> {
        Ok(Self {})
    }
}

impl<T: Body> FromRequest<Commands> for Command<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, commands: &Commands) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = read_body(body).await?;
        Ok(Self {
            expected: expected_version(&parts.headers),
            context: context(&parts, &bytes)?,
            body: read(&parts.headers, &bytes, commands)?,
        })
    }
}

/// An empty body reads as `{}`, so that commands without arguments need none.
fn read<T: Body>(headers: &HeaderMap, body: &Bytes, commands: &Commands) -> Result<T, Problem> {
    let json = headers.get(CONTENT_TYPE).is_none_or(|value| {
        let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
        essence.trim().eq_ignore_ascii_case("application/json")
    });
    if !json {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        let (kind, title) = ("unsupported-media-type", "Unsupported media type");
        return Err(Problem::new(status, kind, title, "commands are application/json"));
    }
    let body = if body.is_empty() { &b"{}"[..] } else { body };
    Ok(fields::body(body, |fields| T::read(fields, commands))?)
}
