//! The shared components of calls: problems, headers, parameters.

use schemars::{JsonSchema, Schema, schema_for};
use serde_json::{Map, Value, json};

use crate::FieldError;

/// Any refusal or failure (RFC 9457). Clients decide on `type`.
#[derive(JsonSchema)]
#[schemars(rename = "Problem")]
#[expect(dead_code, reason = "what `Problem` is written as")]
struct Details {
    /// The kind of problem, such as `/problems/version-conflict`.
    #[schemars(rename = "type")]
    kind: String,
    title: String,
    /// The HTTP status of the response.
    status: u16,
    /// One sentence for the reader of the client's log.
    detail: String,
    /// In `/problems/invalid-fields`: every wrong field.
    #[schemars(default)]
    errors: Option<Vec<FieldError>>,
    /// In `/problems/version-conflict`: the current version.
    #[schemars(default)]
    current_version: Option<i64>,
    /// In `/problems/illegal-transition`: the state of the article.
    #[schemars(default)]
    status_of_article: Option<String>,
    /// In `/problems/illegal-transition`: the refused command.
    #[schemars(default)]
    command: Option<String>,
    /// In `/problems/retracted`: the reason, for readers.
    #[schemars(default)]
    reason: Option<String>,
    /// In `/problems/retracted`: the time of the retraction.
    #[schemars(default)]
    retracted_at: Option<String>,
}

/// `{"components": …}` with the components that calls refer to.
#[must_use]
pub fn components() -> Value {
    let mut problem = schema_for!(Details);
    let error = problem.as_object_mut().and_then(|it| it.remove("$defs"));
    problem.remove("$schema");
    let text = problem.to_value().to_string().replace("#/$defs/", "#/components/schemas/");
    let problem: Value = serde_json::from_str(&text).unwrap_or_default();
    let field_error = error.map(|mut all| all["FieldError"].take());
    json!({"components": {
        "schemas": {"Problem": problem, "FieldError": field_error},
        "responses": responses(),
        "headers": response_headers(),
        "parameters": parameters(),
        "securitySchemes": {"bearer": {
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "The `access_token` of `POST /v1/sessions`. Where roles are listed, one \
                            of them is needed: roles add up, and none includes another.",
        }},
    }})
}

fn responses() -> Map<String, Value> {
    let all = [
        (400, "Malformed JSON, or a malformed header."),
        (401, "Not signed in, or with a token that is not valid (any more)."),
        (403, "Signed in, and not allowed to."),
        (404, "Nothing here, or nothing that is the caller's business."),
        (408, "The body took longer than 10 seconds."),
        (409, "The first request with this `Idempotency-Key` is still running."),
        (412, "Not the version of `If-Match` any more: `current_version` is."),
        (413, "The body is larger than 1 MiB."),
        (415, "The body is not `application/json`."),
        (
            422,
            "Wrong fields, each in `errors`; or an `Idempotency-Key` with another content before.",
        ),
        (428, "Needs `If-Match` with the `ETag` of what is to be changed."),
        (429, "Too many requests, or too many failed attempts."),
        (500, "A mistake of ours. The request id names it in our log."),
        (
            503,
            "Not now; `/problems/overloaded` did nothing, `/problems/view-behind` means that the \
               view has not reached `Portal-Min-Position`.",
        ),
    ];
    all.map(|(status, text)| (format!("Problem{status}"), refusal(status, text)))
        .into_iter()
        .collect()
}

pub(super) fn refusal(status: u16, description: &str) -> Value {
    let names = match status {
        401 => &["X-Request-Id", "WWW-Authenticate"][..],
        429 => &["X-Request-Id", "Retry-After", "RateLimit", "RateLimit-Policy"],
        503 => &["X-Request-Id", "Retry-After"],
        _ => &["X-Request-Id"],
    };
    let schema = json!({"$ref": "#/components/schemas/Problem"});
    json!({
        "description": description,
        "headers": headers(names.iter().copied()),
        "content": {"application/problem+json": {"schema": schema}},
    })
}

pub(super) fn headers(names: impl Iterator<Item = &'static str>) -> Map<String, Value> {
    let to = |name: &str| json!({"$ref": format!("#/components/headers/{name}")});
    names.map(|name| (name.to_owned(), to(name))).collect()
}

fn response_headers() -> Value {
    let header = |description: &str, schema: Value| json!({"description": description, "required": true, "schema": schema});
    let text = json!({"type": "string"});
    let sometimes = |description: &str| json!({"description": description, "required": false, "schema": {"type": "string"}});
    json!({
        "RateLimit": sometimes("What is left of it, and after how many seconds all of it is there again. On every answer that is counted."),
        "RateLimit-Policy": sometimes("So many requests (`q`) in so many seconds (`w`)."),
        "Link": header("`rel=\"next\"`: what comes after it.", json!({"type": "string"})),
        "X-Request-Id": header("The one that was sent, or a new one; it is in our log.", text.clone()),
        "ETag": header("Which version it is; of a page, which bytes.", json!({"type": "string", "pattern": "^\".*\"$"})),
        "Portal-Position": header("Up to where a query has to look to see this: `Portal-Min-Position`.", json!({"type": "integer", "format": "int64", "minimum": 0})),
        "Location": header("Where it is.", json!({"type": "string", "format": "uri-reference"})),
        "WWW-Authenticate": header("`Bearer`; with `error=\"invalid_token\"` a new token is needed.", text),
        "Retry-After": header("Seconds.", json!({"type": "integer", "minimum": 0})),
    })
}

