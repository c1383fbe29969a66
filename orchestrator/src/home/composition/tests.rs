use std::sync::Arc;

use proto::v1::MostRead;

use super::*;

fn article(category: &str, id: u8, hours_ago: i64) -> Candidate {
    let published_at = Timestamp::from_millis((1_000 - hours_ago) * 3_600_000);
    let (id, category) = (id.to_string(), category.to_owned());
    let summary = ArticleSummary { id, category, ..Default::default() };
    Candidate { summary, published_at }
}

fn section(
    category: &str,
    newest: &[(u8, i64)],
    named: &[(u8, i64)],
) -> (Category, PartState<Content>) {
    let all = |articles: &[(u8, i64)]| {
        articles.iter().map(|(id, hours)| article(category, *id, *hours)).collect()
    };
    let content = Content { newest: all(newest), named: all(named), ..Default::default() };
    let state = PartState::ok(content, Position::START, Arc::default());
    (category.parse().expect("a category"), state)
}

fn material(front: Front) -> Material {
    let sports = section("sports", &[(1, 0), (2, 1), (3, 2)], &[(9, 100)]);
    let politics = section("politics", &[(4, 0), (5, 5)], &[]);
    let sections = vec![sports, politics];
    let front = PartState::ok(front, Position::START, Arc::default());
    Material { sections, front, position: Position::START }
}

fn ids(articles: &[&ArticleSummary]) -> String {
    articles.iter().map(|article| article.id.as_str()).collect()
}

/// Breaking, sections, most read: one digit per article.
fn page(front: Front, limit: usize, for_you: &[u8]) -> String {
    let recommended = |id: &u8| {
        let (article, reason) = (article("sports", *id, 0).summary, String::new());
        Recommended { article, reason }
    };
    let for_you: Vec<_> = for_you.iter().map(recommended).collect();
    let material = material(front);
    let home = material.compose(limit, Some(&for_you), Timestamp::from_millis(0));
    let sections: Vec<_> = home.sections.iter().map(|section| ids(&section.articles)).collect();
    let breaking = home.breaking.map(|article| article.id.as_str()).unwrap_or_default();
    format!("{breaking}|{}|{}", sections.join(","), ids(&home.most_read))
}

fn most_read((id, readers): &(&str, u64)) -> MostRead {
    let (article_id, category) = ((*id).to_owned(), String::new());
    MostRead { article_id, category, readers: *readers }
}

fn front(pinned: &[(&str, &[&str])], breaking: Option<&str>, read: &[(&str, u64)]) -> Front {
    let owned = |ids: &&[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    Front {
        pinned: pinned.iter().map(|(name, ids)| ((*name).to_owned(), owned(ids))).collect(),
        breaking: breaking.map(str::to_owned),
        most_read: read.iter().map(most_read).collect(),
    }
}

#[test]
fn the_newest_come_first_and_a_section_has_no_more_than_was_asked_for() {
    assert_eq!(page(Front::default(), 10, &[]), "|1239,45|");
    assert_eq!(page(Front::default(), 2, &[]), "|12,45|");
}

#[test]
fn what_is_pinned_stands_where_the_editors_put_it_however_old_it_is() {
    let pinned = front(&[("sports", &["9", "3", "404", "4"])], None, &[]);
    assert_eq!(page(pinned, 10, &[]), "|9312,45|", "and nothing that is not of the section");
    let pinned = front(&[("sports", &["9", "3"])], None, &[]);
    assert_eq!(page(pinned, 1, &[]), "|9,4|");
}

#[test]
fn what_is_pinned_beyond_the_end_of_a_section_may_stand_elsewhere() {
    let pinned = front(&[("sports", &["9", "3"])], None, &[("3", 1)]);
    assert_eq!(page(pinned, 1, &[]), "|9,4|3");
}

#[test]
fn many_readers_lift_an_article_over_newer_ones_and_few_do_not() {
    assert_eq!(page(front(&[], None, &[("5", 1)]), 10, &[]), "|1239,45|", "3 hours for one");
    assert_eq!(page(front(&[], None, &[("5", 3)]), 10, &[]), "|1239,54|", "6 hours for three");
}

#[test]
fn no_article_is_on_the_page_twice() {
    let read = [("3", 9), ("2", 8), ("5", 7)];
    let all = front(&[("sports", &["2", "9", "2"]), ("politics", &["2"])], Some("2"), &read);
    assert_eq!(page(all, 1, &[]), "2|9,5|3", "breaking, then pinned, then by rank");
    assert_eq!(page(Front::default(), 10, &[1, 4]), "|239,5|", "for the reader before all others");
}

#[test]
fn what_is_not_there_is_left_out() {
    let gone = front(&[("sports", &["404"])], Some("404"), &[("404", 9), ("1", 1)]);
    assert_eq!(page(gone, 1, &[]), "|1,4|");
}

#[test]
fn the_same_rank_is_decided_by_the_id() {
    let sections = vec![section("sports", &[(1, 0), (3, 0), (2, 0)], &[])];
    let front = PartState::ok(Front::default(), Position::START, Arc::default());
    let position = Position::START;
    let material = Material { sections, front, position };
    let home = material.compose(3, None, Timestamp::from_millis(0));
    assert_eq!(ids(&home.sections[0].articles), "321");
    assert!(home.for_you.is_none() && !home.degraded);
}

#[test]
fn a_section_is_asked_for_what_is_its_own_and_for_the_breaking_news() {
    let pinned: [&[&str]; 2] = [&["9", "3"], &["4"]];
    let mut all = front(&[("sports", pinned[0]), ("politics", pinned[1])], Some("7"), &[("5", 1)]);
    all.most_read[0].category = "politics".to_owned();
    let named = |category: &str| all.named(&category.parse().expect("a category")).join(" ");
    assert_eq!((named("sports").as_str(), named("politics").as_str()), ("3 7 9", "4 5 7"));
}
