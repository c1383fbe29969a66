//! `/v1/webhooks`: who is called when something happens. Admins only, because whoever makes one
//! chooses an address that this machine connects to.

mod shown;

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, LOCATION};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use events::{Category, Invalid, Position};
use proto::fields::{self, Fields, Whole, Wrong};
use proto::{FieldError, PUBLIC_TYPES, Problem};
use schemars::JsonSchema;
use uuid::Uuid;

pub(super) use self::shown::{All, DeliveryPage, Seen, WithSecret};
use self::shown::{seen, with_secret};
use super::identity::Identity;
use super::{Body, Command, Commands, Id, Nothing, explain_denied, explain_log};
use crate::access;
use crate::event_log::CommandKey;
use crate::webhooks::store::{Created, MOST_WEBHOOKS};
use crate::webhooks::{Range, Secret, Terms, Webhook, WebhookStore, address};

/// A subscription that is being sent to changes all the time: whoever changes it tries again.
const ATTEMPTS: usize = 20;
/// Deliveries of a page, if nothing else is asked for.
const LIMIT: i64 = 20;
/// Categories, and types, that one subscription may name.
const MOST_NAMES: usize = 100;

/// What the endpoints of webhooks work with.
#[derive(Clone)]
pub struct Webhooks {
    /// Where they are kept.
    pub store: Arc<dyn WebhookStore>,
    /// How they are delivered.
    pub terms: Terms,
}

pub(super) fn routes(webhooks: Webhooks) -> Router<Commands> {
    Router::new()
        .route("/v1/webhooks", get(list).post(create))
        .route("/v1/webhooks/{id}", get(show).delete(delete))
        .route("/v1/webhooks/{id}/enable", post(enable))
        .route("/v1/webhooks/{id}/rotate-secret", post(rotate_secret))
        .route("/v1/webhooks/{id}/redeliver", post(redeliver))
        .route("/v1/webhooks/{id}/deliveries", get(deliveries))
        .layer(Extension(webhooks))
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct NewWebhook {
    /// Where events are posted: `https`.
    url: String,
    /// Only what happens in these; everything, if none is named.
    #[schemars(default, length(max = MOST_NAMES))]
    categories: Vec<Category>,
    /// Only events of these types; all, if none is named.
    #[schemars(default, length(max = MOST_NAMES))]
    types: Vec<String>,
    /// Everything after this position; from now on, if not said.
    after: Option<Position>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Redelivery")]
pub(super) struct Again {
    after: Position,
    /// To where it was told, if not said. What comes after that comes anyway.
    until: Option<Position>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "DeliveryPaging")]
pub(super) struct Paging {
    limit: Option<Whole<1, 100>>,
    /// `next` of the page before.
    after: Option<i64>,
}

impl Body for NewWebhook {
    fn read(fields: &mut Fields<'_>, commands: &Commands) -> Result<Self, Wrong> {
        let url = fields.required::<String>("url");
        // Whether it may be private, only admins learn: after their roles were checked.
        let url = url.and_then(|url| {
            let checked = address::parse(&url, true);
            fields.check("url", checked.map(|_| url))
        });
        let categories = strings(fields, "categories", |name| commands.category_of_field(&name));
        let types = strings(fields, "types", public_type);
        let after = fields.optional("after");
        Ok(Self { url: url?, categories: categories?, types: types?, after: after? })
    }
}

impl Body for Again {
    fn read(fields: &mut Fields<'_>, _commands: &Commands) -> Result<Self, Wrong> {
        let (after, until) = (fields.required("after"), fields.optional("until"));
        Ok(Self { after: after?, until: until? })
    }
}

/// A list of strings that may be left out.
fn strings<T>(
    fields: &mut Fields<'_>,
    name: &'static str,
    read: impl Fn(String) -> Result<T, Invalid>,
) -> Result<Vec<T>, Wrong> {
    let given = fields.list::<String, MOST_NAMES>(name)?;
    fields.check_each(name, given.into_vec(), read)
}

fn public_type(name: String) -> Result<String, Invalid> {
    let is_known = PUBLIC_TYPES.contains(&name.as_str());
    let allowed = || format!("one of {}", PUBLIC_TYPES.join(", "));
    if is_known { Ok(name) } else { Err(Invalid::new("is not a public type", allowed())) }
}

fn only_admins(identity: &Identity) -> Result<(), Problem> {
    access::to_webhooks(&identity.caller).map_err(explain_denied)
}

async fn create(
    State(commands): State<Commands>,
    Extension(webhooks): Extension<Webhooks>,
    command: Command<NewWebhook>,
) -> Result<Response, Problem> {
    access::to_webhooks(&command.context.caller).map_err(explain_denied)?;
    let NewWebhook { url, categories, types, after } = command.body;
    let checked = address::parse(&url, webhooks.terms.allow_private);
    checked.map_err(|wrong| Problem::invalid(vec![FieldError::new("/url", wrong.to_string())]))?;
    let end = commands.log.last_position(None, Position::END).await;
    let end = end.map_err(|error| explain_log(&error))?;
    let position = after.unwrap_or(end);
    if position > end {
        let detail = format!("is beyond the log: must be a position from 0 to {end}");
        return Err(Problem::invalid(vec![FieldError::new("/after", detail)]));
    }
    let key = command.context.key;
    let id = key.as_ref().map(request_id);
    let webhook = Webhook {
        id: id.unwrap_or_else(Uuid::now_v7),
        url,
        categories,
        types,
        secret: new_secret()?,
        former_secret: None,
        rotated_by: None,
        created_at: commands.clock.now(),
        fingerprint: key.map(|key| key.fingerprint),
        position,
        redelivery: None,
        failing: None,
        disabled: None,
        deliveries: 0,
        revision: 0,
    };
    match webhooks.store.create(&webhook).await.map_err(|error| explain_log(&error))? {
        Created::New => Ok(created(&webhook)),
        // The same request once more: the answer may have been lost, and the secret with it.
        Created::Before(before) if before.fingerprint == webhook.fingerprint => {
            Ok(created(&before))
        }
        Created::Before(_) => Err(super::key_reused()),
        Created::TooMany => {
            let detail = format!("at most {MOST_WEBHOOKS}; more partners can read /v1/events");
            Err(Problem::new(
                StatusCode::CONFLICT,
                "too-many-webhooks",
                "Too many webhooks",
                detail,
            ))
        }
    }
}

/// The same for each repetition of a request.
fn request_id(key: &CommandKey) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, key.id.as_bytes())
}

