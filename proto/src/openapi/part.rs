//! Builds the OpenAPI paths and schemas of calls.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::{Map, Value, json};

use super::{Answer, Call, Who, shared};

/// The part of the OpenAPI document that describes the calls of one service.
pub struct Part {
    /// Separate generators for responses (`written`) and requests (`read`).
    /// A field that every response has may be optional in a request.
    written: SchemaGenerator,
    read: SchemaGenerator,
    paths: Map<String, Value>,
}

impl Default for Part {
    fn default() -> Self {
        let at = |settings: SchemaSettings| {
            let settings = settings.with(|to| to.definitions_path = "/components/schemas".into());
            settings.with_transform(RecursiveTransform(shared::plain_enum)).into_generator()
        };
        Self {
            written: at(SchemaSettings::draft2020_12().for_serialize()),
            read: at(SchemaSettings::draft2020_12().for_deserialize()),
            paths: Map::new(),
        }
    }
}

impl Part {
    /// Adds calls under a tag.
    #[must_use]
    pub fn with(mut self, tag: &str, calls: impl IntoIterator<Item = Call>) -> Self {
        for call in calls {
            let (path, method) = (call.path, call.method);
            let operation = self.operation(tag, call);
            let methods = self.paths.entry(path).or_insert_with(|| json!({}));
            methods[method] = operation;
        }
        self
    }

    /// `{"paths": …, "components": {"schemas": …}}`
    #[must_use]
    pub fn finish(mut self) -> Value {
        let mut schemas = self.read.take_definitions(true);
        schemas.extend(self.written.take_definitions(true));
        json!({"paths": self.paths, "components": {"schemas": schemas}})
    }

    fn operation(&mut self, tag: &str, call: Call) -> Value {
        let mut operation = json!({
            "operationId": call.name,
            "summary": call.summary,
            "tags": [tag],
            "parameters": self.parameters(&call),
            "responses": self.responses(&call),
            "security": security(call.who),
        });
        if let Some((describe, required)) = call.body {
            let schema = describe(&mut self.read);
            let content = json!({"application/json": {"schema": schema}});
            operation["requestBody"] = json!({"required": required, "content": content});
        }
        operation
    }

    fn parameters(&mut self, call: &Call) -> Vec<Value> {
        let names = call.path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
        let in_path = names.map(|name| shared::path_parameter(call.path, name));
        let mut parameters: Vec<_> = in_path.collect();
        if let Some((describe, known)) = call.query {
            let schema = describe(&mut self.read).to_value();
            parameters.extend(shared::query_parameters(&self.named(schema), known));
        }
        let shared = |name: &&str| json!({"$ref": format!("#/components/parameters/{name}")});
        parameters.extend(call.headers.iter().map(shared));
        parameters
    }

    /// Moves a parameter type out of the schemas: the document contains only its fields.
    fn named(&mut self, schema: Value) -> Value {
        let name = schema["$ref"].as_str().and_then(|to| to.rsplit('/').next());
        let found = name.and_then(|name| self.read.definitions_mut().remove(name));
        found.unwrap_or(schema)
    }

    fn responses(&mut self, call: &Call) -> Map<String, Value> {
        let own = call.answers.iter().map(|answer| {
            let is_problem = answer.status >= 400 && answer.content.is_none();
            let response = if is_problem {
                shared::refusal(answer.status, answer.description)
            } else {
                self.answer(answer)
            };
            (answer.status.to_string(), response)
        });
        let mut responses = Map::new();
        for (status, mut response) in own {
            let other = responses.remove(&status).map(|mut other: Value| other["content"].take());
            // The same response in another media type.
            if let Some(Value::Object(forms)) = other {
                forms.into_iter().for_each(|(form, schema)| response["content"][form] = schema);
            }
            responses.insert(status, response);
        }
        for status in &call.problems {
            let response = json!({"$ref": format!("#/components/responses/Problem{status}")});
            responses.entry(status.to_string()).or_insert(response);
        }
        let names = call.links.iter().copied();
        let links: Map<_, _> = names.map(|name| (name.to_owned(), shared::link(name))).collect();
        for status in ["200", "201"] {
            if let Some(response) = responses.get_mut(status)
                && !links.is_empty()
            {
                response["links"] = json!(links);
            }
        }
        responses
    }

    fn answer(&mut self, answer: &Answer) -> Value {
        let names = answer.headers.iter().copied().chain(["X-Request-Id"]);
        let mut response = json!({
            "description": answer.description,
            "headers": shared::headers(names),
        });
        if let Some((media_type, describe)) = answer.content {
            let schema = describe(&mut self.written);
            response["content"] = json!({media_type: {"schema": schema}});
        }
        response
    }
}

/// Alternatives: one satisfied requirement is enough.
fn security(who: Who) -> Vec<Value> {
    match who {
        Who::Anyone => vec![],
        Who::SignedInOrNot => vec![json!({}), json!({"bearer": []})],
        Who::SignedIn([]) => vec![json!({"bearer": []})],
        Who::SignedIn(roles) => roles.iter().map(|role| json!({"bearer": [role]})).collect(),
    }
}
