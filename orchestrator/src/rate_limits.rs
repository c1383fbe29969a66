//! Rate limits per client, so that one client cannot starve the others.
//!
//! A signed-in user has one quota for all addresses; other requests count by address. A client may
//! spend a minute's quota at once; it refills evenly (GCRA). Cached public responses cost almost
//! nothing and are not counted.
//!
//! Header fields follow draft-ietf-httpapi-ratelimit-headers-10.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::header::{AUTHORIZATION, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use events::UserId;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use proto::Problem;
use proto::conventions::{FORWARDED_FOR, PORTAL_MIN_POSITION};
use tokio::time::sleep;
use uuid::Uuid;

use crate::Door;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// In seconds: quotas are requests per minute.
const WINDOW: u32 = 60;
/// Interval at which full buckets are removed: after a minute without requests a quota is full.
const FORGETTING: Duration = Duration::from_secs(60);

/// Routes with cached public responses or for monitoring.
const KEPT: [&str; 6] =
    ["/", "/v1/home", "/v1/categories", "/health/live", "/health/ready", "/metrics"];

/// Quotas in requests per minute, and the number of trusted proxies.
#[derive(Debug, Clone, Copy, Default)]
pub struct RateLimits {
    /// Quota of one address that is not signed in; `None`: unlimited.
    pub client: Option<NonZeroU32>,
    /// Quota of one user; `None`: unlimited.
    pub user: Option<NonZeroU32>,
    /// Trusted proxies before the public API; each appends its peer to `X-Forwarded-For`.
    /// Clients may forge all other entries.
    pub proxies: usize,
}

type Buckets = RateLimiter<Uuid, DashMapStateStore<Uuid>, DefaultClock, StateInformationMiddleware>;

pub(crate) struct Limiter {
    client: Option<Policy>,
    user: Option<Policy>,
    proxies: usize,
}

struct Policy {
    name: &'static str,
    quota: NonZeroU32,
    buckets: Buckets,
}

impl Policy {
    fn new(name: &'static str, quota: NonZeroU32) -> Self {
        let buckets = RateLimiter::dashmap(Quota::per_minute(quota));
        Self { name, quota, buckets: buckets.with_middleware() }
    }

    /// Takes one request from the quota.
    ///
    /// # Errors
    /// 429 if the quota is used up.
    fn spend(&self, of: Uuid) -> Result<Told, Problem> {
        let Self { name, quota, buckets } = self;
        let quota = quota.get();
        match buckets.check_key(&of) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                let reset = u64::from(quota - remaining.min(quota)) * u64::from(WINDOW);
                Ok(Told { name, quota, remaining, reset: reset.div_ceil(quota.into()) })
            }
            Err(early) => {
                let wait = early.wait_time_from(DefaultClock::default().now());
                let wait = wait.as_secs() + 1;
                let detail = format!("{quota} requests a minute are enough for one {name}");
                let told = Told { name, quota, remaining: 0, reset: wait };
                let status = StatusCode::TOO_MANY_REQUESTS;
                let problem =
                    Problem::new(status, "too-many-requests", "Too many requests", detail);
                let problem = problem.retry_after(u32::try_from(wait).unwrap_or(WINDOW));
                Err(told
                    .fields()
                    .into_iter()
                    .fold(problem, |problem, (name, value)| problem.with_header(name, value)))
            }
        }
    }
}

/// The state of a quota, for the response headers.
struct Told {
    name: &'static str,
    quota: u32,
    remaining: u32,
    /// Seconds until the quota is full again.
    reset: u64,
}

impl Told {
    fn fields(&self) -> Vec<(HeaderName, HeaderValue)> {
        let Self { name, quota, remaining, reset } = self;
        let policy = format!("\"{name}\";q={quota};w={WINDOW}");
        let now = format!("\"{name}\";r={remaining};t={reset}");
        let fields = [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, now)];
        let value = |(name, text)| Some((name, HeaderValue::try_from(text).ok()?));
        fields.into_iter().filter_map(value).collect()
    }
}

impl Limiter {
    pub(crate) fn new(limits: RateLimits) -> Self {
        let client = limits.client.map(|quota| Policy::new("client", quota));
        let user = limits.user.map(|quota| Policy::new("user", quota));
        Self { client, user, proxies: limits.proxies }
    }

    /// Removes full buckets once a minute until the limiter is dropped.
    pub(crate) fn forgetting(self: &Arc<Self>) -> impl Future<Output = ()> + Send + 'static {
        let limiter = Arc::downgrade(self);
        async move {
            while let Some(limiter) = limiter.upgrade() {
                for Policy { buckets, .. } in limiter.client.iter().chain(&limiter.user) {
                    buckets.retain_recent();
                    buckets.shrink_to_fit();
                }
                drop(limiter);
                sleep(FORGETTING).await;
            }
        }
    }

    /// Takes one request from the quota of the user or client; `None` if none applies.
    fn spend(&self, user: Option<UserId>, client: Option<IpAddr>) -> Option<Result<Told, Problem>> {
        match (user, client) {
            (Some(user), _) => self.user.as_ref().map(|policy| policy.spend(user.0)),
            (None, Some(client)) => self.client.as_ref().map(|policy| policy.spend(bucket(client))),
            // A request from within this process.
            (None, None) => None,
        }
    }
}

