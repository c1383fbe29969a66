//! Compares concurrent random appends with a model that runs them one after the other.

use std::collections::{HashMap, HashSet};

use events::StreamId;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::super::{Append, AppendError};
use super::fixture::{Fixture, append, part, places, positions, with_key};

/// A random append to few streams, with an optional command id.
/// Each stream maps to (offset from its current version, number of events).
type Plan = (HashMap<usize, (i64, usize)>, Option<u8>);

fn plans() -> impl Strategy<Value = Vec<Vec<Plan>>> {
    let distance = prop_oneof![5 => Just(0_i64), 1 => Just(-1), 1 => Just(1)];
    let streams = proptest::collection::hash_map(0..4_usize, (distance, 1..4_usize), 1..3);
    let key = prop_oneof![3 => Just(None), 1 => (0..4_u8).prop_map(Some)];
    vec(vec((streams, key), 1..12), 1..5)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Appended,
    Conflict,
    Repeated,
}

#[derive(Default)]
struct Model {
    versions: HashMap<usize, i64>,
    keys: HashSet<u8>,
}

fn name(stream: usize) -> StreamId {
    StreamId::from(format!("stream-{stream}"))
}

impl Model {
    /// Builds the append and returns its expected outcome.
    fn carry_out(&mut self, (streams, key): &Plan) -> (Append, Outcome) {
        let version = |stream| self.versions.get(stream).copied().unwrap_or(0);
        let (mut parts, mut conflict) = (Vec::new(), false);
        for (stream, (distance, count)) in streams {
            let expected = (version(stream) + distance).max(0);
            conflict |= expected != version(stream);
            parts.push(part(&name(*stream), expected, *count));
        }
        let plain = append(parts);
        let append = match key {
            Some(key) => with_key(plain, &format!("key-{key}"), *key),
            None => plain,
        };
        if key.is_some_and(|key| self.keys.contains(&key)) {
            return (append, Outcome::Repeated);
        }
        if conflict {
            return (append, Outcome::Conflict);
        }
        self.keys.extend(key);
        for (stream, (_, count)) in streams {
            *self.versions.entry(*stream).or_default() += i64::try_from(*count).expect("a count");
        }
        (append, Outcome::Appended)
    }
}

async fn agrees_with_the_model(bursts: Vec<Vec<Plan>>) {
    let on = Fixture::sqlite().await;
    let mut model = Model::default();
    for burst in bursts {
        let (appends, expected): (Vec<_>, Vec<_>) =
            burst.iter().map(|plan| model.carry_out(plan)).unzip();
        let outcomes = on.at_once(appends).await.into_iter().map(|result| match result {
            Ok(_) => Outcome::Appended,
            Err(AppendError::Conflict) => Outcome::Conflict,
            Err(AppendError::Repeated(_)) => Outcome::Repeated,
            Err(error) => panic!("{error:?}"),
        });
        assert_eq!(outcomes.collect::<Vec<_>>(), expected);
    }
    let events = on.all().await;
    assert_eq!(positions(&events), (1..).take(events.len()).collect::<Vec<_>>());
    for (stream, version) in &model.versions {
        let name = name(*stream);
        let places: Vec<_> =
            places(&events).into_iter().filter(|(stream, _)| *stream == name.as_str()).collect();
        let expected: Vec<_> = (1..=*version).map(|version| (name.as_str(), version)).collect();
        assert_eq!(places, expected);
    }
    assert_eq!(
        events.len(),
        usize::try_from(model.versions.values().sum::<i64>()).expect("a count")
    );
}

#[test]
fn whatever_is_appended_at_once_ends_as_if_it_had_come_one_by_one() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let config = ProptestConfig { cases: 40, failure_persistence: None, ..Default::default() };
    let result = TestRunner::new(config).run(&plans(), |bursts| {
        runtime.block_on(agrees_with_the_model(bursts));
        Ok(())
    });
    result.expect("the log and the model agree");
}
