//! Who asks: the access token of a request.

use axum::extract::{Request, State};
use axum::http::Extensions;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use proto::token::bearer;
use proto::{Problem, Refusal};
use uuid::Uuid;

use super::{Commands, sign_in_first};
use crate::caller::Caller;

/// Who asks, and within which session.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) caller: Caller,
    pub(super) session: Option<Uuid>,
    /// What is wrong with the token that was sent. Who sends one everywhere must still be able to
    /// get another one, so it is only held against whoever needs one.
    refused: Option<Problem>,
}

impl Identity {
    fn anonymous(refused: Option<Problem>) -> Self {
        Self { caller: Caller::Anonymous, session: None, refused }
    }

    pub(super) fn signed_in(caller: Caller, session: Option<Uuid>) -> Self {
        Self { caller, session, refused: None }
    }

    /// What [`identify`] has found.
    pub(super) fn of(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or_else(|| Self::anonymous(None))
    }

    /// The answer to who has not signed in.
    pub(super) fn sign_in_first(self) -> Problem {
        self.refused.unwrap_or_else(sign_in_first)
    }
}

/// Reads the access token. Whose account a refusal is about is the caller's, unless it was said.
pub(super) async fn identify(
    State(commands): State<Commands>,
    mut request: Request,
    next: Next,
) -> Response {
    let identity = match bearer(request.headers()) {
        Err(malformed) => Err(malformed.refusing("a malformed token", None)),
        Ok(None) => Ok(Identity::anonymous(None)),
        Ok(Some(token)) => commands.tokens.identify(token, commands.clock.now()),
    };
    let identity = identity.unwrap_or_else(|refused| Identity::anonymous(Some(refused)));
    let caller = identity.caller.user_id();
    request.extensions_mut().insert(identity);
    let mut response = next.run(request).await;
    if let Some(refusal) = response.extensions_mut().get_mut::<Refusal>() {
        refusal.whose = refusal.whose.or(caller);
    }
    response
}

/// Before anything else of a request is read: who has not signed in is told that, and no more.
pub(super) async fn require_sign_in(request: Request, next: Next) -> Response {
    let identity = Identity::of(request.extensions());
    match identity.caller {
        Caller::Anonymous => identity.sign_in_first().into_response(),
        Caller::User { .. } | Caller::Portal(_) => next.run(request).await,
    }
}
