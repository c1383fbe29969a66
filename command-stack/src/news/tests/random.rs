//! Compares random commands with a model that holds only the state that the rules use.

mod model;

use events::DomainEvent;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use self::model::{Begins, Model, Outcome, Step};
use super::*;

const CATEGORIES: [&str; 3] = ["famous", "politics", "sports"];

/// Milliseconds since the last step, whether the category is right, the step.
type Timed = (i64, bool, Step);

fn begin() -> impl Strategy<Value = Step> {
    let begin = prop_oneof![
        4 => Just(Begins::Draft),
        1 => Just(Begins::Publish),
        1 => (-1..6_i64).prop_map(Begins::Schedule),
    ];
    (begin, option::of(-1..6_i64)).prop_map(|(begin, embargo)| Step::Begin { begin, embargo })
}

fn steps() -> impl Strategy<Value = Vec<Timed>> {
    let due = (any::<bool>(), -3..3_i64);
    let step = prop_oneof![
        1 => begin(),
        3 => (0..3_u8, any::<bool>()).prop_map(|(text, note)| Step::Text { text, note }),
        2 => Just(Step::Publish),
        4 => due.prop_map(|(right, otherwise)| Step::Due { right, otherwise }),
        4 => (-2..8_i64).prop_map(Step::Schedule),
        2 => Just(Step::Unschedule),
        3 => option::of(-1..8_i64).prop_map(Step::Embargo),
        1 => Just(Step::Retract),
        1 => Just(Step::Archive),
        2 => (0..CATEGORIES.len()).prop_map(Step::Move),
    ];
    let here = prop::bool::weighted(0.9);
    let later = vec((0..4_i64, here, step), 0..24);
    // Most sequences begin with an article, some do not.
    (option::weighted(0.9, begin()), later).prop_map(|(first, later)| {
        first.map(|first| (1, true, first)).into_iter().chain(later).collect()
    })
}

/// The aggregate and all its recorded events.
#[derive(Default)]
struct Real {
    article: Option<Article>,
    recorded: Vec<(NewsEvent, Stamp)>,
}

impl Real {
    fn command(&self, step: &Step, here: bool, now: i64) -> NewsCommand {
        let later = |after: i64| at(now + after);
        let change = match *step {
            Step::Begin { ref begin, embargo } => {
                let begin = match *begin {
                    Begins::Draft => Begin::Draft,
                    Begins::Publish => Begin::Publish,
                    Begins::Schedule(after) => Begin::Schedule(later(after)),
                };
                let (category, text) = (category(CATEGORIES[0]), text("0"));
                let (author_id, embargo_until) = (Some(user(1)), embargo.map(later));
                return NewsCommand::Begin { category, text, author_id, begin, embargo_until };
            }
            Step::Text { text, note } => new_text(&text.to_string(), note.then_some("Typo.")),
            Step::Publish => Change::Publish,
            Step::Due { right, otherwise } => {
                let plan = self.article.as_ref().and_then(|article| article.publish_at);
                let planned = plan.filter(|_| right).unwrap_or(later(otherwise));
                Change::PublishDue { planned }
            }
            Step::Schedule(after) => Change::Schedule { publish_at: later(after) },
            Step::Unschedule => Change::Unschedule,
            Step::Embargo(after) => Change::Embargo { until: after.map(later) },
            Step::Retract => retract(),
            Step::Archive => Change::Archive,
            Step::Move(to) => Change::Move { to: category(CATEGORIES[to]) },
        };
        let known = self.article.as_ref().map(|article| article.category.clone());
        let known = known.unwrap_or_else(sports);
        let as_asked = |name: &&str| (*name == known.as_str()) == here;
        let address = CATEGORIES.into_iter().find(as_asked).expect("three categories");
        NewsCommand::Change { category: category(address), change }
    }

    fn carry_out(&mut self, command: &NewsCommand, now: i64) -> Outcome {
        let events = match Article::decide(self.article.as_ref(), command, at(now)) {
            Ok(events) if events.is_empty() => return Outcome::Unchanged,
            Ok(events) => events,
            Err(NewsError::NotFound) => return Outcome::NotFound,
            Err(NewsError::Exists) => return Outcome::Exists,
            Err(NewsError::IllegalTransition { .. }) => return Outcome::Illegal,
            Err(
                NewsError::MissingNote
                | NewsError::PublishAtPast
                | NewsError::PublishedInFuture
                | NewsError::EmbargoPast
                | NewsError::PublishAtUnderEmbargo { .. }
                | NewsError::EmbargoBeyondSchedule { .. },
            ) => return Outcome::Invalid,
        };
        for event in events {
            self.record(event, now);
        }
        Outcome::Changed
    }

