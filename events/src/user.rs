//! The events of a user, and the user that they add up to. What says who somebody is, is sealed
//! ([`crate::personal`]); passwords are not here at all.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::news::OutOfOrder;
use crate::personal::PersonalText;
use crate::text::Text;
use crate::{EventKind, Role, Stamp, Timestamp, UserId, Version};

/// The name of a user.
pub type Name = Text<1, 100>;

/// Somebody opened an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRegistered {
    /// A [`Name`], sealed.
    pub name: PersonalText,
    /// Absent in events of schema version 1.
    #[serde(default)]
    pub email: Option<PersonalText>,
}

/// A user has another name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRenamed {
    /// A [`Name`], sealed.
    pub name: PersonalText,
}

/// A user has another e-mail address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserEmailChanged {
    /// The new one.
    pub email: PersonalText,
}

/// A user has another password. Which one, nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserPasswordChanged {}

/// A user may do other things.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRolesChanged {
    /// All roles from here on.
    pub roles: BTreeSet<Role>,
}

/// A user wants, or no longer wants, to be recommended articles. What was read before counts no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRecommendationsSwitched {
    /// Whether from here on.
    pub enabled: bool,
}

/// A user wants it forgotten what was read so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserReadingProfileCleared {}

/// A user was erased: what said who it was cannot be read any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserErased {}

/// Any event of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum UserEvent {
    /// `user.registered`
    Registered(UserRegistered),
    /// `user.renamed`
    Renamed(UserRenamed),
    /// `user.email_changed`
    EmailChanged(UserEmailChanged),
    /// `user.password_changed`
    PasswordChanged(UserPasswordChanged),
    /// `user.roles_changed`
    RolesChanged(UserRolesChanged),
    /// `user.recommendations_switched`
    RecommendationsSwitched(UserRecommendationsSwitched),
    /// `user.reading_profile_cleared`
    ReadingProfileCleared(UserReadingProfileCleared),
    /// `user.erased`
    Erased(UserErased),
}

impl UserEvent {
    /// Which kind of event this is.
    #[must_use]
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::Registered(_) => EventKind::UserRegistered,
            Self::Renamed(_) => EventKind::UserRenamed,
            Self::EmailChanged(_) => EventKind::UserEmailChanged,
            Self::PasswordChanged(_) => EventKind::UserPasswordChanged,
            Self::RolesChanged(_) => EventKind::UserRolesChanged,
            Self::RecommendationsSwitched(_) => EventKind::UserRecommendationsSwitched,
            Self::ReadingProfileCleared(_) => EventKind::UserReadingProfileCleared,
            Self::Erased(_) => EventKind::UserErased,
        }
    }

    /// The name on the wire.
    #[must_use]
    pub const fn event_type(&self) -> &'static str {
        self.kind().name()
    }
}

/// What the events of one user add up to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct User {
    /// Which user.
    pub id: UserId,
    /// The version of the last event: the `ETag`.
    pub version: Version,
    /// The newest name; absent once erased.
    #[schemars(with = "Option<String>")]
    pub name: Option<PersonalText>,
    /// The newest e-mail address; absent once erased.
    #[schemars(with = "Option<String>")]
    pub email: Option<PersonalText>,
    /// What the user may be.
    pub roles: BTreeSet<Role>,
    /// When the account was opened.
    pub created_at: Timestamp,
    /// When the last event was recorded.
    pub updated_at: Timestamp,
    /// Since when the user wants no recommendations.
    #[schemars(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recommendations_off_since: Option<Timestamp>,
    /// What was read up to then counts no more.
    #[schemars(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readings_forgotten_at: Option<Timestamp>,
    /// When the user was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased_at: Option<Timestamp>,
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
        let mut user = match event {
            UserEvent::Registered(event) => return Ok(Self::registered(event, stamp)),
            ref later => before.ok_or_else(|| OutOfOrder {
                event_type: later.event_type(),
                version: stamp.version,
                before: "no user".to_owned(),
            })?,
        };
        match event {
            UserEvent::Registered(_) | UserEvent::PasswordChanged(_) => {}
            UserEvent::Renamed(event) => user.name = Some(event.name),
            UserEvent::EmailChanged(event) => user.email = Some(event.email),
            UserEvent::RolesChanged(event) => user.roles = event.roles,
            UserEvent::RecommendationsSwitched(event) => {
                user.recommendations_off_since = (!event.enabled).then_some(stamp.at);
                user.readings_forgotten_at = Some(stamp.at);
            }
            UserEvent::ReadingProfileCleared(_) => user.readings_forgotten_at = Some(stamp.at),
            UserEvent::Erased(_) => {
                (user.name, user.email) = (None, None);
                (user.recommendations_off_since, user.readings_forgotten_at) = (None, None);
                user.roles.clear();
                user.erased_at = Some(stamp.at);
            }
        }
        user.version = stamp.version;
        user.updated_at = stamp.at;
        Ok(user)
    }

    fn registered(event: UserRegistered, stamp: Stamp) -> Self {
        Self {
            id: UserId(stamp.id),
            version: stamp.version,
            name: Some(event.name),
            email: event.email,
            roles: BTreeSet::from([Role::Reader]),
            created_at: stamp.at,
            updated_at: stamp.at,
            recommendations_off_since: None,
            readings_forgotten_at: None,
            erased_at: None,
        }
    }
}
