//! `GET /v1/users…`: everybody sees the own user, admins see all.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use events::{Role, Version};
use proto::Problem;
use proto::conventions::Address;
use proto::token::Principal;

use crate::Door;
use crate::articles::versioned;
use crate::list::ListParameters;
use crate::private::private;
use crate::queries::{ANSWER_DEADLINE, Terms};

pub(crate) async fn get(
    State(portal): State<Door>,
    Address(id): Address<String>,
    headers: HeaderMap,
) -> Response {
    private(one(&portal, &id, &headers).await)
}

async fn one(portal: &Door, id: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    let terms = Terms::of(headers, ANSWER_DEADLINE)?;
    let principal = portal.identity.require(headers).await?;
    if !may_see(&principal, id) {
        return Err(Problem::forbidden("you see your own user only")
            .refusing("not allowed", Some(principal.user_id)));
    }
    let user = portal.queries.user(id, terms).await?;
    Ok(versioned(headers, Version::new(user.version), &user))
}

/// Whoever is neither the user nor an admin is not told whether there is such a user.
fn may_see(principal: &Principal, id: &str) -> bool {
    principal.has(Role::Admin) || id.parse() == Ok(principal.user_id.0)
}

pub(crate) async fn list(State(portal): State<Door>, uri: Uri, headers: HeaderMap) -> Response {
    private(all(&portal, &uri, &headers).await)
}

async fn all(portal: &Door, uri: &Uri, headers: &HeaderMap) -> Result<Response, Problem> {
    let terms = Terms::of(headers, ANSWER_DEADLINE)?;
    portal.identity.require_admin(headers).await?;
    let parameters = ListParameters::read_paging(uri)?;
    let users = portal.queries.users(parameters.users(), terms).await?;
    let page = parameters.page(users.items, |user| (None, &user.created_at, &user.id));
    Ok(Json(page).into_response())
}
