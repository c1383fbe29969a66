//! Users, with names and addresses decrypted.
//!
//! A user without a key counts as erased, even if the view does not know it yet.

use events::personal::{FORMER_CONTRIBUTOR, Keys, Opened, PersonalText};
use events::user::User;
use proto::v1::{self, GetUserRequest, ListUsersRequest, UserPage};
use tonic::Status;

use super::{Queries, at_most, id, nothing, place, read};
use crate::view_store::{ListFilter, View};

impl Queries {
    pub(super) async fn user(&self, request: GetUserRequest) -> Result<v1::User, Status> {
        let id = id(&request.id)?;
        let body = self.body(&View::users(), id, request.min_position).await?;
        let user: User = read(body.ok_or_else(nothing)?)?;
        let keys = self.keys(std::slice::from_ref(&user)).await;
        if user.name.as_ref().is_none_or(|name| keys.open(name) == Opened::Forgotten) {
            return Err(nothing());
        }
        opened(user, &keys)
    }

    /// A page of users; a user erased just now is listed without a name.
    ///
    /// A page shorter than the view's page would look like the last one.
    pub(super) async fn users(&self, request: ListUsersRequest) -> Result<UserPage, Status> {
        let view = View::users();
        let live = self.live(&view, request.min_position).await?;
        let after = place(request.after.as_ref())?;
        let (filter, limit) = (ListFilter { after, ..Default::default() }, at_most(request.limit));
        let found = self.look(self.store.list(&view, live.generation, &filter, limit)).await?;
        let users = found.into_iter().map(|document| read(document.body));
        let users: Vec<User> = users.collect::<Result<_, _>>()?;
        let keys = self.keys(&users).await;
        let items = users.into_iter().map(|user| opened(user, &keys)).collect::<Result<_, _>>()?;
        Ok(UserPage { items })
    }

    async fn keys(&self, users: &[User]) -> Keys {
        let sealed: Vec<_> =
            users.iter().flat_map(|user| [&user.name, &user.email]).flatten().collect();
        self.keyring.keys_for(sealed).await
    }
}

fn opened(user: User, keys: &Keys) -> Result<v1::User, Status> {
    let name = text(user.name.as_ref(), keys)?;
    Ok(v1::User {
        id: user.id.to_string(),
        version: user.version.get(),
        name: name.unwrap_or_else(|| FORMER_CONTRIBUTOR.to_owned()),
        email: text(user.email.as_ref(), keys)?,
        roles: user.roles.iter().map(ToString::to_string).collect(),
        created_at: user.created_at.to_string(),
        updated_at: user.updated_at.to_string(),
    })
}

/// `None` if there is no text, or its key was destroyed.
fn text(sealed: Option<&PersonalText>, keys: &Keys) -> Result<Option<String>, Status> {
    match sealed.map(|sealed| keys.open(sealed)) {
        Some(Opened::Text(text)) => Ok(Some(text)),
        Some(Opened::Forgotten) | None => Ok(None),
        Some(Opened::Unknown) => Err(Status::unavailable("the keys of users cannot be read")),
    }
}