fn new_secret() -> Result<Secret, Problem> {
    Secret::generate().map_err(|error| {
        tracing::error!(%error, "no randomness");
        Problem::internal()
    })
}

async fn list(
    Extension(webhooks): Extension<Webhooks>,
    Extension(identity): Extension<Identity>,
) -> Result<Response, Problem> {
    only_admins(&identity)?;
    let all = webhooks.store.list().await.map_err(|error| explain_log(&error))?;
    Ok(private(Json(All { items: all.iter().map(seen).collect(), next: None })))
}

async fn show(
    Extension(webhooks): Extension<Webhooks>,
    Extension(identity): Extension<Identity>,
    Id(id): Id,
) -> Result<Response, Problem> {
    only_admins(&identity)?;
    Ok(private(Json(seen(&find(&webhooks, id).await?))))
}

async fn delete(
    Extension(webhooks): Extension<Webhooks>,
    Extension(identity): Extension<Identity>,
    Id(id): Id,
) -> Result<Response, Problem> {
    only_admins(&identity)?;
    match webhooks.store.delete(id).await.map_err(|error| explain_log(&error))? {
        true => Ok(StatusCode::NO_CONTENT.into_response()),
        false => Err(not_found()),
    }
}

async fn enable(
    Extension(webhooks): Extension<Webhooks>,
    Id(id): Id,
    command: Command<Nothing>,
) -> Result<Response, Problem> {
    access::to_webhooks(&command.context.caller).map_err(explain_denied)?;
    let webhook = change(&webhooks, id, |webhook| Ok(webhook.enabled())).await?;
    Ok(private(Json(seen(&webhook))))
}

