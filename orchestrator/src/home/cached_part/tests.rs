use std::collections::VecDeque;
use std::sync::Mutex;

use super::*;

type Answer = Result<(i64, i64), QueryError>;

/// Returns these answers (content and position), then fails.
struct Script {
    answers: Mutex<VecDeque<Answer>>,
    asked: watch::Sender<Vec<i64>>,
    /// Contents below this are retracted.
    gone: Mutex<i64>,
}

impl Source for Script {
    type Content = i64;

    async fn ask(&self, _named: &[String], terms: Terms) -> Result<(i64, Position), QueryError> {
        self.asked.send_modify(|asked| asked.push(terms.min_position.get()));
        let answer = self.answers.lock().expect("answers").pop_front();
        match answer {
            Some(answer) => answer.map(|(content, reached)| (content, Position::new(reached))),
            None => std::future::pending().await,
        }
    }

    fn clean(&self, content: Arc<i64>, _reached: Position) -> Arc<i64> {
        let gone = *self.gone.lock().expect("what is gone");
        if *content < gone { Arc::new(gone) } else { content }
    }
}

fn kept(answers: &[Answer]) -> Arc<CachedPart<Script>> {
    let answers = Mutex::new(answers.iter().copied().collect());
    let (asked, gone) = (watch::Sender::default(), Mutex::new(0));
    Arc::new(CachedPart::new(Script { answers, asked, gone }, Revision::default()))
}

fn at(position: i64) -> Position {
    Position::new(position)
}

/// Refreshes until the script has returned all its answers and gets one more query.
async fn keep(kept: &Arc<CachedPart<Script>>, questions: usize) {
    let keeping = tokio::spawn(Arc::clone(kept).keep(|_| ()));
    let mut asked = kept.source.asked.subscribe();
    asked.wait_for(|asked| asked.len() == questions).await.expect("questions");
    keeping.abort();
}

fn shown(kept: &CachedPart<Script>) -> (Status, i64, i64) {
    let state = kept.now().expect("a state");
    (state.status, *state.content, state.reached.get())
}

#[tokio::test(start_paused = true)]
async fn who_is_behind_is_better_than_what_is_older_and_is_asked_again() {
    let kept = kept(&[Ok((1, 5)), Err(QueryError::Behind), Ok((2, 7)), Ok((3, 9))]);
    let keeping = tokio::spawn(Arc::clone(&kept).keep(|_| ()));
    let mut asked = kept.source.asked.subscribe();
    asked.wait_for(|asked| asked.len() == 1).await.expect("a question");
    kept.happened(at(9));
    asked.wait_for(|asked| asked.len() == 5).await.expect("questions");
    keeping.abort();
    assert_eq!(*kept.source.asked.borrow(), [0, 9, 0, 9, 9]);
    assert_eq!(shown(&kept), (Status::Ok, 3, 9));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_had_is_as_it_was_and_says_so_until_it_can() {
    let unavailable = Err(QueryError::Unavailable);
    let kept_one = kept(&[Ok((1, 5)), unavailable]);
    keep(&kept_one, 3).await;
    assert_eq!(shown(&kept_one), (Status::Stale, 1, 5));
    let never = kept(&[unavailable]);
    keep(&never, 2).await;
    assert_eq!(shown(&never), (Status::Unavailable, 0, 0));
    let well = kept(&[Ok((1, 5)), unavailable, Ok((1, 5))]);
    keep(&well, 4).await;
    assert_eq!(shown(&well), (Status::Ok, 1, 5));
}

#[tokio::test(start_paused = true)]
async fn the_revision_moves_on_with_what_readers_see_and_with_nothing_else() {
    let unavailable = Err(QueryError::Unavailable);
    let kept = kept(&[Ok((1, 5)), Ok((1, 9)), Ok((2, 9)), unavailable, unavailable]);
    keep(&kept, 6).await;
    assert_eq!(shown(&kept), (Status::Stale, 2, 9));
    assert_eq!(kept.revision.now(), 3, "known, another content, stale");
    *kept.source.gone.lock().expect("what is gone") = 3;
    for _ in 0..2 {
        kept.clean();
        assert_eq!(kept.revision.now(), 4, "taken back once");
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_content_stays_the_same_page() {
    let kept = kept(&[Ok((1, 5)), Ok((1, 9))]);
    let keeping = tokio::spawn(Arc::clone(&kept).keep(|_| ()));
    let first = kept.current().await;
    kept.happened(at(9));
    let later = kept.at(at(9), &Arc::default(), true, Instant::now() + RETRY).await;
    let later = later.expect("a state");
    keeping.abort();
    assert!(later.is_same(&first));
    assert_eq!(later.reached, at(9));
}

#[tokio::test(start_paused = true)]
async fn nobody_gets_what_is_older_than_what_was_seen() {
    let kept_one = kept(&[Ok((1, 5)), Err(QueryError::Behind), Ok((1, 5))]);
    let keeping = tokio::spawn(Arc::clone(&kept_one).keep(|_| ()));
    kept_one.current().await;
    kept_one.happened(at(9));
    let soon = || Instant::now() + Duration::from_millis(100);
    let late = kept_one.at(at(9), &Arc::default(), true, soon()).await;
    assert_eq!(late.err(), Some(QueryError::Behind));
    // All events up to 8 are included.
    let enough = kept_one.at(at(5), &Arc::default(), true, soon()).await.expect("a state");
    keeping.abort();
    assert_eq!(enough.reached, at(5));
    let state = kept_one.now().expect("a state");
    assert_eq!(kept_one.complete_to(&state, at(20)), at(8), "the first that is missing is 9");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_told_of_is_asked_for() {
    let kept =
        kept(&[Ok((1, 5)), Ok((2, 30)), Err(QueryError::Behind), Err(QueryError::Unavailable)]);
    let keeping = tokio::spawn(Arc::clone(&kept).keep(|_| ()));
    kept.current().await;
    keeping.abort();
    let deadline = Instant::now() + RETRY;
    let ask = async |min| kept.at(at(min), &Arc::default(), false, deadline).await;
    let state = ask(30).await.expect("a state");
    assert_eq!((*state.content, state.reached), (2, at(30)));
    assert_eq!(ask(40).await.err(), Some(QueryError::Behind));
    let silent = ask(40).await.expect("a state");
    assert_eq!(silent.status, Status::Unavailable, "what is known is older than 40");
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_does_not_come_back_with_an_answer_from_before() {
    let kept = kept(&[Ok((1, 5)), Ok((2, 6))]);
    let keeping = tokio::spawn(Arc::clone(&kept).keep(|_| ()));
    kept.current().await;
    *kept.source.gone.lock().expect("what is gone") = 3;
    kept.clean();
    assert_eq!(shown(&kept), (Status::Ok, 3, 5));
    kept.happened(at(6));
    let mut asked = kept.source.asked.subscribe();
    asked.wait_for(|asked| asked.len() == 3).await.expect("questions");
    keeping.abort();
    assert_eq!(shown(&kept), (Status::Ok, 3, 6));
}
