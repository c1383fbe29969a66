//! Readings produce the same profile in any order and in any batches.

use events::UserId;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

#[expect(clippy::cast_possible_truncation, reason = "a whole number")]
const WEEK: i64 = HALF_LIFE as i64;

fn reading(article: u128, tags: &[&str], at: i64) -> Reading {
    let tags: Vec<_> = tags.iter().map(|tag| (*tag).to_owned()).collect();
    let (user, article) = (UserId(Uuid::nil()), ArticleId(Uuid::from_u128(article)));
    let category = "sports".parse().expect("a category");
    Reading::new(user, article, category, &tags, Timestamp::from_millis(at))
}

fn profile(readings: &[Reading]) -> Profile {
    Profile::default().with(readings)
}

fn weights(profile: &Profile, at: i64) -> Vec<(&str, f64)> {
    profile.labels_at(Timestamp::from_millis(at))
}

#[test]
fn a_reading_counts_half_after_a_week() {
    let profile = profile(&[reading(1, &["final"], 0), reading(2, &[], WEEK)]);
    assert_eq!(weights(&profile, WEEK), [("sports", 1.5), ("final", 0.5)]);
    assert_eq!(weights(&profile, 2 * WEEK), [("sports", 0.75), ("final", 0.25)]);
}

#[test]
fn labels_of_the_same_weight_are_in_the_order_of_their_names() {
    let profile = profile(&[reading(1, &["b", "a"], 0)]);
    let names: Vec<_> = weights(&profile, 0).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a", "b", "sports"]);
}

#[test]
fn an_article_is_read_once_however_often_and_the_last_time_counts() {
    let again = [reading(1, &[], 1), reading(2, &[], 2), reading(1, &[], 3)];
    let read: Vec<_> = profile(&again).read.iter().map(|read| read.article_id.0).collect();
    assert_eq!(read, [1, 2].map(Uuid::from_u128));
}

#[test]
fn a_profile_has_an_end_and_keeps_what_is_heavy_and_new() {
    let of_article = |number: i64| {
        reading(number.unsigned_abs().into(), &[&format!("label {number}")], number * 3_600_000)
    };
    let readings: Vec<_> = (0..1_000).map(of_article).collect();
    let profile = profile(&readings);
    assert_eq!((profile.labels.len(), profile.read.len()), (LABELS, READ));
    assert_eq!(profile.read[0].article_id.0, Uuid::from_u128(999));
    let kept = weights(&profile, 1_000 * 3_600_000);
    assert_eq!((kept[0].0, kept[1].0), ("sports", "label 999"));
    assert!(kept.iter().any(|(name, _)| *name == "label 801"));
}

#[test]
fn what_was_forgotten_is_not_taken_when_it_comes_late() {
    let forgotten_until = Some(Timestamp::from_millis(5));
    let reader = Reader { forgotten_until, ..Reader::default() };
    let takes = [5, 5 + SKEW, 6 + SKEW].map(|at| reader.takes(&reading(1, &[], at)));
    assert_eq!(takes, [false, false, true]);
    assert!(Reader::default().takes(&reading(1, &[], 0)));
}

fn readings() -> impl Strategy<Value = Vec<Reading>> {
    let tags = prop::sample::subsequence(vec!["a", "b", "c", "d"], 0..4);
    let any = (0_u128..20, tags, 0..10 * WEEK);
    prop::collection::vec(any.prop_map(|(article, tags, at)| reading(article, &tags, at)), 1..40)
}

proptest! {
    #[test]
    fn the_order_and_the_batches_do_not_matter(
        (readings, shuffled) in readings().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        cut in 0_usize..40,
    ) {
        let one = profile(&readings);
        let (first, second) = shuffled.split_at(cut.min(shuffled.len()));
        let other = profile(first).with(second);
        prop_assert_eq!(&one.read, &other.read);
        let now = 11 * WEEK;
        let sorted = |profile| {
            let mut weights: Vec<(&str, f64)> = weights(profile, now);
            weights.sort_unstable_by(|a, b| a.0.cmp(b.0));
            weights
        };
        let (one, other) = (sorted(&one), sorted(&other));
        prop_assert_eq!(one.len(), other.len());
        for (one, other) in one.iter().zip(&other) {
            prop_assert_eq!(one.0, other.0);
            prop_assert!((one.1 - other.1).abs() < 1e-9, "{:?} {:?}", one, other);
        }
    }
}
