//! Users: commands and the rules that decide them.

use events::user::{User, UserEvent, UserRegistered, UserRenamed};
use events::{BoxError, DomainEvent, Stamp, StreamId, UserId, Version};
use uuid::Uuid;

use crate::aggregate::Aggregate;

/// What somebody wants with an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserCommand {
    /// Open it.
    RegisterUser {
        /// 1 to 100 characters.
        name: String,
    },
    /// Change the name.
    RenameUser {
        /// 1 to 100 characters.
        name: String,
    },
}

/// Why a command on a user is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// There is no such user.
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

    fn decide(state: Option<&Self>, command: &UserCommand) -> Result<Vec<UserEvent>, UserError> {
        match (state, command.clone()) {
            (None, UserCommand::RegisterUser { name }) => {
                Ok(vec![UserEvent::Registered(UserRegistered { name })])
            }
            (Some(_), UserCommand::RegisterUser { .. }) => Err(UserError::Exists),
            (None, UserCommand::RenameUser { .. }) => Err(UserError::NotFound),
            (Some(user), UserCommand::RenameUser { name }) if user.name == name => Ok(Vec::new()),
            (Some(_), UserCommand::RenameUser { name }) => {
                Ok(vec![UserEvent::Renamed(UserRenamed { name })])
            }
        }
    }

    fn evolve(state: Option<Self>, event: DomainEvent, stamp: Stamp) -> Result<Self, BoxError> {
        match event {
            DomainEvent::User(event) => Ok(Self::evolve(state, event, stamp)?),
            DomainEvent::News(_) => Err("an event of an article in the stream of a user".into()),
        }
    }

    fn stream(id: Uuid) -> StreamId {
        UserId(id).into()
    }

    fn version(&self) -> Version {
        self.version
    }
}
