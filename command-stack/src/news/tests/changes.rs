//! Texts, retractions, archive and moves.

use events::news::Tags;

use super::*;
use ArticleStatus::{Archived, Draft, Published, Retracted, Scheduled};

#[test]
fn nothing_can_be_changed_that_is_not_there_or_is_elsewhere() {
    for change in one_of_each() {
        assert_eq!(given(&[]).when(change.clone()), Err(NewsError::NotFound));
        for status in ArticleStatus::ALL {
            let (article, change) = (given_status(status).0, change.clone());
            let elsewhere = NewsCommand::Change { category: category("politics"), change };
            let decided = Article::decide(article.as_ref(), &elsewhere, at(NOW));
            assert_eq!(decided, Err(NewsError::NotFound));
        }
    }
}

#[test]
fn an_unpublished_article_is_revised_and_needs_no_note() {
    for status in [Draft, Scheduled] {
        let article = given_status(status);
        assert_eq!(article.when(new_text("B", None)), Ok(vec![revised("B")]));
        assert_eq!(article.when(new_text("B", Some("Typo."))), Ok(vec![revised("B")]));
    }
}

#[test]
fn a_published_article_is_corrected_and_the_readers_are_told_why() {
    let article = given_status(Published);
    assert_eq!(article.when(new_text("B", Some("Typo."))), Ok(vec![corrected("B", "Typo.")]));
    assert_eq!(article.when(new_text("B", None)), Err(NewsError::MissingNote));
}

#[test]
fn the_same_text_again_changes_nothing_and_needs_no_note() {
    for status in [Draft, Scheduled, Published] {
        for note in [None, Some("Note.")] {
            assert_eq!(given_status(status).when(new_text("A", note)), Ok(vec![]));
        }
    }
}

#[test]
fn a_byline_a_tag_or_a_summary_is_a_part_of_the_text() {
    let byline = Some(events::personal::PersonalText::Plain("Agency".to_owned()));
    let tag = "Cup".parse().expect("a tag");
    let changed = [
        WrittenText { byline, ..text("A") },
        WrittenText { tags: Tags::try_from(vec![tag]).expect("tags"), ..text("A") },
        WrittenText { summary: "Short.".parse().expect("a summary"), ..text("A") },
    ];
    for text in changed {
        let change = Change::Text { text: text.clone(), correction_note: None };
        let follows = NewsEvent::Revised(ArticleRevised { category: sports(), text: text.into() });
        assert_eq!(given_status(Draft).when(change), Ok(vec![follows]));
    }
}

#[test]
fn only_a_published_article_is_retracted() {
    assert_eq!(given_status(Published).when(retract()), Ok(vec![retracted()]));
    for status in [Draft, Scheduled, Retracted, Archived] {
        assert_eq!(given_status(status).when(retract()), refused(status, "retracted"));
    }
}

#[test]
fn a_draft_or_a_retracted_article_is_archived_and_no_other() {
    for status in [Draft, Retracted] {
        assert_eq!(given_status(status).when(Change::Archive), Ok(vec![archived()]));
    }
    for status in [Scheduled, Published, Archived] {
        assert_eq!(given_status(status).when(Change::Archive), refused(status, "archived"));
    }
}

#[test]
fn a_retracted_article_can_only_be_archived() {
    let article = given_status(Retracted);
    for change in one_of_each() {
        match change {
            Change::Archive => assert_eq!(article.when(change), Ok(vec![archived()])),
            Change::PublishDue { .. } => assert_eq!(article.when_at(PLAN, change), Ok(vec![])),
            change => {
                let command = change.participle();
                assert_eq!(article.when(change), refused(Retracted, command));
            }
        }
    }
}

#[test]
fn nothing_leads_out_of_the_archive() {
    let once_published = [events_to(Retracted), vec![archived()]].concat();
    for article in [given_status(Archived), given(&once_published)] {
        for change in one_of_each() {
            let command = change.participle();
            match change {
                Change::PublishDue { .. } => assert_eq!(article.when_at(PLAN, change), Ok(vec![])),
                change => assert_eq!(article.when(change), refused(Archived, command)),
            }
        }
    }
    let same_text = given_status(Archived).when(new_text("A", None));
    assert_eq!(same_text, refused(Archived, "changed"), "not even to what it is");
}

#[test]
fn a_move_leaves_one_category_and_takes_the_whole_article_to_another() {
    let correction = corrected("B", "Typo.");
    let before = given(&[drafted(), published("A", None), correction]);
    let decided = before.when(move_to("politics")).expect("a move");
    let out = ArticleMovedOut { category: sports(), to: category("politics") };
    let [moved_out, NewsEvent::MovedIn(moved_in)] = &decided[..] else { panic!("{decided:?}") };
    assert_eq!(*moved_out, NewsEvent::MovedOut(out));

    let before = before.0.expect("an article");
    let stamp = Stamp { id: Uuid::nil(), version: Version::new(5), at: at(5) };
    let event = NewsEvent::MovedIn(moved_in.clone());
    let after = Article::evolve(None, event, stamp).expect("a beginning for a view");
    let expected = Article {
        category: category("politics"),
        version: stamp.version,
        updated_at: at(5),
        ..before
    };
    assert_eq!(after, expected);
}

#[test]
fn a_plan_and_an_embargo_move_along_and_the_plan_is_kept_there() {
    let events = [drafted(), embargoed(Some(PLAN)), scheduled(PLAN)];
    let moved = given(&events).when(move_to("politics")).expect("a move");
    let article = given(&[&events[..], &moved].concat()).0.expect("an article");
    assert_eq!((article.status, article.moved_to.clone()), (Scheduled, None));
    assert_eq!((article.publish_at, article.embargo_until), (Some(at(PLAN)), Some(at(PLAN))));
    let there = NewsCommand::Change { category: category("politics"), change: due(PLAN) };
    let decided = Article::decide(Some(&article), &there, at(PLAN)).expect("a publication");
    let [NewsEvent::Published(event)] = &decided[..] else { panic!("{decided:?}") };
    assert_eq!((event.category.as_str(), event.drafted_at), ("politics", Some(at(1))));
}

#[test]
fn a_move_to_where_it_is_changes_nothing() {
    for status in [Draft, Scheduled, Published] {
        assert_eq!(given_status(status).when(move_to("sports")), Ok(vec![]));
    }
}

#[test]
fn what_is_retracted_or_archived_stays_where_it_is() {
    for status in [Retracted, Archived] {
        for to in ["sports", "politics"] {
            assert_eq!(given_status(status).when(move_to(to)), refused(status, "moved"));
        }
    }
}
