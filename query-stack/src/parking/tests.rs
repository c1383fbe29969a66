//! Parking, retrying and discarding streams.

use std::sync::atomic::{AtomicBool, Ordering};

use events::bus::in_process::InProcessBus;
use events::news::{ArticleRetracted, NewsEvent};
use events::{ArticleId, DecodeError, DomainEvent, NewEvent, Position};
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::*;
use crate::fold::Program;
use crate::grpc::tests::newsroom::{Newsroom, category, corrected, published};
use crate::projector::Projector;
use crate::verify::{Verified, verify};

/// An event of a type that today's program does not know.
fn exploded() -> NewEvent {
    NewEvent {
        event_type: "news.article_exploded",
        data: RawValue::from_string("{}".to_owned()).expect("JSON"),
        ..corrected().encode().expect("an event")
    }
}

/// Decodes like a newer program, to which the unknown event is a correction.
fn decode_tomorrow(event: &RecordedEvent) -> Result<DomainEvent, DecodeError> {
    if event.event_type == "news.article_exploded" { Ok(corrected()) } else { event.decode() }
}

fn retracted() -> DomainEvent {
    let retracted = ArticleRetracted { category: category("sports"), reason: "Why.".to_owned() };
    NewsEvent::Retracted(retracted).into()
}

/// A newsroom; today's and a newer program that write its public view of sports.
struct Parking {
    newsroom: Newsroom,
    today: ViewWriter,
    tomorrow: ViewWriter,
    dead_letters: DeadLetters,
}

impl Parking {
    async fn new() -> Self {
        let newsroom = Newsroom::new().await;
        let (store, log) = (newsroom.store(), newsroom.database.clone());
        let view = View::articles(category("sports"));
        let today = ViewWriter::new(Arc::clone(&store), view, Slot::Live);
        let program = Program { decode: decode_tomorrow, ..today.program };
        let tomorrow = ViewWriter { program, ..today.clone() };
        Self { newsroom, today, tomorrow, dead_letters: DeadLetters { log, store } }
    }

    fn log(&self) -> &dyn EventReader {
        &*self.newsroom.database
    }

    fn append(&self, article: u128, events: impl IntoIterator<Item = NewEvent>) -> StreamId {
        let stream = StreamId::from(ArticleId(Uuid::from_u128(article)));
        events.into_iter().for_each(|event| self.newsroom.database.append(&stream, event));
        stream
    }

    async fn checkpoint(&self) -> Checkpoint {
        self.today.store.state(&self.today.view).await.expect("a state").live
    }

    /// Projects all new events with this writer, as a projector does.
    async fn catch_up(&self, writer: &ViewWriter) -> Checkpoint {
        let from = self.checkpoint().await;
        let partition = Some(&writer.view.partition);
        let events = self.log().read_after(from.position, partition, 99).await.expect("events");
        writer.advance(from, &events).await.expect("advanced")
    }

    /// The contents that readers see, in the order of article ids.
    async fn contents(&self) -> Vec<String> {
        let view = &self.today.view;
        let all = self.today.store.scan(view, 1, None, 99).await.expect("documents");
        let content = |document: crate::view_store::Document| document.body["content"].to_string();
        all.into_iter().map(content).collect()
    }

    async fn parked(&self) -> Vec<Parked> {
        self.dead_letters.list(&self.today.view, None, 99).await.expect("parked streams")
    }

    async fn verified(&self) -> Verified {
        let view = &self.today.view;
        verify(self.log(), &*self.today.store, view, &mut |_| {}).await.expect("verified")
    }
}

fn known(event: DomainEvent) -> NewEvent {
    event.encode().expect("an event")
}

