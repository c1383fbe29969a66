//! Seals bylines with the key of their author before a command is decided.

use events::UserId;
use events::news::Article;
use events::personal::{FORMER_CONTRIBUTOR, PersonalText};
use events::user::User;
use proto::{FieldError, Problem};
use uuid::Uuid;

use super::{Commands, explain_log};
use crate::command_handler::Context;

impl Commands {
    /// Seals the byline of an existing article; one that equals the printed byline stays as stored.
    pub(super) async fn seal_new_byline(
        &self,
        id: Uuid,
        byline: &mut Option<PersonalText>,
        context: &Context,
    ) -> Result<(), Problem> {
        let article = self.handler.read::<Article>(id).await;
        let Some(article) = article.map_err(|error| explain_log(&error))? else { return Ok(()) };
        if let Some(known) = &article.text.byline {
            let printed = self.keyring.keys_for([known]).await.open(known).printed();
            if printed.map(PersonalText::Plain) == *byline {
                *byline = article.text.byline;
                return Ok(());
            }
        }
        self.seal_byline(byline, article.author_id, context).await
    }

    /// Seals a byline with the key of the author, if the author has an account.
    pub(super) async fn seal_byline(
        &self,
        byline: &mut Option<PersonalText>,
        author: Option<UserId>,
        context: &Context,
    ) -> Result<(), Problem> {
        let (Some(author), Some(PersonalText::Plain(name))) = (author, &*byline) else {
            return Ok(());
        };
        let keys = self.accounts.keys(&[author]).await.map_err(|error| explain_log(&error))?;
        if let Some(key) = keys.get(&author) {
            *byline = Some(key.seal(author, name));
        } else if name != FORMER_CONTRIBUTOR {
            self.refuse_the_erased(author, context).await?;
        }
        Ok(())
    }

    /// Rejects the name of an erased user, which must not be stored again.
    /// It could come from the user, whose token is valid for some more minutes, or from an editor
    /// who has read the article earlier.
    async fn refuse_the_erased(&self, author: UserId, context: &Context) -> Result<(), Problem> {
        let user = self.handler.read::<User>(author.0).await;
        if user.map_err(|error| explain_log(&error))?.is_none() {
            // A token from the command line has no account that could be erased.
            return Ok(());
        }
        if context.caller.user_id() == Some(author) {
            let problem = Problem::invalid_token("this account was erased");
            return Err(problem.refusing("a token of an erased user", None));
        }
        let detail = "the author was erased: leave the byline out, or send \"former contributor\"";
        Err(Problem::invalid(vec![FieldError::new("/byline", detail)]))
    }
}
