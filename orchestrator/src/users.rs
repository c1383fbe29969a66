//! `GET /v1/users/{id}`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use events::Version;
use proto::Problem;
use proto::conventions::Address;

use crate::Orchestrator;
use crate::articles::versioned;
use crate::queries::{ANSWER_DEADLINE, Terms};

pub(crate) async fn get(
    State(portal): State<Orchestrator>,
    Address(id): Address<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let terms = Terms::of(&headers, ANSWER_DEADLINE)?;
    let user = portal.queries.user(&id, terms).await?;
    Ok(versioned(&headers, Version::new(user.version), &user))
}