#[tokio::test]
async fn a_stream_of_a_newer_program_waits_for_it_and_is_taken_up_in_order() {
    let parking = Parking::new().await;
    let stream = parking.append(1, [known(published()), exploded(), known(corrected())]);
    parking.append(2, [known(published())]);
    parking.catch_up(&parking.today).await;
    parking.append(1, [known(corrected())]);
    let at = parking.catch_up(&parking.today).await;
    assert_eq!((at.position, at.revision), (Position::new(5), 1));
    assert_eq!(parking.contents().await, [r#""first""#; 2], "as last known; others go on");
    let waiting = parking.parked().await;
    assert_eq!((waiting.len(), waiting[0].state), (1, ParkedState::Waiting));
    assert_eq!((waiting[0].position, &waiting[0].stream), (Position::new(2), &stream));
    assert!(waiting[0].error.contains("article_exploded"), "{}", waiting[0].error);

    let still = parking.today.take_up(parking.log(), &stream).await.expect("tried");
    assert_eq!(still, TakenUp::Still(waiting[0].clone()));
    assert_eq!(parking.checkpoint().await, at, "waiting writes nothing");
    let done = parking.tomorrow.take_up(parking.log(), &stream).await.expect("taken up");
    assert_eq!((done, parking.parked().await), (TakenUp::Done, vec![]));
    assert_eq!(parking.contents().await, [r#""second""#, r#""first""#]);
    parking.append(1, [known(retracted())]);
    parking.catch_up(&parking.tomorrow).await;
    assert_eq!(parking.contents().await, [r#""""#, r#""first""#]);
    let again = parking.tomorrow.take_up(parking.log(), &stream).await.expect("tried");
    assert_eq!(again, TakenUp::WasNotParked);
}

#[tokio::test]
async fn a_retraction_hides_what_is_parked_and_a_retry_brings_the_reason() {
    let parking = Parking::new().await;
    let stream = parking.append(1, [known(published()), exploded()]);
    parking.catch_up(&parking.today).await;
    assert_eq!(parking.contents().await, [r#""first""#]);
    parking.append(1, [known(retracted())]);
    parking.catch_up(&parking.today).await;
    assert_eq!(parking.contents().await, Vec::<String>::new());
    let still = parking.today.take_up(parking.log(), &stream).await.expect("tried");
    assert!(matches!(still, TakenUp::Still(_)));
    assert_eq!(parking.contents().await, Vec::<String>::new(), "trying does not bring it back");
    parking.tomorrow.take_up(parking.log(), &stream).await.expect("taken up");
    assert_eq!(parking.contents().await, [r#""""#]);
}

#[tokio::test]
async fn what_was_given_up_is_gone_until_somebody_takes_it_up() {
    let parking = Parking::new().await;
    let view = &parking.today.view;
    let stream = parking.append(1, [known(published()), exploded()]);
    let other = parking.append(2, [known(published())]);
    parking.catch_up(&parking.today).await;
    let discard = async |stream| parking.dead_letters.discard(view, stream).await.expect("done");
    assert_eq!(discard(&other).await, None, "only what is parked can be given up");
    assert_eq!(discard(&stream).await.map(|one| one.state), Some(ParkedState::Discarded));
    parking.append(1, [known(corrected())]);
    parking.catch_up(&parking.today).await;
    assert_eq!(parking.contents().await, [r#""first""#]);
    let verified = parking.verified().await;
    assert_eq!((verified.differences, verified.parked.discarded), (vec![], 1));
    let done = parking.tomorrow.take_up(parking.log(), &stream).await.expect("taken up");
    assert_eq!((done, parking.contents().await.len()), (TakenUp::Done, 2));
}

#[tokio::test]
async fn verify_names_what_is_parked_and_finds_what_is_not_and_should_be() {
    let parking = Parking::new().await;
    parking.append(1, [known(published()), exploded()]);
    parking.catch_up(&parking.today).await;
    let verified = parking.verified().await;
    assert_eq!((verified.differences, verified.parked.waiting), (vec![], 1));
    assert_eq!(verified.parked_streams, parking.parked().await);

    let parking = Parking::new().await;
    parking.append(1, [known(published()), exploded()]);
    parking.catch_up(&parking.tomorrow).await;
    let verified = parking.verified().await;
    let [not_parked, different] = &verified.differences[..] else { panic!("{verified:?}") };
    assert!(not_parked.contains("cannot be taken and is not parked"), "{not_parked}");
    assert!(different.contains("position 2 cannot be projected"), "{different}");
}

#[tokio::test]
async fn a_projector_and_a_retry_at_once_lose_nothing() {
    let parking = Parking::new().await;
    let stream = parking.append(1, [known(published()), exploded()]);
    parking.catch_up(&parking.today).await;
    let project = async {
        for number in 0..50 {
            parking.append(1, [known(corrected())]);
            parking.append(2 + number, [known(published())]);
            let from = parking.checkpoint().await;
            let partition = Some(&parking.today.view.partition);
            let events = parking.log().read_after(from.position, partition, 99).await;
            match parking.tomorrow.advance(from, &events.expect("events")).await {
                Ok(_) | Err(ProjectError::Moved) => {}
                Err(error) => panic!("{error}"),
            }
        }
    };
    let retry = parking.tomorrow.take_up(parking.log(), &stream);
    let ((), taken_up) = tokio::join!(project, retry);
    assert_eq!(taken_up.expect("taken up"), TakenUp::Done);
    parking.catch_up(&parking.tomorrow).await;
    let ids = [Uuid::from_u128(1)];
    let document = parking.today.store.documents(&parking.today.view, 1, &ids);
    assert_eq!(document.await.expect("a document")[0].version.get(), 52);
    assert_eq!(parking.contents().await.len(), 51);
}

#[tokio::test]
async fn a_projector_takes_up_by_itself_what_it_has_learnt() {
    static KNOWS: AtomicBool = AtomicBool::new(false);
    fn decode(event: &RecordedEvent) -> Result<DomainEvent, DecodeError> {
        if KNOWS.load(Ordering::Relaxed) { decode_tomorrow(event) } else { event.decode() }
    }
    let parking = Parking::new().await;
    parking.append(1, [known(published()), exploded(), known(corrected())]);
    let (store, log) = (Arc::clone(&parking.today.store), parking.newsroom.database.clone());
    let bus = Arc::new(InProcessBus::default());
    let projector = Projector::new(parking.today.view.clone(), store, log, bus);
    let program = Program { decode, ..parking.today.program };
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(projector.with_program(program).run(shutdown.clone()));
    let until = async |count: usize| {
        while parking.parked().await.len() != count {
            tokio::task::yield_now().await;
        }
    };
    until(1).await;
    KNOWS.store(true, Ordering::Relaxed);
    until(0).await;
    assert_eq!(parking.contents().await, [r#""second""#]);
    shutdown.cancel();
    running.await.expect("its end");
}

#[test]
fn what_failed_is_tried_a_few_times_and_what_waits_for_ever() {
    let parked = |state, attempts| Parked {
        stream: StreamId::from("x".to_owned()),
        state,
        position: Position::new(1),
        version: events::Version::new(1),
        event_type: String::new(),
        error: String::new(),
        attempts,
        since: Timestamp::from_millis(0),
        tried_at: Timestamp::from_millis(1_000),
    };
    let due =
        |state, attempts, millis| parked(state, attempts).is_due(Timestamp::from_millis(millis));
    for (attempts, millis) in [(1, 1_500), (2, 2_000), (3, 3_000), (4, 5_000)] {
        assert!(!due(ParkedState::Parked, attempts, millis - 1), "{attempts}");
        assert!(due(ParkedState::Parked, attempts, millis), "{attempts}");
    }
    assert!(!due(ParkedState::Parked, 5, i64::MAX) && !due(ParkedState::Discarded, 1, i64::MAX));
    assert!(due(ParkedState::Waiting, 1_000, 1_000));
}
