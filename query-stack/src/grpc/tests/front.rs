//! The current and past front page; event n is recorded at millisecond n.

use events::Timestamp;
use events::front::{FrontBreakingCleared, FrontBreakingSet, FrontEvent, FrontId, FrontPinned};
use proto::v1::Pins;

use super::newsroom::category;
use super::*;

fn article(number: u128) -> ArticleId {
    ArticleId(Uuid::from_u128(number))
}

fn front(position: i64, pins: &[(&str, &[u128])], breaking: Option<u128>) -> Front {
    let text = |number: &u128| article(*number).to_string();
    let of = |(category, numbers): &(&str, &[u128])| {
        let article_ids = numbers.iter().map(text).collect();
        Pins { category: (*category).to_owned(), article_ids }
    };
    let breaking = breaking.as_ref().map(text);
    Front { pins: pins.iter().map(of).collect(), breaking, position }
}

async fn pin(newsroom: &Newsroom, of: &str, numbers: &[u128]) {
    let (category, articles) = (category(of), numbers.iter().copied().map(article).collect());
    let stream = FrontId::of_category(&category).into();
    let event = FrontEvent::Pinned(FrontPinned { category, articles });
    newsroom.record(stream, [event.into()]).await;
}

async fn break_news(newsroom: &Newsroom, number: Option<u128>) {
    let event = match number.map(article) {
        Some(article_id) => {
            let category = category("sports");
            FrontEvent::BreakingSet(FrontBreakingSet { article_id, category })
        }
        None => FrontEvent::BreakingCleared(FrontBreakingCleared {}),
    };
    newsroom.record(FrontId::breaking().into(), [event.into()]).await;
}

async fn asked(newsroom: &Newsroom, min: i64, as_of: Option<String>) -> Result<Front, Code> {
    let request = GetFrontRequest { min_position: min, as_of };
    newsroom.queries.front(request).await.map_err(|status| status.code())
}

async fn now(newsroom: &Newsroom, min: i64) -> Result<Front, Code> {
    asked(newsroom, min, None).await
}

async fn at(newsroom: &Newsroom, millis: i64) -> Result<Front, Code> {
    asked(newsroom, 0, Some(Timestamp::from_millis(millis).to_string())).await
}

/// At millisecond 3 an article is published, which does not change the front page.
async fn newsroom_with_a_front() -> Newsroom {
    let newsroom = Newsroom::new().await;
    pin(&newsroom, "sports", &[2, 1]).await;
    break_news(&newsroom, Some(3)).await;
    newsroom.record(article(4).into(), [published()]).await;
    pin(&newsroom, "politics", &[4]).await;
    pin(&newsroom, "sports", &[]).await;
    break_news(&newsroom, None).await;
    newsroom
}

#[tokio::test]
async fn the_front_page_is_what_was_put_there_last() {
    let newsroom = newsroom_with_a_front().await;
    assert_eq!(now(&newsroom, 6).await, Ok(front(6, &[("politics", &[4])], None)));
    pin(&newsroom, "sports", &[1, 2]).await;
    break_news(&newsroom, Some(2)).await;
    let pins: [(&str, &[u128]); 2] = [("politics", &[4]), ("sports", &[1, 2])];
    assert_eq!(now(&newsroom, 8).await, Ok(front(8, &pins, Some(2))));
    assert_eq!(now(&newsroom, 9).await, Err(Code::FailedPrecondition));
}

#[tokio::test]
async fn nothing_on_the_front_page_is_an_answer_too() {
    let newsroom = Newsroom::new().await;
    assert_eq!(now(&newsroom, 0).await, Ok(Front::default()));
    assert_eq!(at(&newsroom, 5).await, Ok(Front::default()));
}

#[tokio::test]
async fn the_front_page_of_any_time_can_be_told() {
    let newsroom = newsroom_with_a_front().await;
    let sports: (&str, &[u128]) = ("sports", &[2, 1]);
    let politics: (&str, &[u128]) = ("politics", &[4]);
    for (millis, expected) in [
        (0, front(0, &[], None)),
        (1, front(1, &[sports], None)),
        (2, front(2, &[sports], Some(3))),
        (3, front(2, &[sports], Some(3))),
        (4, front(4, &[politics, sports], Some(3))),
        (5, front(5, &[politics], Some(3))),
        (6, front(6, &[politics], None)),
        (9, front(6, &[politics], None)),
    ] {
        assert_eq!(at(&newsroom, millis).await, Ok(expected), "at {millis}");
    }
    let wrong = asked(&newsroom, 0, Some("yesterday".to_owned())).await;
    assert_eq!(wrong, Err(Code::InvalidArgument));
}

#[tokio::test]
async fn the_past_front_page_needs_the_log_and_the_present_one_does_not() {
    let newsroom = newsroom_with_a_front().await;
    newsroom.database.down.store(true, Ordering::Relaxed);
    assert_eq!(at(&newsroom, 4).await, Err(Code::Unavailable));
    assert_eq!(now(&newsroom, 0).await, Ok(front(6, &[("politics", &[4])], None)));
}
