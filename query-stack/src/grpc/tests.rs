//! Queries against a newsroom with some history.

mod front;
pub(crate) mod newsroom;
mod recommendations;

use std::sync::atomic::Ordering;

use events::ArticleId;
use events::user::{UserErased, UserEvent, UserRegistered};
use proto::v1::article_answer::Answer;
use proto::v1::history_answer;
use tonic::Code;

use self::newsroom::{
    Newsroom, ada, another, corrected, drafted, key, moved, of, published, staff,
};
use super::*;
use crate::projection::views;
use crate::verify::verify;

#[tokio::test]
async fn a_draft_is_for_its_author_and_the_editors() {
    let newsroom = Newsroom::new().await;
    let id = ArticleId(Uuid::now_v7());
    newsroom.record(id.into(), [drafted()]).await;
    let editor = staff(UserId(Uuid::from_u128(2)), true);
    assert_eq!(newsroom.content(id, None).await, Err(Code::NotFound));
    assert_eq!(newsroom.content(id, another()).await, Err(Code::NotFound));
    assert_eq!(newsroom.content(id, staff(ada(), false)).await, Ok("draft".to_owned()));
    assert_eq!(newsroom.content(id, editor.clone()).await, Ok("draft".to_owned()));

    assert_eq!(newsroom.listed(None, None).await, Ok(vec![]));
    assert_eq!(newsroom.listed(Some("draft"), None).await, Err(Code::PermissionDenied));
    assert_eq!(newsroom.listed(Some("draft"), another()).await, Ok(vec![]));
    assert_eq!(newsroom.listed(Some("published"), editor.clone()).await, Ok(vec![]));
    for viewer in [staff(ada(), false), editor] {
        let listed = newsroom.listed(Some("draft"), viewer).await.expect("a list");
        assert_eq!((listed.len(), listed[0].byline.as_deref()), (1, Some("Ada")));
        assert_eq!(listed[0].published_at, None);
    }
}

#[tokio::test]
async fn an_article_that_moved_is_answered_where_it_is_now() {
    let newsroom = Newsroom::new().await;
    let id = ArticleId(Uuid::now_v7());
    newsroom.record(id.into(), [published()]).await;
    newsroom.record(id.into(), moved("sports", "politics")).await;
    let there = Ok(Answer::Moved("politics".to_owned()));
    assert_eq!(newsroom.article(of(id)).await, there);
    assert_eq!(newsroom.article(GetArticleRequest { version: Some(1), ..of(id) }).await, there);
    let category = "politics".to_owned();
    let here = newsroom.article(GetArticleRequest { category, ..of(id) }).await;
    assert!(matches!(here, Ok(Answer::Article(article)) if article.version == 3));
}

#[tokio::test]
async fn views_equal_the_log_wherever_an_article_went() {
    let newsroom = Newsroom::new().await;
    let (there, back) = (ArticleId(Uuid::now_v7()), ArticleId(Uuid::now_v7()));
    newsroom.record(there.into(), [drafted(), published()]).await;
    newsroom.record(there.into(), moved("sports", "politics")).await;
    newsroom.record(back.into(), [published()]).await;
    newsroom.record(back.into(), moved("sports", "politics")).await;
    newsroom.record(back.into(), moved("politics", "sports")).await;
    newsroom.record(back.into(), [corrected()]).await;
    assert_eq!(newsroom.content(back, None).await, Ok("second".to_owned()));
    let store = &*newsroom.queries.store;
    for view in views(&newsroom.queries.categories) {
        let verified =
            verify(&*newsroom.database, store, &view, &mut |_| {}).await.expect("verified");
        assert_eq!(verified.differences, Vec::<String>::new(), "{view}");
    }
}

#[tokio::test]
async fn the_past_needs_the_log_and_the_present_does_not() {
    let newsroom = Newsroom::new().await;
    let id = ArticleId(Uuid::now_v7());
    newsroom.record(id.into(), [drafted(), published(), corrected()]).await;
    let history = async || {
        let (category, id) = ("sports".to_owned(), id.to_string());
        let request = GetHistoryRequest { category, id, viewer: None };
        newsroom.queries.history(request).await.map_err(|status| status.code())
    };
    let Ok(history_answer::Answer::History(told)) = history().await else { panic!("no ledger") };
    let versions: Vec<_> = told.entries.iter().map(|entry| entry.version).collect();
    assert_eq!(versions, [2, 3]);
    let at = |version| GetArticleRequest { version: Some(version), ..of(id) };
    let past = newsroom.article(at(2)).await;
    let as_published = |article: &v1::Article| {
        article.content == "first" && article.byline.as_deref() == Some("Ada")
    };
    assert!(matches!(&past, Ok(Answer::Article(article)) if as_published(article)), "{past:?}");
    for version in [0, 1, 4] {
        assert_eq!(newsroom.article(at(version)).await, Err(Code::NotFound), "{version}");
    }
    newsroom.database.down.store(true, Ordering::Relaxed);
    assert_eq!(history().await, Err(Code::Unavailable));
    assert_eq!(newsroom.article(at(2)).await, Err(Code::Unavailable));
    assert_eq!(newsroom.content(id, None).await, Ok("second".to_owned()));
}

#[tokio::test]
async fn names_are_opened_until_the_key_is_gone() {
    let newsroom = Newsroom::new().await;
    let user = async || {
        let request = GetUserRequest { id: ada().to_string(), min_position: 0 };
        let user = newsroom.queries.user(request).await;
        user.map(|user| (user.name, user.email)).map_err(|status| status.code())
    };
    let users = async || {
        let request = ListUsersRequest { limit: 9, ..Default::default() };
        let page = newsroom.queries.users(request).await.expect("a page");
        page.items.into_iter().map(|user| user.name).collect::<Vec<_>>()
    };
    let (name, email) = (key().seal(ada(), "Ada"), Some(key().seal(ada(), "ada@example.org")));
    let registered = UserEvent::Registered(UserRegistered { name, email });
    newsroom.record(ada().into(), [registered.into()]).await;
    assert_eq!(user().await, Ok(("Ada".to_owned(), Some("ada@example.org".to_owned()))));
    assert_eq!(users().await, ["Ada"]);

    newsroom.database.keys.lock().expect("keys").clear();
    newsroom.queries.keyring.forget(ada());
    assert_eq!(user().await, Err(Code::NotFound));
    assert_eq!(users().await, ["former contributor"]);
    newsroom.record(ada().into(), [UserEvent::Erased(UserErased {}).into()]).await;
    assert_eq!(user().await, Err(Code::NotFound));
    assert_eq!(users().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_user_whose_key_cannot_be_read_is_not_answered() {
    let newsroom = Newsroom::new().await;
    let registered = UserRegistered { name: key().seal(ada(), "Ada"), email: None };
    newsroom.record(ada().into(), [UserEvent::Registered(registered).into()]).await;
    newsroom.database.down.store(true, Ordering::Relaxed);
    let request = GetUserRequest { id: ada().to_string(), min_position: 0 };
    let answer = newsroom.queries.user(request).await;
    assert_eq!(answer.map_err(|status| status.code()), Err(Code::Unavailable));
}
