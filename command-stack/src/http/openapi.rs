//! The commands as they are told in the OpenAPI document, in the order of docs/newsroom.md. The
//! bodies are beside what reads them; `portal/tests/it/openapi.rs` fails for a route that is not here.

use events::Role::{Author, Editor};
use events::news::Article;
use events::user::User;
use proto::openapi::{Call, Part, Who};
use proto::token::PublicKeys;
use serde_json::Value;

use super::body::Nothing;
use super::front::{Breaking, BreakingNews, Pinned, Pins};
use super::news::{Destination, Embargo, NewArticle, NewText, Plan, Reason};
use super::recommendations::Switch;
use super::sessions::{Refresh, Session, SignIn, SignOut};
use super::users::{NewPassword, NewUser, Profile, Roles};
use super::webhooks::{Again, All, DeliveryPage, NewWebhook, Paging, Seen, WithSecret};

const EDITORS: Who = Who::SignedIn(&[Editor]);
const AUTHORS: Who = Who::SignedIn(&[Author, Editor]);

/// What every answer of a command tells.
const DONE: [&str; 2] = ["ETag", "Portal-Position"];
const CREATED: [&str; 3] = ["ETag", "Portal-Position", "Location"];

const ARTICLE: &str = "/v1/news/{category}/{id}";
const ILLEGAL: &str = "What the state of the article does not allow \
     (`/problems/illegal-transition`); or the first request with this `Idempotency-Key` is still running.";

/// The commands.
#[must_use]
pub fn openapi() -> Value {
    Part::default()
        .with("Newsroom", newsroom())
        .with("Front page", front())
        .with("Users", users())
        .with("Recommendations", recommendations())
        .with("Sessions", sessions())
        .with("Webhooks", webhooks())
        .finish()
}

fn newsroom() -> [Call; 9] {
    let change = |action: &'static str, name, summary| {
        Call::command("post", action, name, summary)
            .by(EDITORS)
            .changes()
            .json::<Article>(200, "The article.", &DONE)
            .refuses(409, ILLEGAL)
    };
    [
        Call::command(
            "post",
            "/v1/news/{category}",
            "begin_article",
            "Publish, or begin, an article",
        )
        .by(AUTHORS)
        .body::<NewArticle>()
        .json::<Article>(201, "The article.", &CREATED)
        .then(&["get_article", "get_history", "change_article", "retract_article"]),
        Call::command(
            "put",
            ARTICLE,
            "change_article",
            "Revise a draft, correct what is published",
        )
        .by(AUTHORS)
        .changes()
        .body::<NewText>()
        .json::<Article>(200, "The article.", &DONE)
        .then(&["get_article", "retract_article"])
        .refuses(409, ILLEGAL),
        change("/v1/news/{category}/{id}/publish", "publish_article", "Publish a draft"),
        change("/v1/news/{category}/{id}/schedule", "schedule_article", "Publish it at a time")
            .body::<Plan>(),
        change(
            "/v1/news/{category}/{id}/unschedule",
            "unschedule_article",
            "Make it a draft again",
        ),
        change(
            "/v1/news/{category}/{id}/embargo",
            "embargo_article",
            "Not to be seen before a time",
        )
        .body::<Embargo>(),
        change("/v1/news/{category}/{id}/retract", "retract_article", "Take it back, and say why")
            .body::<Reason>(),
        change("/v1/news/{category}/{id}/archive", "archive_article", "Put it away for good"),
        change("/v1/news/{category}/{id}/move", "move_article", "Move it to another category")
            .body::<Destination>(),
    ]
}

fn front() -> [Call; 3] {
    let command = |method, path, name, summary| {
        Call::command(method, path, name, summary).by(EDITORS).may_change()
    };
    [
        command("put", "/v1/front/{category}", "pin_articles", "What stands first in a category")
            .body::<Pins>()
            .json::<Pinned<'_>>(200, "What is pinned.", &DONE),
        command("put", "/v1/front/breaking", "set_breaking_news", "What stands first of all")
            .body::<Breaking>()
            .json::<BreakingNews<'_>>(200, "What is breaking news.", &DONE),
        command("delete", "/v1/front/breaking", "clear_breaking_news", "There is no breaking news")
            .empty(204, "There is none.", &DONE),
    ]
}

