//! From what was once written to what is meant today.
//!
//! An event is never rewritten. When its shape changes, the newest schema version of its
//! [`EventKind`] goes up by one and a pure function `v(n) → v(n+1)` joins [`upcast`]; readers only
//! ever see the newest shape. Every version of every type has a golden file in `events/golden`, and
//! a test decodes them all.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::{DecodeError, DomainEvent};
use crate::EventKind;
use crate::front::FrontEvent;
use crate::news::NewsEvent;
use crate::user::UserEvent;

/// Where no function is named, what was written before is valid as it is: names and bylines may be
/// sealed since version 2 (3 of `ArticlePublished`), and a published article may say since
/// version 4 when readers first saw it elsewhere. The version tells older programs that they cannot
/// read it.
fn upcast(kind: EventKind, version: u16, data: &mut Map<String, Value>) {
    if (kind, version) == (EventKind::ArticlePublished, 1) {
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

pub(crate) fn decode(
    event_type: &str,
    schema_version: u16,
    data: &RawValue,
) -> Result<DomainEvent, DecodeError> {
    let kind = EventKind::named(event_type);
    let kind = kind.ok_or_else(|| DecodeError::UnknownType(event_type.to_owned()))?;
    let known = kind.newest_schema();
    if schema_version > known {
        let event_type = event_type.to_owned();
        return Err(DecodeError::NewerSchema { event_type, found: schema_version, known });
    }
    let malformed = |source| DecodeError::Malformed { event_type: event_type.to_owned(), source };
    let mut json = Cow::Borrowed(data.get());
    if schema_version < known {
        let mut object = serde_json::from_str(&json).map_err(malformed)?;
        for version in schema_version..known {
            upcast(kind, version, &mut object);
        }
        json = Cow::Owned(serde_json::to_string(&object).map_err(malformed)?);
    }
    typed(kind, &json).map_err(malformed)
}

fn typed(kind: EventKind, json: &str) -> Result<DomainEvent, serde_json::Error> {
    fn read<T: DeserializeOwned, E: Into<DomainEvent>>(
        json: &str,
        event: fn(T) -> E,
    ) -> Result<DomainEvent, serde_json::Error> {
        serde_json::from_str(json).map(event).map(Into::into)
    }
    use EventKind as Kind;
    use FrontEvent as Front;
    use NewsEvent as News;
    use UserEvent as User;
    match kind {
        Kind::ArticleDrafted => read(json, News::Drafted),
        Kind::ArticleRevised => read(json, News::Revised),
        Kind::ArticleScheduled => read(json, News::Scheduled),
        Kind::ArticleUnscheduled => read(json, News::Unscheduled),
        Kind::ArticleEmbargoed => read(json, News::Embargoed),
        Kind::ArticlePublished => read(json, News::Published),
        Kind::ArticleCorrected => read(json, News::Corrected),
        Kind::ArticleRetracted => read(json, News::Retracted),
        Kind::ArticleArchived => read(json, News::Archived),
        Kind::ArticleMovedOut => read(json, News::MovedOut),
        Kind::ArticleMovedIn => read(json, News::MovedIn),
        Kind::UserRegistered => read(json, User::Registered),
        Kind::UserRenamed => read(json, User::Renamed),
        Kind::UserEmailChanged => read(json, User::EmailChanged),
        Kind::UserPasswordChanged => read(json, User::PasswordChanged),
        Kind::UserRolesChanged => read(json, User::RolesChanged),
        Kind::UserRecommendationsSwitched => read(json, User::RecommendationsSwitched),
        Kind::UserReadingProfileCleared => read(json, User::ReadingProfileCleared),
        Kind::UserErased => read(json, User::Erased),
        Kind::FrontPinned => read(json, Front::Pinned),
        Kind::FrontBreakingSet => read(json, Front::BreakingSet),
        Kind::FrontBreakingCleared => read(json, Front::BreakingCleared),
    }
}
