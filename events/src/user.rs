//! The events of a user, and the user that they add up to. E-mail and password are not here: they
//! are kept outside the log, which nothing can be taken out of.

use serde::{Deserialize, Serialize};

use crate::news::OutOfOrder;
use crate::{Stamp, Timestamp, UserId, Version};

/// Somebody opened an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRegistered {
    /// 1 to 100 characters.
    pub name: String,
}

/// A user has another name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRenamed {
    /// 1 to 100 characters.
    pub name: String,
}

/// Any event of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum UserEvent {
    /// `user.registered`
    Registered(UserRegistered),
    /// `user.renamed`
    Renamed(UserRenamed),
}

impl UserEvent {
    /// The name on the wire.
    #[must_use]
    pub const fn event_type(&self) -> &'static str {
        match self {
            Self::Registered(_) => "user.registered",
            Self::Renamed(_) => "user.renamed",
        }
    }
}

/// What the events of one user add up to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Which user.
    pub id: UserId,
    /// The version of the last event: the `ETag`.
    pub version: Version,
    /// The newest name.
    pub name: String,
    /// When the account was opened.
    pub created_at: Timestamp,
    /// When the last event was recorded.
    pub updated_at: Timestamp,
}

impl User {
    /// The user after `event`.
    ///
    /// # Errors
    /// [`OutOfOrder`] when the event needs a user and there is none.
    pub fn evolve(
        before: Option<Self>,
        event: UserEvent,
        stamp: Stamp,
    ) -> Result<Self, OutOfOrder> {
        let event_type = event.event_type();
        match (before, event) {
            (_, UserEvent::Registered(UserRegistered { name })) => Ok(Self {
                id: UserId(stamp.id),
                version: stamp.version,
                name,
                created_at: stamp.at,
                updated_at: stamp.at,
            }),
            (Some(user), UserEvent::Renamed(UserRenamed { name })) => {
                Ok(Self { name, version: stamp.version, updated_at: stamp.at, ..user })
            }
            (None, UserEvent::Renamed(_)) => {
                Err(OutOfOrder { event_type, version: stamp.version, before: "no user".to_owned() })
            }
        }
    }
}