/// The bucket of a client: a whole IPv6 /64 counts as one, because one customer gets all of it.
fn bucket(client: IpAddr) -> Uuid {
    let address = match client.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) >> 64 << 64),
    };
    Uuid::from_u128(address.into())
}

/// The address of the client behind this number of trusted proxies.
fn client(headers: &HeaderMap, peer: Option<IpAddr>, proxies: usize) -> Option<IpAddr> {
    let Some(steps_back) = proxies.checked_sub(1) else { return peer };
    let hands = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let hands: Vec<_> = hands.flat_map(|hands| hands.split(',')).map(str::trim).collect();
    let told = hands.iter().rev().nth(steps_back).and_then(|address| address.parse().ok());
    // Without a valid entry of the proxies, all clients behind the peer share one quota.
    told.or(peer)
}

/// Whether the request gets a cached public response or serves monitoring.
fn is_kept(request: &Request) -> bool {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    path.is_some_and(|path| KEPT.contains(&path)) && is_for_everybody(request)
}

/// Whether the request can only get the public response.
/// It is a read without token, position or parameters other than `limit`.
pub(crate) fn is_for_everybody(request: &Request) -> bool {
    let only_limit = |query: &str| query.starts_with("limit=") && !query.contains('&');
    [Method::GET, Method::HEAD].contains(request.method())
        && !request.headers().contains_key(AUTHORIZATION)
        // A request with a position may have to wait for the view.
        && !request.headers().contains_key(PORTAL_MIN_POSITION)
        && request.uri().query().is_none_or(only_limit)
}

pub(crate) async fn limited(State(portal): State<Door>, request: Request, next: Next) -> Response {
    let limiter = &portal.limiter;
    if (limiter.client.is_none() && limiter.user.is_none()) || is_kept(&request) {
        return next.run(request).await;
    }
    let user = portal.identity.identify(request.headers()).await.ok().flatten();
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map(|ConnectInfo(peer)| peer.ip());
    let client = client(request.headers(), peer, limiter.proxies);
    match limiter.spend(user.map(|user| user.user_id), client) {
        None => next.run(request).await,
        Some(Err(problem)) => problem.refusing("too many requests", None).into_response(),
        Some(Ok(told)) => {
            let mut response = next.run(request).await;
            response.headers_mut().extend(told.fields());
            response
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_client_is_who_the_last_trusted_proxy_had_the_request_from() {
        let mut headers = HeaderMap::new();
        let peer = Some(address("10.0.0.9"));
        assert_eq!(client(&headers, peer, 2), peer);
        headers.insert(FORWARDED_FOR, HeaderValue::from_static("198.51.100.1, 192.0.2.7"));
        headers.append(FORWARDED_FOR, HeaderValue::from_static("10.0.0.8"));
        assert_eq!(client(&headers, peer, 0), peer);
        assert_eq!(client(&headers, peer, 1), Some(address("10.0.0.8")));
        assert_eq!(client(&headers, peer, 2), Some(address("192.0.2.7")));
        headers.insert(FORWARDED_FOR, HeaderValue::from_static("unknown"));
        assert_eq!(client(&headers, peer, 1), peer);
    }

    #[test]
    fn addresses_of_one_customer_share_a_quota() {
        assert_eq!(bucket(address("2001:db8::1")), bucket(address("2001:db8::ffff:2")));
        assert_ne!(bucket(address("2001:db8::1")), bucket(address("2001:db8:0:1::1")));
        assert_ne!(bucket(address("192.0.2.1")), bucket(address("192.0.2.2")));
        assert_eq!(bucket(address("192.0.2.1")), bucket(address("::ffff:192.0.2.1")));
    }

    #[test]
    fn a_minutes_requests_may_be_spent_at_once_and_the_next_one_waits() {
        let quota = NonZeroU32::new(3);
        let limiter = Limiter::new(RateLimits { client: quota, ..RateLimits::default() });
        let spend = |last| limiter.spend(None, Some(address(&format!("192.0.2.{last}"))));
        for left in [2, 1, 0] {
            let told = spend(1).expect("counted").expect("allowed");
            assert_eq!((told.quota, told.remaining), (3, left));
        }
        let refused = spend(1).expect("counted").err().expect("refused").into_response();
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refused.headers()["ratelimit-policy"], "\"client\";q=3;w=60");
        assert_eq!(refused.headers()["retry-after"], "20");
        assert!(spend(2).expect("counted").is_ok(), "another one");
        assert!(limiter.spend(Some(UserId(Uuid::nil())), None).is_none(), "users are not counted");
    }
}
