//! Which parts of an article's history each viewer may read.

use super::*;

fn public(events: Vec<NewsEvent>, category: &Category) -> Access {
    access(&stream(events), category, None, at(0)).expect("an access")
}

fn staff(events: Vec<NewsEvent>, category: &Category, viewer: Viewer) -> Access {
    access(&stream(events), category, Some(viewer), at(0)).expect("an access")
}

fn author() -> Viewer {
    Viewer { user_id: ada(), editor: false }
}

fn another() -> Viewer {
    Viewer { user_id: UserId(Uuid::from_u128(2)), editor: false }
}

fn editor() -> Viewer {
    Viewer { editor: true, ..another() }
}

#[test]
fn the_public_gets_the_past_of_what_it_can_read_now() {
    assert_eq!(public(vec![], &sports()), Access::Nothing);
    assert_eq!(public(vec![drafted()], &sports()), Access::Nothing);
    assert_eq!(public(vec![drafted(), published()], &sports()), Access::SincePublication);
    assert_eq!(public(vec![published()], &politics()), Access::Nothing);
    let retraction = Retraction { at: at(2), reason: "Untrue.".to_owned() };
    let told = Access::Retracted(retraction);
    assert_eq!(public(vec![published(), retracted()], &sports()), told);
    let archived = NewsEvent::Archived(ArticleArchived { category: sports() });
    assert_eq!(public(vec![published(), retracted(), archived], &sports()), told);
    let [out, into] = moved(Some(at(1)));
    let events = vec![published(), out, into];
    assert_eq!(public(events.clone(), &sports()), Access::Moved(politics()));
    assert_eq!(public(events, &politics()), Access::SincePublication);
    let [out, into] = moved(None);
    let events = vec![drafted(), out, into];
    assert_eq!(public(events.clone(), &sports()), Access::Nothing);
    assert_eq!(public(events, &politics()), Access::Nothing);
}

#[test]
fn the_newsroom_gets_all_of_what_it_may_see() {
    for viewer in [author(), editor()] {
        assert_eq!(staff(vec![drafted()], &sports(), viewer), Access::All);
        assert_eq!(staff(vec![published(), retracted()], &sports(), viewer), Access::All);
        let [out, into] = moved(None);
        let events = vec![drafted(), out, into];
        assert_eq!(staff(events.clone(), &sports(), viewer), Access::Moved(politics()));
        assert_eq!(staff(events, &politics(), viewer), Access::All);
    }
    assert_eq!(staff(vec![drafted()], &sports(), another()), Access::Nothing);
    let [out, into] = moved(None);
    assert_eq!(staff(vec![drafted(), out, into], &sports(), another()), Access::Nothing);
    assert_eq!(staff(vec![published()], &sports(), another()), Access::All);
    let until = NewsEvent::Embargoed(ArticleEmbargoed { category: sports(), until: Some(at(9)) });
    assert_eq!(staff(vec![drafted(), until], &sports(), another()), Access::All);
}