    fn record(&mut self, event: NewsEvent, now: i64) {
        if let NewsEvent::Published(published) = &event {
            assert_no_earlier_than_allowed(self.article.as_ref(), published, now);
        }
        let version = self.article.as_ref().map_or(Version::NONE, |article| article.version).next();
        let stamp = Stamp { id: Uuid::nil(), version, at: at(now) };
        let before = self.article.take();
        let after = evolve(before, event.clone(), stamp);
        if matches!(event, NewsEvent::Published(_) | NewsEvent::MovedIn(_)) {
            let alone = evolve(None, event.clone(), stamp);
            assert_eq!(after, alone, "a view may begin at {}", event.event_type());
        }
        self.article = Some(after);
        self.recorded.push((event, stamp));
    }
}

fn evolve(before: Option<Article>, event: NewsEvent, stamp: Stamp) -> Article {
    let event = DomainEvent::News(event);
    <Article as Aggregate>::evolve(before, event, stamp).expect("an event that can follow")
}

fn assert_no_earlier_than_allowed(before: Option<&Article>, event: &ArticlePublished, now: i64) {
    let embargo = before.and_then(|article| article.embargo_until);
    assert!(embargo.is_none_or(|end| end <= at(now)), "under embargo until {embargo:?}");
    assert!(before.is_none_or(|article| article.published_at.is_none()), "published twice");
    if let Some(planned) = event.scheduled_for {
        assert!(planned <= at(now), "planned for {planned}");
        assert_eq!(before.and_then(|article| article.publish_at), Some(planned));
    }
}

fn assert_alike(article: Option<&Article>, model: &Model) {
    assert_eq!(article.map(|article| article.status), model.status);
    let Some(article) = article else { return };
    assert_eq!(article.category.as_str(), CATEGORIES[model.category]);
    assert_eq!(article.text.title, model.text.to_string());
    assert_eq!(article.publish_at, model.publish_at.map(at));
    assert_eq!(article.embargo_until, model.embargo.map(at));
    assert_eq!(article.published_at, model.first_published.map(at));
    assert_eq!(article.corrections.len(), model.corrections);
    assert_eq!(article.publish_at.is_some(), article.status == ArticleStatus::Scheduled);
    assert_eq!(article.moved_to, None);
}

fn assert_in_order(real: &Real) {
    let versions: Vec<_> = real.recorded.iter().map(|(_, stamp)| stamp.version.get()).collect();
    assert!(versions.iter().copied().eq(1..=versions.len() as i64), "{versions:?}");
    let version = real.article.as_ref().map_or(0, |article| article.version.get());
    assert_eq!(versions.last().copied().unwrap_or(0), version);
    let began = real.recorded.first().map(|(_, stamp)| stamp.at);
    assert_eq!(real.article.as_ref().map(|article| article.created_at), began);
    let shown = real.recorded.iter().find(|(event, _)| matches!(event, NewsEvent::Published(_)));
    let published_at = real.article.as_ref().and_then(|article| article.published_at);
    assert_eq!(published_at, shown.map(|(_, stamp)| stamp.at), "seen without being published");
    let fold =
        |before, (event, stamp): &(NewsEvent, Stamp)| Some(evolve(before, event.clone(), *stamp));
    assert_eq!(real.recorded.iter().fold(None, fold), real.article, "the fold of its events");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn whatever_the_newsroom_asks_for_the_article_lives_as_the_model_does(steps in steps()) {
        let (mut real, mut model, mut now) = (Real::default(), Model::default(), NOW);
        for (pause, here, step) in steps {
            now += pause;
            let command = real.command(&step, here, now);
            let expected = model.carry_out(&step, here, now);
            prop_assert_eq!(real.carry_out(&command, now), expected, "{:?} at {}", command, now);
            assert_alike(real.article.as_ref(), &model);
        }
        assert_in_order(&real);
    }
}
