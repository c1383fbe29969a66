//! Public events as CloudEvents 1.0 in JSON, for partners.
//! `id`, `source`, `type` and `time` are those of the event in the log; `data` says where to look.

use schemars::JsonSchema;
use serde::Serialize;

use crate::v1::PublicEvent;

/// An event in structured mode or in a batch.
/// `position` is an extension attribute: the position of the event in the log.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CloudEvent<'a> {
    specversion: &'static str,
    id: &'a str,
    source: String,
    #[serde(rename = "type")]
    event_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    time: &'a str,
    datacontenttype: &'static str,
    position: i64,
    data: Where<'a>,
}

/// The place of the event, and the address of the current state.
#[derive(Debug, Serialize, JsonSchema)]
struct Where<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    article_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<i64>,
    url: String,
}

impl CloudEvent<'_> {
    /// Media type of one event.
    pub const CONTENT_TYPE: &'static str = "application/cloudevents+json";
    /// Media type of a list of events.
    pub const BATCH_CONTENT_TYPE: &'static str = "application/cloudevents-batch+json";
}

impl<'a> From<&'a PublicEvent> for CloudEvent<'a> {
    fn from(event: &'a PublicEvent) -> Self {
        let (category, article_id) = (event.category.as_deref(), event.article_id.as_deref());
        let of_article = category.zip(article_id);
        let (source, url) = match of_article {
            Some((category, id)) => {
                (format!("news.{category}"), format!("/v1/news/{category}/{id}"))
            }
            None => ("front".to_owned(), "/v1/home".to_owned()),
        };
        Self {
            specversion: "1.0",
            id: &event.id,
            source,
            event_type: event.event_type(),
            subject: article_id.map(|id| format!("article-{id}")),
            time: &event.at,
            datacontenttype: "application/json",
            position: event.position,
            data: Where {
                category,
                from: event.from.as_deref(),
                article_id,
                version: event.version,
                url,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn told(event: &PublicEvent) -> Value {
        serde_json::to_value(CloudEvent::from(event)).expect("JSON")
    }

    fn event(name: &str) -> PublicEvent {
        let (event, at) = (name.to_owned(), "2026-11-21T07:00:00.000Z".to_owned());
        PublicEvent { position: 7, event, at, id: "an-id".to_owned(), ..Default::default() }
    }

    #[test]
    fn of_an_article_it_says_where_it_is() {
        let published = PublicEvent {
            category: Some("sports".to_owned()),
            article_id: Some("1".to_owned()),
            version: Some(1),
            ..event("article_published")
        };
        let expected = json!({
            "specversion": "1.0", "id": "an-id", "source": "news.sports",
            "type": "news.article_published", "subject": "article-1",
            "time": "2026-11-21T07:00:00.000Z", "datacontenttype": "application/json",
            "position": 7,
            "data": {"category": "sports", "article_id": "1", "version": 1, "url": "/v1/news/sports/1"},
        });
        assert_eq!(told(&published), expected);
    }

    #[test]
    fn of_the_front_page_it_says_which_part() {
        let pinned =
            told(&PublicEvent { category: Some("sports".to_owned()), ..event("front_pinned") });
        assert_eq!((&pinned["source"], &pinned["type"]), (&json!("front"), &json!("front.pinned")));
        assert_eq!(pinned["data"], json!({"category": "sports", "url": "/v1/home"}));
    }
}
