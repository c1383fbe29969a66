//! Users: commands and the rules that decide them.

use std::collections::BTreeSet;

use events::personal::PersonalText;
use events::user::{
    User, UserEmailChanged, UserErased, UserEvent, UserPasswordChanged, UserReadingProfileCleared,
    UserRecommendationsSwitched, UserRegistered, UserRenamed, UserRolesChanged,
};
use events::{BoxError, DomainEvent, Role, Stamp, StreamId, Timestamp, UserId, Version};
use uuid::Uuid;

use crate::aggregate::Aggregate;

/// What somebody wants with an account. Names and addresses come sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserCommand {
    /// Open it.
    Register {
        /// An `events::user::Name`, sealed.
        name: PersonalText,
        /// Claimed for this user beforehand.
        email: PersonalText,
    },
    /// Change the name and the e-mail address.
    ChangeProfile {
        /// An `events::user::Name`, sealed.
        name: PersonalText,
        /// Claimed for this user beforehand; `None` leaves it as it is.
        email: Option<PersonalText>,
    },
    /// Record that the password changed.
    ChangePassword,
    /// Say what the user may be.
    ChangeRoles {
        /// All roles from now on; every user stays a reader.
        roles: BTreeSet<Role>,
    },
    /// Say whether the user wants to be recommended articles.
    SwitchRecommendations {
        /// Whether from now on.
        enabled: bool,
    },
    /// Forget what the user read.
    ClearReadingProfile,
    /// Forget who it was.
    Erase,
}

/// Why a command on a user is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// There is no such user, or no longer.
    #[error("there is no such user")]
    NotFound,
    /// A user with this id exists.
    #[error("the user exists already")]
    Exists,
}

impl Aggregate for User {
    type Command = UserCommand;
    type Event = UserEvent;
    type Error = UserError;

    fn decide(
        state: Option<&Self>,
        command: &UserCommand,
        _now: Timestamp,
    ) -> Result<Vec<UserEvent>, UserError> {
        match (state, command.clone()) {
            (None, UserCommand::Register { name, email }) => {
                Ok(vec![UserEvent::Registered(UserRegistered { name, email: Some(email) })])
            }
            (Some(_), UserCommand::Register { .. }) => Err(UserError::Exists),
            (None, _) => Err(UserError::NotFound),
            // Again, so that an erasure that was interrupted can be finished.
            (Some(user), UserCommand::Erase) if user.erased_at.is_some() => Ok(Vec::new()),
            (Some(user), _) if user.erased_at.is_some() => Err(UserError::NotFound),
            (Some(user), command) => Ok(change(user, command)),
        }
    }

    fn evolve(state: Option<Self>, event: DomainEvent, stamp: Stamp) -> Result<Self, BoxError> {
        match event {
            DomainEvent::User(event) => Ok(Self::evolve(state, event, stamp)?),
            DomainEvent::News(_) | DomainEvent::Front(_) => {
                Err("an event of something else in the stream of a user".into())
            }
        }
    }

    fn stream(id: Uuid) -> StreamId {
        UserId(id).into()
    }

    fn version(&self) -> Version {
        self.version
    }
}

fn change(user: &User, command: UserCommand) -> Vec<UserEvent> {
    match command {
        UserCommand::Register { .. } => Vec::new(),
        UserCommand::ChangeProfile { name, email } => {
            let renamed = Some(&name) != user.name.as_ref();
            let renamed = renamed.then_some(UserEvent::Renamed(UserRenamed { name }));
            let email = email.filter(|email| Some(email) != user.email.as_ref());
            let moved = email.map(|email| UserEvent::EmailChanged(UserEmailChanged { email }));
            renamed.into_iter().chain(moved).collect()
        }
        UserCommand::ChangePassword => vec![UserEvent::PasswordChanged(UserPasswordChanged {})],
        UserCommand::ChangeRoles { mut roles } => {
            roles.insert(Role::Reader);
            if roles == user.roles {
                return Vec::new();
            }
            vec![UserEvent::RolesChanged(UserRolesChanged { roles })]
        }
        UserCommand::SwitchRecommendations { enabled } => {
            if enabled == user.recommendations_off_since.is_none() {
                return Vec::new();
            }
            let switched = UserRecommendationsSwitched { enabled };
            vec![UserEvent::RecommendationsSwitched(switched)]
        }
        // There is nothing to clear.
        UserCommand::ClearReadingProfile if user.recommendations_off_since.is_some() => Vec::new(),
        UserCommand::ClearReadingProfile => {
            vec![UserEvent::ReadingProfileCleared(UserReadingProfileCleared {})]
        }
        UserCommand::Erase => vec![UserEvent::Erased(UserErased {})],
    }
}

#[cfg(test)]
mod tests;
