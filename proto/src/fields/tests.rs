use events::news::{Note, Tags, Title};
use events::{ArticleId, Position, Role, Timestamp};

use super::*;

/// Reads every kind of field.
fn everything(fields: &mut Fields<'_>) -> Result<(Title, Tags, Option<Timestamp>), Wrong> {
    let title = fields.required("title");
    let tags = fields.optional_list("tags");
    let roles = fields.optional_list::<Role, 4>("roles");
    let at = fields.nullable("at");
    let on = fields.optional::<bool>("on");
    let after = fields.optional::<Position>("after");
    let id = fields.optional::<ArticleId>("id");
    let _others = (roles?, on?, after?, id?);
    Ok((title?, tags?.unwrap_or_default(), at?))
}

fn errors(json: &str) -> Vec<(String, String)> {
    match body(json.as_bytes(), everything) {
        Ok(_) => Vec::new(),
        Err(Refused::NotJson(why)) => panic!("{json}: {why:?}"),
        Err(Refused::Invalid(errors)) => {
            errors.into_iter().map(|error| (error.pointer, error.detail)).collect()
        }
    }
}

/// The errors as pairs of texts.
fn are(json: &str, expected: &[(&str, &str)]) {
    let expected: Vec<_> =
        expected.iter().map(|(at, why)| ((*at).to_owned(), (*why).to_owned())).collect();
    assert_eq!(errors(json), expected, "{json}");
}

#[test]
fn a_right_body_is_read() {
    let json = r#" {"title": "A \"b\"", "tags": ["x"], "at": "2026-11-21T07:00:00Z", "on": true,
                    "after": 0, "roles": null} "#;
    let (title, tags, at) = body(json.as_bytes(), everything).expect("a body");
    assert_eq!((title.as_str(), tags.into_vec().len(), at.is_some()), ("A \"b\"", 1, true));
}

#[test]
fn all_wrong_fields_are_named_wrong_types_missing_and_unknown_ones_included() {
    let known = "is not a field of this body: it has title, tags, roles, at, on, after, id";
    are(
        r#"{"tags": ["a", 7, ""], "on": "yes", "after": -1, "id": "x", "a/b~": 1, "on": true}"#,
        &[
            ("/title", "is missing: must be a string of 1 to 200 characters"),
            ("/tags/1", "is a number: must be a string of 1 to 50 characters"),
            ("/tags/2", "is empty: must be a string of 1 to 50 characters"),
            (
                "/at",
                "is missing: must be a time as in RFC 3339, such as 2026-11-21T07:00:00Z, or null",
            ),
            ("/on", "is a string: must be true or false"),
            ("/after", "is not valid: must be a position in the log: a whole number from 0"),
            ("/id", "is not valid: must be the id of an article: a UUID"),
            ("/on", "is given twice"),
            ("/a~1b~0", known),
        ],
    );
    are(
        r#"{"title": null, "tags": {}, "roles": ["reader", "boss"], "at": "now", "after": 1.5}"#,
        &[
            ("/title", "is null: must be a string of 1 to 200 characters"),
            ("/tags", "is an object: must be a list, and each item a string of 1 to 50 characters"),
            ("/roles/1", "is not valid: must be one of reader, author, editor, admin"),
            (
                "/at",
                "is not valid: must be a time as in RFC 3339, such as 2026-11-21T07:00:00Z, or null",
            ),
            ("/after", "is not valid: must be a position in the log: a whole number from 0"),
        ],
    );
    are(
        r#"{"title": "\ud800", "at": null, "roles": ["reader", "reader", 1, 2, 3]}"#,
        &[
            ("/title", "has a broken escape sequence: must be a string of 1 to 200 characters"),
            ("/roles", "has too many items: must be a list of at most 4"),
        ],
    );
}

#[test]
fn only_an_object_is_a_body() {
    for json in ["[]", "[\"A\", \"B\"]", "7", "null", "\"title\"", "true"] {
        are(json, &[("", "is not an object: must be a JSON object")]);
    }
    for (json, line, column, problem) in [
        ("", 1, 0, "the JSON ends too early"),
        ("{\"title\"", 1, 8, "the JSON ends too early"),
        ("{\n title", 2, 2, "this is not JSON"),
        ("{} {}", 1, 4, "this is not JSON"),
    ] {
        let Err(Refused::NotJson(why)) = body(json.as_bytes(), everything) else {
            panic!("{json}")
        };
        assert_eq!(why, NotJson { line, column, problem }, "{json}");
    }
    assert!(matches!(body(b"{\"title\": \"\xff\"}", everything), Err(Refused::NotJson(_))));
}

#[test]
fn a_small_body_cannot_have_a_large_answer() {
    let members: Vec<_> = (0..5_000).map(|number| format!("\"{number}\":[[[{number}]]]")).collect();
    let found = errors(&format!("{{{}}}", members.join(",")));
    assert_eq!(found.len(), 100);
    assert_eq!(found[0].1, "has more than 1000 fields");
    let long = format!(r#"{{"title": "A", "at": null, "{}": 1}}"#, "x".repeat(10_000));
    assert_eq!(errors(&long)[0].0.len(), 101);
}

#[test]
fn fields_of_others_can_be_ignored() {
    let read = |fields: &mut Fields<'_>| {
        fields.ignore_others();
        fields.optional::<Note>("note")
    };
    assert!(body(br#"{"rating": 5, "rating": 6}"#, read).is_ok_and(|note| note.is_none()));
    assert!(body(br#"{"note": "A", "note": "B"}"#, read).is_err());
}

#[test]
fn every_wrong_parameter_is_named_with_what_is_allowed() {
    let read = |query: &str| {
        let uri = format!("/v1/news{query}").parse().expect("an address");
        let all = |fields: &mut Fields<'_>| {
            let limit = fields.optional::<Whole<1, 100>>("limit");
            let tag = fields.optional::<String>("tag");
            Ok((limit?.map(Whole::get), tag?))
        };
        super::query(&uri, all)
    };
    assert_eq!(read(""), Ok((None, None)));
    assert_eq!(read("?tag=a%20b&limit=100"), Ok((Some(100), Some("a b".to_owned()))));
    let expected = Problem::invalid(vec![
        FieldError::new("limit", "is not a whole number: must be a whole number from 1 to 100"),
        FieldError::new("tag", "is given twice"),
        FieldError::new("colour", "is not a parameter here: there are limit, tag"),
    ]);
    assert_eq!(read("?limit=x&tag=a&tag=b&colour=red"), Err(expected));
    for limit in ["0", "101", "-1", "4294967297"] {
        let detail = "is out of range: must be a whole number from 1 to 100";
        let expected = Problem::invalid(vec![FieldError::new("limit", detail)]);
        assert_eq!(read(&format!("?limit={limit}")), Err(expected), "{limit}");
    }
    let none = super::query(&"/?a=b".parse().expect("an address"), |_| Ok(()));
    let detail = "is not a parameter here: there are none";
    assert_eq!(none, Err(Problem::invalid(vec![FieldError::new("a", detail)])));
}
