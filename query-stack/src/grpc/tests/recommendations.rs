//! Profiles and readers of a label while a user's decision is in progress.

use events::readings::Reading;
use proto::v1::ListReadersRequest;
use proto::v1::recommendations_server::Recommendations;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::Forgetting;

async fn readers(newsroom: &Newsroom, min_position: i64) -> Result<Vec<String>, Code> {
    let label = "sports".to_owned();
    let request = ListReadersRequest { label, limit: 9, min_position, after: None };
    let answer = newsroom.queries.list_readers(Request::new(request)).await;
    answer.map(|page| page.into_inner().user_ids).map_err(|status| status.code())
}

async fn read(newsroom: &Newsroom, by: UserId) {
    let (article, at) = (ArticleId(Uuid::nil()), chrono::Utc::now().into());
    let reading = Reading::new(by, article, "sports".parse().expect("a category"), &[], at);
    newsroom.queries.readings.record(&[reading]).await.expect("recorded");
}

#[tokio::test]
async fn who_has_seen_an_erasure_never_finds_the_user_under_a_label() {
    let newsroom = Newsroom::new().await;
    read(&newsroom, ada()).await;
    let registered = UserRegistered { name: key().seal(ada(), "Ada"), email: None };
    newsroom.record(ada().into(), [UserEvent::Registered(registered).into()]).await;
    newsroom.record(ada().into(), [UserEvent::Erased(UserErased {}).into()]).await;
    newsroom.record(ArticleId(Uuid::now_v7()).into(), [published()]).await;
    assert_eq!(readers(&newsroom, 0).await, Ok(vec![ada().to_string()]));
    let last = 3;
    assert_eq!(readers(&newsroom, last).await, Err(Code::FailedPrecondition));

    let (store, log) = (Arc::clone(&newsroom.queries.readings), newsroom.database.clone());
    let (forgetting, shutdown) = (Forgetting { log, store }, CancellationToken::new());
    let told = async {
        assert_eq!(readers(&newsroom, last).await, Ok(vec![]));
        shutdown.cancel();
    };
    tokio::join!(forgetting.run(shutdown.clone()), told);
}
