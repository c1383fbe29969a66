//! The view of the users.

use events::user::User;
use events::{BoxError, DomainEvent, Stamp};

use crate::view_store::Document;

/// The document of a user after an event.
///
/// # Errors
/// When the event cannot follow: the log is corrupt.
pub fn project(
    before: Option<Document>,
    event: DomainEvent,
    stamp: Stamp,
) -> Result<Option<Document>, BoxError> {
    let DomainEvent::User(event) = event else {
        return Err("an event of an article in the partition of users".into());
    };
    let before = before.map(|document| serde_json::from_value(document.body)).transpose()?;
    let user = User::evolve(before, event, stamp)?;
    Ok(Some(Document {
        id: stamp.id,
        version: user.version,
        listed_at: None,
        body: serde_json::to_value(user)?,
    }))
}
