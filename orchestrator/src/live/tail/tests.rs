use super::*;

fn event(position: i64, category: &str) -> PublicEvent {
    let (event, category) = ("article_published".to_owned(), Some(category.to_owned()));
    PublicEvent { position, event, category, ..Default::default() }
}

fn told(positions: std::ops::RangeInclusive<i64>) -> Happened {
    let position = *positions.end();
    let events = positions.map(|position| event(position, "sports")).collect();
    Happened { events, position, erased: None }
}

fn at(position: i64) -> Position {
    Position::new(position)
}

/// The ids of the frames after `from`.
fn ids(tail: &Tail, from: i64, category: Option<&str>) -> Vec<i64> {
    let Next::Frames(frames, _) = tail.after(at(from), category) else { return Vec::new() };
    let text = String::from_utf8(frames.to_vec()).expect("a text");
    let ids = text.lines().filter_map(|line| line.strip_prefix("id: "));
    ids.map(|id| id.parse().expect("a position")).collect()
}

#[test]
fn what_two_tell_is_heard_once_and_in_order() {
    let tail = Tail::new();
    let mut begun = 0;
    assert!(
        tail.begin(at(10), || begun += 1) && !tail.begin(at(12), || ()),
        "who comes later has to begin at 10"
    );
    let mut noted = Vec::new();
    for happened in [told(11..=13), told(11..=12), told(11..=14), told(11..=14)] {
        tail.hear(&happened, |new| noted.extend(new.iter().map(|event| event.position)));
    }
    assert_eq!((noted, begun), (vec![11, 12, 13, 14], 1));
    assert_eq!(ids(&tail, 10, None), [11, 12, 13, 14]);
    assert_eq!(ids(&tail, 12, None), [13, 14]);
    assert_eq!(tail.after(at(14), None), Next::Nothing(at(14)));
    assert_eq!(tail.after(at(9), None), Next::Older);
}

#[test]
fn nothing_counts_before_it_is_known_where_it_begins() {
    let tail = Tail::new();
    tail.hear(&told(1..=3), |_| panic!("nobody can tell what was before"));
    assert_eq!(tail.heard(), None);
}

#[test]
fn who_follows_a_category_gets_what_concerns_it_and_learns_how_far_it_is() {
    let tail = Tail::new();
    tail.begin(at(0), || ());
    let moved = PublicEvent { from: Some("sports".to_owned()), ..event(2, "politics") };
    let breaking = PublicEvent { category: None, ..event(3, "") };
    let events = vec![event(1, "politics"), moved, breaking, event(4, "politics")];
    tail.hear(&Happened { events, position: 9, erased: None }, |_| {});
    assert_eq!(ids(&tail, 0, Some("sports")), [2, 3]);
    assert_eq!(ids(&tail, 0, Some("politics")), [1, 2, 3, 4]);
    assert_eq!(tail.after(at(3), Some("sports")), Next::Nothing(at(9)));
}

#[test]
fn the_oldest_are_forgotten_and_that_is_said() {
    let tail = Tail::new();
    tail.begin(at(0), || ());
    let many = i64::try_from(KEPT).expect("few") + 5;
    tail.hear(&told(1..=many), |_| {});
    assert_eq!(tail.after(at(4), None), Next::Older);
    assert_eq!(ids(&tail, 5, None).first(), Some(&6), "without a gap");
    let Next::Frames(frames, to) = tail.after(at(5), None) else { panic!("frames") };
    assert!(frames.len() <= CHUNK && to < at(many), "a part at a time");
    assert_eq!(ids(&tail, to.get(), None).first(), Some(&(to.get() + 1)));
}