fn users() -> [Call; 5] {
    [
        Call::command("post", "/v1/users", "register", "Open an account")
            .body::<NewUser>()
            .json::<User>(201, "The user.", &CREATED)
            .refuses(
                409,
                "Another account has this address (`/problems/email-taken`); or the \
                           first request with this `Idempotency-Key` is still running.",
            ),
        Call::command("put", "/v1/users/{id}", "change_user", "Another name or e-mail address")
            .by(Who::USERS)
            .changes()
            .body::<Profile>()
            .json::<User>(200, "The user.", &DONE)
            .refuses(409, "Another account has this address (`/problems/email-taken`)."),
        Call::command("delete", "/v1/users/{id}", "erase_user", "Erase a user for good")
            .by(Who::USERS)
            .may_change()
            .empty(204, "Erased.", &DONE),
        Call::command("post", "/v1/users/{id}/password", "change_password", "Another password")
            .by(Who::USERS)
            .may_change()
            .body::<NewPassword>()
            .empty(204, "Changed; all sessions of the user have ended.", &DONE),
        Call::command("put", "/v1/users/{id}/roles", "change_roles", "What a user may do")
            .by(Who::ADMINS)
            .changes()
            .body::<Roles>()
            .json::<User>(200, "The user.", &DONE),
    ]
}

fn recommendations() -> [Call; 2] {
    let path = "/v1/recommendations/users/{id}";
    let command = |method, name, summary| {
        Call::command(method, path, name, summary).by(Who::USERS).may_change()
    };
    [
        command("put", "switch_recommendations", "Whether readings are recorded")
            .body::<Switch>()
            .empty(204, "Switched, and what was read before is forgotten.", &DONE),
        command("delete", "forget_readings", "Forget what was read so far").empty(
            204,
            "Forgotten.",
            &DONE,
        ),
    ]
}

fn sessions() -> [Call; 4] {
    [
        Call::command("post", "/v1/sessions", "sign_in", "Sign in")
            .body::<SignIn>()
            .json::<Session<'_>>(201, "Tokens.", &[])
            .problems(&[401]),
        Call::command("delete", "/v1/sessions", "sign_out", "Sign out")
            .by(Who::SignedInOrNot)
            .optional_body::<SignOut>()
            .empty(204, "The session has ended.", &[])
            .problems(&[401]),
        Call::command("post", "/v1/sessions/refresh", "refresh_session", "Stay signed in")
            .body::<Refresh>()
            .json::<Session<'_>>(
                200,
                "New tokens; the refresh token that was sent is used up.",
                &[],
            )
            .problems(&[401]),
        Call::query("/.well-known/jwks.json", "get_public_keys", "What tokens are verified with")
            .json::<PublicKeys>(200, "A JWK set (RFC 7517).", &[]),
    ]
}

fn webhooks() -> [Call; 8] {
    const ALL: &str = "/v1/webhooks";
    const ONE: &str = "/v1/webhooks/{id}";
    let change = |path, name, summary| {
        Call::command("post", path, name, summary).by(Who::ADMINS).body::<Nothing>()
    };
    [
        Call::command("post", ALL, "create_webhook", "Be called when something happens")
            .by(Who::ADMINS)
            .body::<NewWebhook>()
            .json::<WithSecret<'_>>(201, "The webhook, with its secret.", &["Location"])
            .refuses(409, "There are enough (`/problems/too-many-webhooks`)."),
        Call::query(ALL, "list_webhooks", "All webhooks").by(Who::ADMINS).json::<All<'_>>(
            200,
            "All of them.",
            &[],
        ),
        Call::query(ONE, "get_webhook", "A webhook, and how far it is")
            .by(Who::ADMINS)
            .json::<Seen<'_>>(200, "The webhook.", &[]),
        Call::command("delete", ONE, "delete_webhook", "Be called no more").by(Who::ADMINS).empty(
            204,
            "There is none any more.",
            &[],
        ),
        Call::query("/v1/webhooks/{id}/deliveries", "list_deliveries", "What became of deliveries")
            .by(Who::ADMINS)
            .parameters::<Paging>()
            .json::<DeliveryPage>(200, "A page, the last first.", &[]),
        change("/v1/webhooks/{id}/enable", "enable_webhook", "Try again").json::<Seen<'_>>(
            200,
            "The webhook.",
            &[],
        ),
        change("/v1/webhooks/{id}/rotate-secret", "rotate_secret", "Sign with another secret")
            .json::<WithSecret<'_>>(200, "The webhook, with its new secret.", &[]),
        Call::command("post", "/v1/webhooks/{id}/redeliver", "redeliver", "Send a range once more")
            .by(Who::ADMINS)
            .body::<Again>()
            .json::<Seen<'_>>(202, "It will be sent, before anything else.", &[])
            .refuses(409, "Another range is being sent (`/problems/redelivery-running`)."),
    ]
}
