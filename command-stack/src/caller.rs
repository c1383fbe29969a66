//! The caller of a command, and why a caller is denied one.

use std::collections::BTreeSet;

use events::{Actor, Role, UserId};

/// Who gives a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Nobody signed in.
    Anonymous,
    /// Who has a valid access token.
    User {
        /// Who.
        id: UserId,
        /// What the token says the user may be.
        roles: BTreeSet<Role>,
    },
    /// A part of the portal itself, by its name. It may do everything: what it does, the portal was
    /// asked for before, or the operator asks for on the command line.
    Portal(&'static str),
}

/// Why a command is not even considered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Somebody has to sign in first.
    #[error("sign in first")]
    NotSignedIn,
    /// Who is signed in lacks the right.
    #[error("your roles do not allow this")]
    NotAllowed,
    /// It is nobody's business that this exists.
    #[error("there is nothing at this address")]
    Hidden,
}

impl Caller {
    /// As the events name it.
    #[must_use]
    pub fn actor(&self) -> Actor {
        match self {
            Self::Anonymous => Actor::Anonymous,
            Self::User { id, .. } => Actor::User(*id),
            Self::Portal(name) => Actor::System((*name).to_owned()),
        }
    }

    /// Whether the caller has a role.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        match self {
            Self::Anonymous => false,
            Self::User { roles, .. } => roles.contains(&role),
            Self::Portal(_) => true,
        }
    }

    /// Who it is, when it is a user.
    #[must_use]
    pub fn user_id(&self) -> Option<UserId> {
        match self {
            Self::User { id, .. } => Some(*id),
            Self::Anonymous | Self::Portal(_) => None,
        }
    }
}