fn parameters() -> Value {
    let header = |name: &str, required: bool, description: &str, schema: Value| json!({"in": "header", "name": name, "required": required, "description": description, "schema": schema});
    let position = json!({"type": "integer", "format": "int64", "minimum": 0});
    let tag = json!({"type": "string", "pattern": "^\"[0-9]{1,18}\"$"});
    json!({
        "IfMatch": header("If-Match", true, "The `ETag` of what you have seen.", tag.clone()),
        "IfMatchIfYouLike": header("If-Match", false, "Only if it still has this `ETag`.", tag),
        "IfNoneMatch": header("If-None-Match", false, "The `ETag` of what you have.", json!({"type": "string"})),
        "IdempotencyKey": header("Idempotency-Key", false, "Of your choice, a new one for each command. The same command with the same key gets the first answer again.", json!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"})),
        "PortalMinPosition": header("Portal-Min-Position", false, "The `Portal-Position` of a command that the answer must have seen; waits up to 2 seconds.", position.clone()),
        "LastEventId": header("Last-Event-ID", false, "The `id` of the last event that you have: goes on after it.", position),
    })
}

/// The schema of a path parameter; the server answers any other value with 404.
pub(super) fn path_parameter(path: &str, name: &str) -> Value {
    let (description, schema) = match name {
        "category" => (
            "See `/v1/categories`.",
            json!({"type": "string", "pattern": "^[a-z][a-z0-9-]{0,31}$"}),
        ),
        "id" if path.starts_with("/v1/news/") => {
            ("Of the article.", json!({"type": "string", "format": "uuid"}))
        }
        "id" if path.starts_with("/v1/webhooks/") => {
            ("Of the webhook.", json!({"type": "string", "format": "uuid"}))
        }
        "name" => (
            "A category or `all`, and a form: `.rss`, `.atom` or `.json`.",
            json!({"type": "string", "pattern": r"^[a-z][a-z0-9-]{0,31}\.(rss|atom|json)$"}),
        ),
        "id" => ("Of the user.", json!({"type": "string", "format": "uuid"})),
        _ => ("Its name.", json!({"type": "string", "minLength": 1})),
    };
    json!({"in": "path", "name": name, "required": true, "description": description, "schema": schema})
}

/// The fields of a parameter type as query parameters.
pub(super) fn query_parameters(schema: &Value, known: fn(&str) -> bool) -> Vec<Value> {
    let Some(properties) = schema["properties"].as_object() else { return Vec::new() };
    let parameter = |(name, schema): (&String, &Value)| {
        let mut schema = not_null(schema);
        let description = schema.as_object_mut().and_then(|it| it.remove("description"));
        let mut parameter =
            json!({"in": "query", "name": name, "required": false, "schema": schema});
        if let Some(description) = description {
            parameter["description"] = description;
        }
        parameter
    };
    properties.iter().filter(|(name, _)| known(name)).map(parameter).collect()
}

/// Removes `null` from a schema: a query parameter is absent or has a value.
fn not_null(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(types) = schema["type"].as_array().filter(|types| types.len() == 2) {
        schema["type"] = types.iter().find(|it| *it != "null").cloned().unwrap_or_default();
    }
    if let Some(all) = schema["anyOf"].as_array() {
        let other = all.iter().find(|it| it["type"] != "null").cloned().unwrap_or_default();
        let description = schema["description"].take();
        schema = other;
        if description.is_string() && !schema["$ref"].is_string() {
            schema["description"] = description;
        }
    }
    schema
}

/// Replaces a `oneOf` of documented string constants by one `enum`.
/// Client generators do not understand the `oneOf` that schemars derives from documented variants.
pub(super) fn plain_enum(schema: &mut Schema) {
    let Some(choices) = schema.get("oneOf").and_then(Value::as_array) else { return };
    let words = |choice: &Value| match (&choice["type"], &choice["const"], &choice["enum"]) {
        (Value::String(kind), word @ Value::String(_), _) if kind == "string" => {
            Some(vec![word.clone()])
        }
        (Value::String(kind), _, Value::Array(words)) if kind == "string" => Some(words.clone()),
        _ => None,
    };
    let Some(words) = choices.iter().map(words).collect::<Option<Vec<_>>>() else { return };
    let told = choices.iter().filter_map(|choice| {
        Some(format!("- `{}`: {}", choice["const"].as_str()?, choice["description"].as_str()?))
    });
    let before = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let description = [before.to_owned(), told.collect::<Vec<_>>().join("\n")].join("\n\n");
    schema.remove("oneOf");
    schema.insert("type".to_owned(), json!("string"));
    schema.insert("enum".to_owned(), json!(words.concat()));
    schema.insert("description".to_owned(), json!(description.trim()));
}

/// An OpenAPI link: the next call takes its parameters from the response with an article.
pub(super) fn link(name: &str) -> Value {
    let mut parameters = json!({
        "path.category": "$response.body#/category",
        "path.id": "$response.body#/id",
    });
    if name.starts_with("get") {
        parameters["header.Portal-Min-Position"] = json!("$response.header.Portal-Position");
    } else {
        parameters["header.If-Match"] = json!("$response.header.ETag");
    }
    json!({"operationId": name, "parameters": parameters})
}
