//! Whatever stands in an address, the door answers it or says what is wrong with it: cursors above
//! all, which come back from clients and go down to the view stores. What once failed is kept
//! beside this file. Longer runs: `scripts/fuzz`.

use crate::support::Portal;
use crate::support::http::Door;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{FileFailurePersistence, TestCaseResult, TestRunner};
use tokio::runtime::Handle;

journeys! {
    both {
        hostile_addresses_get_an_answer
    }
}

const PARAMETERS: [&str; 12] = [
    "after", "limit", "tag", "author", "status", "category", "version", "as_of", "q", "byline",
    "from", "to",
];

/// A time and an id, as a cursor holds them, from every corner of what can be written.
fn place() -> impl Strategy<Value = String> {
    let times = [
        "2026-11-21T07:00:00.000Z",
        "0000-01-01T00:00:00Z",
        "-262143-01-01T00:00:00Z",
        "+262142-12-31T23:59:59.999Z",
        "9999-12-31T23:59:60.999999999+23:59",
        "1969-12-31T23:59:59.9999Z",
        "",
    ];
    let ids = [
        "01940000-0000-7000-8000-000000000002",
        "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
        "{01940000-0000-7000-8000-000000000002}",
        "urn:uuid:01940000-0000-7000-8000-000000000002",
        "01940000000070008000000000000002",
        " ",
        "",
    ];
    let relevances = ["", " 1", " 3", " 0", " 4294967296", "  "];
    (select(times.to_vec()), select(ids.to_vec()), "[ \\PC]{0,3}", select(relevances.to_vec()))
        .prop_map(|(time, id, between, relevance)| format!("{time} {between}{id}{relevance}"))
}

fn cursor() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => place().prop_map(|place| URL_SAFE_NO_PAD.encode(place)),
        1 => any::<Vec<u8>>().prop_map(|bytes| URL_SAFE_NO_PAD.encode(bytes)),
    ]
}

/// What means something to one of the stores, were it not all taken as words.
fn question() -> impl Strategy<Value = String> {
    let parts = [
        "One", "two", "*", "\"", "'", "-", "^", "+", "(", ")", "{", "}", ":", "$", "NEAR(", " OR ",
        " AND ", " NOT ", "title :", "content:", "\0", "\\", ";--", "ß", "é", "\u{301}", "日本",
        "/",
    ];
    prop::collection::vec(select(parts.to_vec()), 1..8).prop_map(|parts| parts.concat())
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => question(),
        4 => cursor(),
        1 => place(),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => "\\PC{0,40}",
        1 => select(vec!["draft", "published", "sports", "%00", "%ff%fe", "&", "=="])
            .prop_map(str::to_owned),
    ]
}

fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'%' | b'&' | b'=' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02x}"),
        })
        .collect()
}

fn address() -> impl Strategy<Value = String> {
    let paths = [
        "/v1/news",
        "/v1/news/sports",
        "/v1/users",
        "/v1/home",
        "/v1/news/sports/01940000-0000-7000-8000-000000000002",
        "/v1/news/sports/01940000-0000-7000-8000-000000000002/history",
    ];
    let parameter = prop_oneof![3 => Just("after"), 2 => select(PARAMETERS.to_vec())];
    let pair = prop_oneof![
        3 => (parameter, value()),
        1 => (Just("q"), question()),
    ];
    let query = prop::collection::vec(pair, 1..3);
    (select(paths.to_vec()), query).prop_map(|(path, query)| {
        let query: Vec<_> =
            query.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        format!("{path}?{}", query.join("&"))
    })
}

async fn is_answered(door: &Door, address: &str) -> TestCaseResult {
    let answer = door.get(address).await;
    prop_assert!(matches!(answer.status, 200 | 400 | 403 | 404 | 422), "{}", answer.body);
    if answer.status != 200 {
        prop_assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    Ok(())
}

async fn hostile_addresses_get_an_answer(portal: Portal) {
    for title in ["One", "Two"] {
        portal.publish("sports", title).await;
    }
    let (door, runtime) = (portal.with_role("admin"), Handle::current());
    let checking = tokio::task::spawn_blocking(move || {
        let kept = FileFailurePersistence::WithSource("regressions");
        let config = ProptestConfig {
            failure_persistence: Some(Box::new(kept)),
            source_file: Some(file!()),
            ..ProptestConfig::default()
        };
        let ask = |address: String| runtime.block_on(is_answered(&door, &address));
        TestRunner::new(config).run(&address(), ask)
    });
    checking.await.expect("no panic").unwrap_or_else(|error| panic!("{error}"));
}