async fn rotate_secret(
    State(commands): State<Commands>,
    Extension(webhooks): Extension<Webhooks>,
    Id(id): Id,
    command: Command<Nothing>,
) -> Result<Response, Problem> {
    access::to_webhooks(&command.context.caller).map_err(explain_denied)?;
    let (secret, now) = (new_secret()?, commands.clock.now());
    let request = command.context.key.as_ref().map(request_id);
    let rotate = |webhook: Webhook| {
        // The same request once more: who did not get the answer gets the same secret.
        let is_repeated = request.is_some() && webhook.rotated_by == request;
        Ok(if is_repeated { webhook } else { webhook.with_secret(secret.clone(), request, now) })
    };
    let webhook = change(&webhooks, id, rotate).await?;
    Ok(private(Json(with_secret(&webhook))))
}

async fn redeliver(
    Extension(webhooks): Extension<Webhooks>,
    Id(id): Id,
    command: Command<Again>,
) -> Result<Response, Problem> {
    access::to_webhooks(&command.context.caller).map_err(explain_denied)?;
    let Again { after, until } = command.body;
    let webhook = change(&webhooks, id, |webhook| {
        if webhook.redelivery.is_some() {
            let (status, kind) = (StatusCode::CONFLICT, "redelivery-running");
            let detail = "something is being delivered once more: wait until that is done";
            return Err(Problem::new(status, kind, "Redelivery is running", detail));
        }
        let until = until.unwrap_or(webhook.position).min(webhook.position);
        if after >= until {
            let detail = format!("is too late: must be a position before {until}, the end");
            return Err(Problem::invalid(vec![FieldError::new("/after", detail)]));
        }
        Ok(Webhook { redelivery: Some(Range { after, until }), ..webhook })
    });
    Ok((StatusCode::ACCEPTED, private(Json(seen(&webhook.await?)))).into_response())
}

async fn deliveries(
    Extension(webhooks): Extension<Webhooks>,
    Extension(identity): Extension<Identity>,
    Id(id): Id,
    uri: Uri,
) -> Result<Response, Problem> {
    only_admins(&identity)?;
    let Paging { limit, after } = fields::query(&uri, |fields| {
        let (limit, after) = (fields.optional("limit"), fields.optional("after"));
        Ok(Paging { limit: limit?, after: after? })
    })?;
    let limit = limit.map_or(LIMIT, |limit| i64::from(limit.get()));
    find(&webhooks, id).await?;
    let below = after.unwrap_or(i64::MAX);
    let page = webhooks.store.deliveries(id, below, limit + 1).await;
    let mut items = page.map_err(|error| explain_log(&error))?;
    let most = usize::try_from(limit).unwrap_or_default();
    let is_last = items.len() <= most;
    items.truncate(most);
    let next = items.last().filter(|_| !is_last).map(|last| last.number.to_string());
    Ok(private(Json(DeliveryPage { items, next })))
}

async fn find(webhooks: &Webhooks, id: Uuid) -> Result<Webhook, Problem> {
    let found = webhooks.store.find(id).await.map_err(|error| explain_log(&error))?;
    found.ok_or_else(not_found)
}

fn not_found() -> Problem {
    Problem::not_found("there is no such webhook")
}

/// Changes a subscription as it is at this moment.
async fn change(
    webhooks: &Webhooks,
    id: Uuid,
    change: impl Fn(Webhook) -> Result<Webhook, Problem>,
) -> Result<Webhook, Problem> {
    for _ in 0..ATTEMPTS {
        let changed = change(find(webhooks, id).await?)?;
        if webhooks.store.save(&changed, None).await.map_err(|error| explain_log(&error))? {
            return Ok(changed);
        }
    }
    Err(Problem::overloaded("it is being delivered to all the time"))
}

fn created(webhook: &Webhook) -> Response {
    let location = HeaderValue::from_str(&format!("/v1/webhooks/{}", webhook.id));
    let mut response = private((StatusCode::CREATED, Json(with_secret(webhook))));
    response.headers_mut().extend(location.ok().map(|location| (LOCATION, location)));
    response
}

/// For nobody's memory but that of who asked.
fn private(answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
