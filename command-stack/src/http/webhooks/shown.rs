//! Webhooks as admins see them.

use events::{Category, Position, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use crate::webhooks::{Delivery, Disabled, Failing, Range, Webhook};

/// A subscription without its secret.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Webhook")]
pub(in crate::http) struct Seen<'a> {
    id: Uuid,
    url: &'a str,
    categories: &'a [Category],
    types: &'a [String],
    status: Status,
    created_at: Timestamp,
    /// Every event up to this position was delivered, or does not match.
    position: Position,
    /// The positions that are redelivered first; null if none.
    redelivery: Option<Range>,
    failing: Option<Failing>,
    disabled: Option<&'a Disabled>,
    /// Until this time the former secret also signs deliveries.
    former_secret_until: Option<Timestamp>,
    /// The number of delivery attempts.
    deliveries: i64,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "WebhookStatus")]
enum Status {
    Active,
    Failing,
    Disabled,
}

/// A subscription with its secret; returned only when the secret is created or rotated.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "NewWebhookWithSecret")]
pub(in crate::http) struct WithSecret<'a> {
    #[serde(flatten)]
    seen: Seen<'a>,
    /// The secret that verifies signatures.
    secret: String,
}

/// All subscriptions.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Webhooks")]
pub(in crate::http) struct All<'a> {
    pub(super) items: Vec<Seen<'a>>,
    pub(super) next: Option<String>,
}

/// A page of delivery attempts.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DeliveryPage")]
pub(in crate::http) struct DeliveryPage {
    pub(super) items: Vec<Delivery>,
    /// The value of `after` for the next page; null on the last page.
    pub(super) next: Option<String>,
}

pub(super) fn with_secret(webhook: &Webhook) -> WithSecret<'_> {
    WithSecret { seen: seen(webhook), secret: webhook.secret.shown() }
}

pub(super) fn seen(webhook: &Webhook) -> Seen<'_> {
    let status = match webhook {
        Webhook { disabled: Some(_), .. } => Status::Disabled,
        Webhook { failing: Some(_), .. } => Status::Failing,
        _ => Status::Active,
    };
    Seen {
        id: webhook.id,
        url: &webhook.url,
        categories: &webhook.categories,
        types: &webhook.types,
        status,
        created_at: webhook.created_at,
        position: webhook.position,
        redelivery: webhook.redelivery,
        failing: webhook.failing,
        disabled: webhook.disabled.as_ref(),
        former_secret_until: webhook.former_secret.as_ref().map(|(_, until)| *until),
        deliveries: webhook.deliveries,
    }
}
