//! Who may: the one place that says which caller may give which command, whatever door it came
//! through. `docs/newsroom.md` has it as a table, and a test compares the two cell by cell.

use events::news::{Article, ArticleStatus, Viewer};
use events::user::User;
use events::{Role, Timestamp};

use crate::aggregate::Authorize;
use crate::caller::{Caller, Denied};
use crate::front::{Front, FrontCommand};
use crate::news::{Begin, Change, NewsCommand};
use crate::user::UserCommand;

impl Authorize for Article {
    fn authorize(
        state: Option<&Self>,
        command: &NewsCommand,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<(), Denied> {
        to_article(state, command, caller, now)
    }
}

impl Authorize for User {
    fn authorize(
        state: Option<&Self>,
        command: &UserCommand,
        caller: &Caller,
        _now: Timestamp,
    ) -> Result<(), Denied> {
        to_user(state, command, caller)
    }
}

impl Authorize for Front {
    fn authorize(
        _state: Option<&Self>,
        _command: &FrontCommand,
        caller: &Caller,
        _now: Timestamp,
    ) -> Result<(), Denied> {
        to_front(caller)
    }
}

/// Articles: editors do everything, authors draft and revise their own drafts. What an author may
/// not even see is hidden, not refused.
///
/// # Errors
/// What the caller lacks.
fn to_article(
    article: Option<&Article>,
    command: &NewsCommand,
    caller: &Caller,
    now: Timestamp,
) -> Result<(), Denied> {
    let author = match caller {
        Caller::Anonymous => return Err(Denied::NotSignedIn),
        Caller::Portal(_) => return Ok(()),
        caller if caller.has(Role::Editor) => return Ok(()),
        Caller::User { id, roles } if roles.contains(&Role::Author) => *id,
        Caller::User { .. } => return Err(Denied::NotAllowed),
    };
    match (command, article) {
        (NewsCommand::Begin { begin: Begin::Draft, embargo_until: None, .. }, _) => Ok(()),
        // The decision says that there is no such article.
        (NewsCommand::Change { change: Change::Text { .. }, .. }, None) => Ok(()),
        (NewsCommand::Change { change: Change::Text { .. }, .. }, Some(article)) => {
            let own = article.author_id == Some(author);
            let viewer = Viewer { user_id: author, editor: false };
            match article.status {
                ArticleStatus::Draft if own => Ok(()),
                _ if article.is_seen_by(viewer, now) => Err(Denied::NotAllowed),
                _ => Err(Denied::Hidden),
            }
        }
        _ => Err(Denied::NotAllowed),
    }
}

/// Users: everybody may open an account, everybody sees to the own, admins see to all but what
/// somebody reads.
///
/// # Errors
/// What the caller lacks.
fn to_user(user: Option<&User>, command: &UserCommand, caller: &Caller) -> Result<(), Denied> {
    if let (UserCommand::Register { .. }, _) | (_, Caller::Portal(_)) = (command, caller) {
        return Ok(());
    }
    let Caller::User { id, .. } = caller else { return Err(Denied::NotSignedIn) };
    let own = user.is_some_and(|user| user.id == *id);
    match command {
        UserCommand::SwitchRecommendations { .. } | UserCommand::ClearReadingProfile => {
            if own {
                Ok(())
            } else {
                Err(Denied::NotAllowed)
            }
        }
        _ if caller.has(Role::Admin) => Ok(()),
        UserCommand::ChangeRoles { .. } | UserCommand::Register { .. } => Err(Denied::NotAllowed),
        UserCommand::ChangeProfile { .. } | UserCommand::ChangePassword | UserCommand::Erase
            if own =>
        {
            Ok(())
        }
        _ => Err(Denied::NotAllowed),
    }
}

/// The front page: the editors' alone.
///
/// # Errors
/// What the caller lacks.
pub fn to_front(caller: &Caller) -> Result<(), Denied> {
    match caller {
        Caller::Anonymous => Err(Denied::NotSignedIn),
        caller if caller.has(Role::Editor) => Ok(()),
        Caller::User { .. } | Caller::Portal(_) => Err(Denied::NotAllowed),
    }
}

/// Webhooks: the admins' alone.
///
/// # Errors
/// What the caller lacks.
pub fn to_webhooks(caller: &Caller) -> Result<(), Denied> {
    match caller {
        Caller::Anonymous => Err(Denied::NotSignedIn),
        caller if caller.has(Role::Admin) => Ok(()),
        Caller::User { .. } | Caller::Portal(_) => Err(Denied::NotAllowed),
    }
}
