//! The view of the users; an erased user leaves only the fact that the account existed.

use events::user::User;
use events::{BoxError, DomainEvent, Stamp};

use crate::view_store::Document;

/// Returns the document of a user after an event.
///
/// # Errors
/// When the event cannot follow: the log is corrupt.
pub fn project(
    before: Option<Document>,
    event: DomainEvent,
    stamp: Stamp,
) -> Result<Option<Document>, BoxError> {
    let DomainEvent::User(event) = event else {
        return Err("an event of something else in the partition of users".into());
    };
    let before = before.map(|document| serde_json::from_value(document.body)).transpose()?;
    let user = User::evolve(before, event, stamp)?;
    Ok(Some(Document {
        id: stamp.id,
        version: user.version,
        listed_at: user.erased_at.is_none().then_some(user.created_at),
        body: serde_json::to_value(user)?,
    }))
}

#[cfg(test)]
mod tests {
    use events::personal::{PersonalText, UserKey};
    use events::user::{UserErased, UserEvent, UserRegistered, UserRenamed};
    use events::{Timestamp, UserId, Version};
    use uuid::Uuid;

    use super::*;

    fn sealed(text: &str) -> PersonalText {
        UserKey::new([7; 32]).seal(UserId(Uuid::nil()), text)
    }

    fn view_after(events: Vec<UserEvent>) -> Document {
        let document = (1..).zip(events).fold(None, |before, (number, event)| {
            let (id, version) = (Uuid::nil(), Version::new(number));
            let stamp = Stamp { id, version, at: Timestamp::from_millis(number) };
            project(before, event.into(), stamp).expect("events that can follow each other")
        });
        document.expect("a document")
    }

    fn registered() -> UserEvent {
        UserEvent::Registered(UserRegistered { name: sealed("Ada"), email: Some(sealed("a@b")) })
    }

    #[test]
    fn a_user_is_listed_by_when_the_account_was_opened() {
        let renamed = UserEvent::Renamed(UserRenamed { name: sealed("Eve") });
        let document = view_after(vec![registered(), renamed]);
        assert_eq!(document.listed_at, Some(Timestamp::from_millis(1)));
        assert_eq!(document.body["roles"], serde_json::json!(["reader"]));
    }

    #[test]
    fn of_an_erased_user_nothing_personal_is_left_also_no_ciphertext() {
        let document = view_after(vec![registered(), UserEvent::Erased(UserErased {})]);
        assert_eq!((document.listed_at, document.version), (None, Version::new(2)));
        assert!(!document.body.to_string().contains("sealed"), "{}", document.body);
    }
}
