//! Verifies access tokens with the public keys of the command-stack, without a call per request.
//!
//! The keys are fetched for the first token, and again for a token that names an unknown key, at
//! most once a second: anyone can write such a token.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use events::{BoxError, Role, Timestamp};
use proto::Problem;
use proto::token::{Principal, PublicKeys, TokenError, Verifier, bearer};
use proto::v1::Viewer;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::upstream::Upstream;

const FETCH_TIMEOUT: Duration = Duration::from_secs(1);
/// Minimum time between two fetches.
const PAUSE: Duration = Duration::from_secs(1);
/// Limit for the response, in bytes; far more than a key set needs.
const LARGEST_SET: usize = 64 * 1024;

/// Verifies the tokens of requests. Clones share the keys.
#[derive(Clone)]
pub(crate) struct Identity(Arc<Keys>);

struct Keys {
    commands: Upstream,
    /// Empty until the first successful fetch.
    verifier: OnceLock<Verifier>,
    last: Mutex<Option<Fetched>>,
}

/// The last fetch of the keys.
#[derive(Clone)]
struct Fetched {
    at: Instant,
    /// `None`: the fetch failed.
    keys: Option<PublicKeys>,
}

impl Identity {
    pub(crate) fn new(commands: Upstream) -> Self {
        Self(Arc::new(Keys { commands, verifier: OnceLock::new(), last: Mutex::new(None) }))
    }

    /// The user who sent the request; `None` without a token.
    ///
    /// # Errors
    /// 401 for an invalid token, 503 if the keys needed to verify it are unavailable.
    pub(crate) async fn identify(&self, headers: &HeaderMap) -> Result<Option<Principal>, Problem> {
        match bearer(headers)? {
            Some(token) => self.0.principal(token).await.map(Some),
            None => Ok(None),
        }
    }

    /// Whether the request has a valid token; `None` if that requires fetching keys.
    pub(crate) fn is_signed_in(&self, headers: &HeaderMap) -> Option<bool> {
        let Ok(Some(token)) = bearer(headers) else { return Some(false) };
        match self.0.verify(token) {
            Some(Err(TokenError::UnknownKey)) | None => None,
            Some(verified) => Some(verified.is_ok()),
        }
    }

    /// The user who sent a request that requires a token.
    ///
    /// # Errors
    /// Like [`Self::identify`], and 401 without a token.
    pub(crate) async fn require(&self, headers: &HeaderMap) -> Result<Principal, Problem> {
        let principal = self.identify(headers).await?;
        let nobody = || Problem::unauthenticated("this needs an access token");
        principal.ok_or_else(|| nobody().refusing("not signed in", None))
    }

    /// Checks that an admin sent the request.
    ///
    /// # Errors
    /// Like [`Self::require`], and 403 for other users.
    pub(crate) async fn require_admin(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let principal = self.require(headers).await?;
        if principal.has(Role::Admin) {
            return Ok(());
        }
        let problem = Problem::forbidden("this is for admins");
        Err(problem.refusing("not allowed", Some(principal.user_id)))
    }

    /// The author or editor who sent the request; `None` for others.
    ///
    /// # Errors
    /// Like [`Self::identify`].
    pub(crate) async fn viewer(&self, headers: &HeaderMap) -> Result<Option<Viewer>, Problem> {
        Ok(self.identify(headers).await?.as_ref().and_then(viewer))
    }

    /// The author or editor who sent a request that requires one of these roles.
    ///
    /// # Errors
    /// Like [`Self::require`], and 403 for other users.
    pub(crate) async fn require_viewer(&self, headers: &HeaderMap) -> Result<Viewer, Problem> {
        let principal = self.require(headers).await?;
        viewer(&principal).ok_or_else(|| {
            let problem = Problem::forbidden("this is for authors and editors");
            problem.refusing("not allowed", Some(principal.user_id))
        })
    }
}

fn not_valid(error: TokenError) -> Problem {
    Problem::from(error).refusing("an invalid token", None)
}

/// Maps an author or editor to a viewer of the query-stacks.
/// Without either role the result is `None`: readers and admins see the public view.
fn viewer(principal: &Principal) -> Option<Viewer> {
    let editor = principal.has(Role::Editor);
    let user_id = principal.user_id.to_string();
    (editor || principal.has(Role::Author)).then_some(Viewer { user_id, editor })
}

impl Keys {
    async fn principal(&self, token: &str) -> Result<Principal, Problem> {
        match self.verify(token) {
            Some(Ok(principal)) => return Ok(principal),
            Some(Err(TokenError::UnknownKey)) | None => {}
            Some(Err(refused)) => return Err(not_valid(refused)),
        }
        let fetched = self.refresh().await;
        match self.verify(token) {
            Some(Ok(principal)) => Ok(principal),
            // Only the newest key set can tell whether the key exists.
            Some(Err(TokenError::UnknownKey)) | None if !fetched => {
                Err(Problem::unavailable("access tokens cannot be verified right now"))
            }
            Some(Err(refused)) => Err(not_valid(refused)),
            None => Err(Problem::internal()),
        }
    }

    /// `None`: no keys have been fetched yet.
    fn verify(&self, token: &str) -> Option<Result<Principal, TokenError>> {
        let now = Timestamp::from(chrono::Utc::now());
        self.verifier.get().map(|verifier| verifier.verify(token, now))
    }

