//! Order and reasons of recommendations.

use super::*;

fn article(number: u32, category: &str, tags: &[&str]) -> ArticleSummary {
    ArticleSummary {
        id: format!("id {number}"),
        category: category.to_owned(),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        published_at: Some(format!("2026-11-21T07:00:{number:02}.000Z")),
        ..Default::default()
    }
}

fn profile(labels: &[(&str, f64)], read: &[u32]) -> Profile {
    let label =
        |(label, weight): &(&str, f64)| Label { label: (*label).to_owned(), weight: *weight };
    Profile {
        enabled: true,
        labels: labels.iter().map(label).collect(),
        read: read.iter().map(|number| format!("id {number}")).collect(),
    }
}

fn most_read(numbers: &[u32]) -> Vec<MostRead> {
    let one = |number: &u32| MostRead { article_id: format!("id {number}"), ..Default::default() };
    numbers.iter().map(one).collect()
}

fn told(recommended: &[Recommended]) -> Vec<(&str, &str)> {
    let one = |one| {
        let Recommended { article, reason }: &Recommended = one;
        (article.id.as_str(), reason.as_str())
    };
    recommended.iter().map(one).collect()
}

#[test]
fn what_shares_the_heaviest_labels_comes_first_with_the_reason() {
    let candidates = [
        article(1, "politics", &["budget"]),
        article(2, "sports", &[]),
        article(3, "politics", &["final", "sports"]),
        article(4, "famous", &["final"]),
        article(5, "famous", &[]),
        article(6, "sports", &[]),
    ];
    let profile = profile(&[("sports", 2.0), ("final", 1.5), ("budget", 0.5)], &[6]);
    let recommended = recommend(&profile, &candidates, &most_read(&[5]), 10);
    let expected = [
        ("id 3", "you read about sports"),
        ("id 2", "you read about sports"),
        ("id 4", "you read about final"),
        ("id 1", "you read about budget"),
    ];
    assert_eq!(told(&recommended), expected);
    assert_eq!(told(&recommend(&profile, &candidates, &[], 2)), expected[..2]);
}

#[test]
fn of_the_same_score_the_newest_comes_first() {
    let candidates =
        [article(1, "sports", &[]), article(3, "sports", &[]), article(2, "sports", &[])];
    let recommended = recommend(&profile(&[("sports", 1.0)], &[]), &candidates, &[], 10);
    let ids: Vec<_> = told(&recommended).into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, ["id 3", "id 2", "id 1"]);
}

#[test]
fn a_label_that_is_category_and_tag_counts_once() {
    let candidates = [article(1, "sports", &["sports"]), article(2, "sports", &["a"])];
    let profile = profile(&[("sports", 1.0), ("a", 0.1)], &[]);
    assert_eq!(told(&recommend(&profile, &candidates, &[], 10))[0].0, "id 2");
}

#[test]
fn a_new_reader_gets_what_most_have_read_and_else_what_is_new() {
    let candidates =
        [article(1, "sports", &[]), article(2, "sports", &[]), article(3, "sports", &[])];
    let nobody = Profile::default();
    let recommended = recommend(&nobody, &candidates, &most_read(&[2, 9, 1]), 10);
    assert_eq!(told(&recommended), [("id 2", "most read"), ("id 1", "most read")]);
    let new = recommend(&nobody, &candidates, &[], 2);
    assert_eq!(told(&new), [("id 3", "new"), ("id 2", "new")]);
    let has_read = profile(&[], &[2]);
    let recommended = recommend(&has_read, &candidates, &most_read(&[2, 1]), 10);
    assert_eq!(told(&recommended), [("id 1", "most read")]);
}

#[test]
fn who_has_read_everything_gets_nothing() {
    let candidates = [article(1, "sports", &[])];
    let profile = profile(&[("sports", 1.0)], &[1]);
    assert_eq!(recommend(&profile, &candidates, &most_read(&[1]), 10), []);
}
