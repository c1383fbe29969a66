//! From what was once written to what is meant today.
//!
//! An event is never rewritten. When its shape changes, its newest schema version goes up by one
//! and a pure function `v(n) → v(n+1)` joins [`upcast`]; readers only ever see the newest shape.
//! Every version of every type has a golden file in `events/golden`, and a test decodes them all.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::{DecodeError, DomainEvent};
use crate::front::FrontEvent;
use crate::news::NewsEvent;
use crate::user::UserEvent;

/// The schema version in which an event type is written today.
pub(super) fn newest_schema(event_type: &str) -> u16 {
    match event_type {
        "news.article_published" => 4,
        "news.article_drafted" | "news.article_revised" | "news.article_corrected" => 2,
        "user.registered" | "user.renamed" => 2,
        _ => 1,
    }
}

/// Where no function is named, what was written before is valid as it is: names and bylines may be
/// sealed since version 2 (3 of `news.article_published`), and a published article may say since
/// version 4 when readers first saw it elsewhere. The version tells older programs that they cannot
/// read it.
fn upcast(event_type: &str, version: u16, data: &mut Map<String, Value>) {
    if (event_type, version) == ("news.article_published", 1) {
        article_published_v1_to_v2(data);
    }
}

/// Version 1 knew a mandatory `author` and neither summary nor tags. An author who was not given
/// had been written as an empty text.
fn article_published_v1_to_v2(data: &mut Map<String, Value>) {
    let author = data.remove("author").filter(|author| author != "");
    data.insert("byline".to_owned(), author.unwrap_or(Value::Null));
    data.entry("summary").or_insert_with(|| json!(""));
    data.entry("tags").or_insert_with(|| json!([]));
}

pub(super) fn decode(
    event_type: &str,
    schema_version: u16,
    data: &RawValue,
) -> Result<DomainEvent, DecodeError> {
    let known = newest_schema(event_type);
    if schema_version > known {
        let event_type = event_type.to_owned();
        return Err(DecodeError::NewerSchema { event_type, found: schema_version, known });
    }
    let malformed = |source| DecodeError::Malformed { event_type: event_type.to_owned(), source };
    let mut json = Cow::Borrowed(data.get());
    if schema_version < known {
        let mut object = serde_json::from_str(&json).map_err(malformed)?;
        for version in schema_version..known {
            upcast(event_type, version, &mut object);
        }
        json = Cow::Owned(serde_json::to_string(&object).map_err(malformed)?);
    }
    typed(event_type, &json)
        .map_err(malformed)?
        .ok_or_else(|| DecodeError::UnknownType(event_type.to_owned()))
}

fn typed(event_type: &str, json: &str) -> Result<Option<DomainEvent>, serde_json::Error> {
    fn read<T: DeserializeOwned, E>(json: &str, event: fn(T) -> E) -> Result<E, serde_json::Error> {
        serde_json::from_str(json).map(event)
    }
    use FrontEvent as Front;
    use NewsEvent as News;
    use UserEvent as User;
    let event = match event_type {
        "news.article_drafted" => DomainEvent::News(read(json, News::Drafted)?),
        "news.article_revised" => DomainEvent::News(read(json, News::Revised)?),
        "news.article_scheduled" => DomainEvent::News(read(json, News::Scheduled)?),
        "news.article_unscheduled" => DomainEvent::News(read(json, News::Unscheduled)?),
        "news.article_embargoed" => DomainEvent::News(read(json, News::Embargoed)?),
        "news.article_published" => DomainEvent::News(read(json, News::Published)?),
        "news.article_corrected" => DomainEvent::News(read(json, News::Corrected)?),
        "news.article_retracted" => DomainEvent::News(read(json, News::Retracted)?),
        "news.article_archived" => DomainEvent::News(read(json, News::Archived)?),
        "news.article_moved_out" => DomainEvent::News(read(json, News::MovedOut)?),
        "news.article_moved_in" => DomainEvent::News(read(json, News::MovedIn)?),
        "user.registered" => DomainEvent::User(read(json, User::Registered)?),
        "user.renamed" => DomainEvent::User(read(json, User::Renamed)?),
        "user.email_changed" => DomainEvent::User(read(json, User::EmailChanged)?),
        "user.password_changed" => DomainEvent::User(read(json, User::PasswordChanged)?),
        "user.roles_changed" => DomainEvent::User(read(json, User::RolesChanged)?),
        "user.recommendations_switched" => {
            DomainEvent::User(read(json, User::RecommendationsSwitched)?)
        }
        "user.reading_profile_cleared" => {
            DomainEvent::User(read(json, User::ReadingProfileCleared)?)
        }
        "user.erased" => DomainEvent::User(read(json, User::Erased)?),
        "front.pinned" => DomainEvent::Front(read(json, Front::Pinned)?),
        "front.breaking_set" => DomainEvent::Front(read(json, Front::BreakingSet)?),
        "front.breaking_cleared" => DomainEvent::Front(read(json, Front::BreakingCleared)?),
        _ => return Ok(None),
    };
    Ok(Some(event))
}