    /// Fetches the keys unless that happened within [`PAUSE`]; concurrent callers wait.
    /// Returns whether the last fetch succeeded.
    async fn refresh(&self) -> bool {
        let mut last = self.last.lock().await;
        if let Some(fetched) = last.as_ref().filter(|fetched| fetched.at.elapsed() < PAUSE) {
            return fetched.keys.is_some();
        }
        let keys = match timeout(FETCH_TIMEOUT, self.fetch()).await.map_err(BoxError::from) {
            Ok(Ok(keys)) => Some(keys),
            Ok(Err(error)) | Err(error) => {
                tracing::warn!(%error, "the public keys cannot be fetched");
                None
            }
        };
        let known = last.take().and_then(|fetched| fetched.keys);
        if let Some(keys) = keys.as_ref().filter(|keys| known.as_ref() != Some(keys)) {
            self.trust(keys);
        }
        *last = Some(Fetched { at: Instant::now(), keys: keys.clone() });
        keys.is_some()
    }

    fn trust(&self, keys: &PublicKeys) {
        match self.verifier.get() {
            Some(verifier) => verifier.replace(keys.clone()),
            None => drop(self.verifier.set(Verifier::new(keys.clone()))),
        }
    }

    async fn fetch(&self) -> Result<PublicKeys, BoxError> {
        let request = Request::get("/.well-known/jwks.json").body(Body::empty())?;
        let answer = self.commands.send(request).await?;
        if !answer.status().is_success() {
            return Err(format!("the command-stack answers {}", answer.status()).into());
        }
        Ok(serde_json::from_slice(&to_bytes(answer.into_body(), LARGEST_SET).await?)?)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Mutex as StdMutex;

    use axum::http::StatusCode;
    use axum::http::header::AUTHORIZATION;
    use axum::response::IntoResponse;
    use axum::routing::get;
    use axum::{Json, Router};
    use events::UserId;
    use proto::token::{ACCESS_TOKEN_LIFETIME, Claims, SigningKey};
    use uuid::Uuid;

    use super::*;

    /// A command-stack that serves these keys, or 503 without any, and counts the fetches.
    #[derive(Clone, Default)]
    struct Stack(Arc<StdMutex<(Option<PublicKeys>, usize)>>);

    impl Stack {
        fn publish(&self, key: &SigningKey) {
            self.0.lock().expect("keys").0 = Some([key.public().clone()].into_iter().collect());
        }

        fn asked(&self) -> usize {
            self.0.lock().expect("keys").1
        }

        fn identity(&self) -> Identity {
            let stack = self.clone();
            let answer = get(async move || {
                let mut state = stack.0.lock().expect("keys");
                state.1 += 1;
                match &state.0 {
                    Some(keys) => Json(keys.clone()).into_response(),
                    None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
                }
            });
            let router = Router::new().route("/.well-known/jwks.json", answer);
            Identity::new(Upstream::in_process("command-stack", router))
        }
    }

    fn somebody(roles: &[Role]) -> Principal {
        let roles = roles.iter().copied().collect::<BTreeSet<_>>();
        Principal { user_id: UserId(Uuid::from_u128(1)), roles, session: None }
    }

    fn signed(key: &SigningKey) -> HeaderMap {
        let now = Timestamp::from(chrono::Utc::now());
        let claims = Claims::new(&somebody(&[Role::Reader]), ACCESS_TOKEN_LIFETIME, now);
        let token = key.sign(&claims).expect("a token");
        let value = format!("Bearer {token}").parse().expect("a header");
        HeaderMap::from_iter([(AUTHORIZATION, value)])
    }

    fn status(outcome: Result<Option<Principal>, Problem>) -> u16 {
        outcome.expect_err("a problem").into_response().status().as_u16()
    }

    #[tokio::test]
    async fn without_a_token_nobody_asks_for_keys() {
        let stack = Stack::default();
        assert_eq!(stack.identity().identify(&HeaderMap::new()).await, Ok(None));
        assert_eq!(stack.asked(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_keys_are_fetched_once_and_again_for_a_new_key_but_not_all_the_time() {
        let (stack, first, second) = (
            Stack::default(),
            SigningKey::generate().expect("a key"),
            SigningKey::generate().expect("a key"),
        );
        stack.publish(&first);
        let identity = stack.identity();
        let reader = Ok(Some(somebody(&[Role::Reader])));
        for _ in 0..3 {
            assert_eq!(identity.identify(&signed(&first)).await, reader);
            assert_eq!(status(identity.identify(&signed(&second)).await), 401);
        }
        assert_eq!(stack.asked(), 1);
        stack.publish(&second);
        tokio::time::advance(PAUSE).await;
        assert_eq!(identity.identify(&signed(&second)).await, reader);
        assert_eq!(identity.identify(&signed(&second)).await, reader);
        assert_eq!(status(identity.identify(&signed(&first)).await), 401);
        assert_eq!(stack.asked(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn without_keys_nobody_is_refused_and_nobody_let_in() {
        let (stack, key) = (Stack::default(), SigningKey::generate().expect("a key"));
        let identity = stack.identity();
        for _ in 0..3 {
            assert_eq!(status(identity.identify(&signed(&key)).await), 503);
        }
        assert_eq!(stack.asked(), 1);
        stack.publish(&key);
        tokio::time::advance(PAUSE).await;
        assert!(identity.identify(&signed(&key)).await.is_ok());
    }

    #[test]
    fn only_authors_and_editors_are_of_the_newsroom() {
        let editor = |roles: &[Role]| viewer(&somebody(roles)).map(|viewer| viewer.editor);
        assert_eq!(editor(&[Role::Reader, Role::Admin]), None);
        assert_eq!(editor(&[Role::Reader, Role::Author]), Some(false));
        assert_eq!(editor(&[Role::Author, Role::Editor]), Some(true));
    }
}
