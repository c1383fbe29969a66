//! The OpenAPI document, joined from the parts of the services, which do not know each other.

use std::sync::LazyLock;

use axum::body::Bytes;
use serde_json::{Map, Value, json};

const ABOUT: &str = "\
A news portal: commands are appended to a log of facts, and what readers get follows from it within \
milliseconds.

- Every 4xx and 5xx is `application/problem+json` (RFC 9457). Decide on its `type`.
- Every command answers `Portal-Position`. A query that names it as `Portal-Min-Position` sees what \
  the command did, or says 503 `/problems/view-behind`.
- `ETag` is the version. To change something, send it as `If-Match`.
- A command that got no answer is repeated with the same `Idempotency-Key`.
- Lists are pages: `next` goes into `after`.
- `X-Request-Id` and `traceparent` are taken from the request, and told in our log.

docs/recipes.md has each as a command.";

/// The document of the whole API, built on first use.
pub(crate) fn document() -> Bytes {
    static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| whole().to_string().into());
    DOCUMENT.clone()
}

fn whole() -> Value {
    let parts =
        [orchestrator::openapi(), command_stack::http::openapi(), proto::openapi::components()];
    parts.into_iter().fold(
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Portal",
                "version": env!("CARGO_PKG_VERSION"),
                "description": ABOUT,
                "license": {"name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE")},
            },
            "servers": [{"url": "/"}],
        }),
        join,
    )
}

/// Joins objects recursively; for other values, `part` wins.
fn join(whole: Value, part: Value) -> Value {
    match (whole, part) {
        (Value::Object(mut whole), Value::Object(part)) => {
            for (name, value) in part {
                let before = whole.remove(&name).unwrap_or_else(|| Value::Object(Map::new()));
                whole.insert(name, join(before, value));
            }
            Value::Object(whole)
        }
        (_, part) => part,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_joined_loses_nothing() {
        let whole = json!({"a": {"get": 1, "both": [1]}, "b": 2});
        let part = json!({"a": {"put": 3, "both": [1]}, "c": {"d": 4}});
        let joined = json!({"a": {"get": 1, "put": 3, "both": [1]}, "b": 2, "c": {"d": 4}});
        assert_eq!(join(whole, part), joined);
    }

    #[test]
    fn a_schema_of_one_name_is_the_same_wherever_it_is_told() {
        let (queries, commands) = (orchestrator::openapi(), command_stack::http::openapi());
        let schemas = |part: &Value| part["components"]["schemas"].clone();
        let (queries, commands) = (schemas(&queries), schemas(&commands));
        let mut shared = 0;
        for (name, schema) in commands.as_object().expect("schemas") {
            if let Some(other) = queries.get(name) {
                assert_eq!(other, schema, "{name}");
                shared += 1;
            }
        }
        assert!(shared >= 2, "an article and a user");
    }
}
