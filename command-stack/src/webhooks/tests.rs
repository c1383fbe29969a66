use super::*;

const TERMS: Terms = Terms {
    allow_private: false,
    retry: Duration::from_secs(5),
    give_up: Duration::from_hours(72),
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + seconds * 1_000)
}

pub(super) fn webhook() -> Webhook {
    Webhook {
        id: Uuid::now_v7(),
        url: "https://example.org/hook".to_owned(),
        categories: Vec::new(),
        types: Vec::new(),
        secret: Secret::generate().expect("randomness"),
        former_secret: None,
        rotated_by: None,
        created_at: at(0),
        fingerprint: None,
        position: Position::new(10),
        redelivery: None,
        failing: None,
        disabled: None,
        deliveries: 0,
        revision: 0,
    }
}

pub(super) fn delivery(number: i64, position: i64, status: Option<u16>, now: i64) -> Delivery {
    Delivery {
        number,
        event_id: "an-id".to_owned(),
        event_type: "news.article_published".to_owned(),
        position: Position::new(position),
        redelivery: false,
        at: at(now),
        took_ms: 3,
        status,
        error: None,
    }
}

#[test]
fn what_has_arrived_moves_it_on_and_what_has_not_does_not() {
    let failed = webhook().tried(&delivery(1, 12, Some(500), 0), &TERMS);
    assert_eq!(failed.position, Position::new(10));
    assert_eq!(failed.pause(at(1)), Some(Duration::from_secs(4)));
    assert_eq!(failed.pause(at(5)), None);
    let arrived = failed.tried(&delivery(2, 12, Some(202), 5), &TERMS);
    assert_eq!((arrived.position, arrived.failing), (Position::new(12), None));
}

#[test]
fn the_pauses_grow_up_to_hours_until_after_three_days_it_is_disabled() {
    let (mut webhook, mut now, mut pauses) = (webhook(), 0, Vec::new());
    while webhook.disabled.is_none() {
        webhook = webhook.tried(&delivery(1, 12, None, now), &TERMS);
        let pause = webhook.pause(at(now)).expect("a pause").as_secs();
        pauses.push(pause);
        now += i64::try_from(pause).expect("seconds");
    }
    assert_eq!(pauses[..8], [5, 20, 80, 320, 1_280, 5_120, 14_400, 14_400]);
    let days = (now - 14_400) / 86_400;
    assert_eq!(days, 3, "{pauses:?}");
    // Enabling starts the time until disabling anew.
    let enabled = webhook.enabled().tried(&delivery(1, 12, None, now), &TERMS);
    assert!(enabled.disabled.is_none());
}

#[test]
fn who_says_that_it_is_gone_is_believed_at_once() {
    let gone = webhook().tried(&delivery(1, 12, Some(410), 0), &TERMS);
    assert!(gone.disabled.is_some());
    assert_eq!(gone.position, Position::new(10), "and gets it when enabled again");
}

#[test]
fn what_is_sent_once_more_does_not_move_what_comes_next() {
    let range = Range { after: Position::new(3), until: Position::new(8) };
    let again = Webhook { redelivery: Some(range), ..webhook() };
    assert_eq!(again.next(), range);
    let further = again.tried(&delivery(1, 5, Some(204), 0), &TERMS);
    assert_eq!(further.next(), Range { after: Position::new(5), ..range });
    let done = further.past(Position::new(8));
    assert_eq!(done.next(), Range { after: Position::new(10), until: Position::END });
}

#[test]
fn it_wants_what_happens_in_its_categories_and_what_concerns_all() {
    let of = |category: &str, from: Option<&str>| PublicEvent {
        event: "article_moved_in".to_owned(),
        category: Some(category.to_owned()),
        from: from.map(str::to_owned),
        ..Default::default()
    };
    let breaking = PublicEvent { event: "front_breaking_set".to_owned(), ..Default::default() };
    let sports = Webhook { categories: vec!["sports".parse().expect("one")], ..webhook() };
    assert!(sports.wants(&of("sports", None)) && sports.wants(&of("politics", Some("sports"))));
    assert!(!sports.wants(&of("politics", None)) && sports.wants(&breaking));
    let moves = Webhook { types: vec!["news.article_moved_in".to_owned()], ..webhook() };
    assert!(moves.wants(&of("politics", None)) && !moves.wants(&breaking));
}

#[test]
fn a_signature_is_that_of_the_example_of_standard_webhooks() {
    let secret: Secret =
        serde_json::from_str("\"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"").expect("a secret");
    let signature = secret.sign(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        Timestamp::from_millis(1_614_265_330_000),
        br#"{"test": 2432232314}"#,
    );
    assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    assert_eq!(secret.shown(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
}
