//! Describes API calls for the OpenAPI document.
//! Each service describes its calls next to their handlers; the portal joins the descriptions.
//!
//! A call states only its specifics. This module adds what all calls share (request ids, problems
//! of bodies, tokens and preconditions), by the rules of [`crate::conventions`] and the
//! command-stack. Schemas are derived from the serde types.

mod part;
mod shared;

use std::collections::BTreeSet;

use events::Role;
use schemars::{JsonSchema, Schema, SchemaGenerator};

pub use self::part::Part;
pub use self::shared::components;

/// Who may send a call.
#[derive(Debug, Clone, Copy)]
pub enum Who {
    /// Everyone, with the same response.
    Anyone,
    /// Everyone; a signed-in caller may get more.
    SignedInOrNot,
    /// Signed-in callers only; if roles are listed, a caller needs one of them.
    SignedIn(&'static [Role]),
}

impl Who {
    /// Every signed-in user.
    pub const USERS: Self = Self::SignedIn(&[]);
    /// Admins only.
    pub const ADMINS: Self = Self::SignedIn(&[Role::Admin]);
}

type Describe = fn(&mut SchemaGenerator) -> Schema;
/// Whether an address accepts a query parameter of this name.
type Known = fn(&str) -> bool;

struct Answer {
    status: u16,
    description: &'static str,
    /// Media type and schema.
    content: Option<(&'static str, Describe)>,
    headers: Vec<&'static str>,
}

/// One method of one address.
pub struct Call {
    method: &'static str,
    path: &'static str,
    name: &'static str,
    summary: &'static str,
    who: Who,
    query: Option<(Describe, Known)>,
    body: Option<(Describe, bool)>,
    /// Names of shared parameters.
    headers: Vec<&'static str>,
    answers: Vec<Answer>,
    /// Statuses that refer to shared problem responses.
    problems: BTreeSet<u16>,
    links: &'static [&'static str],
}

impl Call {
    /// A GET. `name` is its name in generated clients.
    #[must_use]
    pub fn query(path: &'static str, name: &'static str, summary: &'static str) -> Self {
        let mut problems = vec![429, 500, 503];
        problems.extend(path.contains('{').then_some(404));
        Self {
            method: "get",
            path,
            name,
            summary,
            who: Who::Anyone,
            query: None,
            body: None,
            headers: Vec::new(),
            answers: Vec::new(),
            problems: problems.into_iter().collect(),
            links: &[],
        }
    }

    /// A call that changes state. Clients may repeat it with the same `Idempotency-Key`.
    #[must_use]
    pub fn command(
        method: &'static str,
        path: &'static str,
        name: &'static str,
        summary: &'static str,
    ) -> Self {
        let query = Self::query(path, name, summary);
        let command = Self { method, headers: vec!["IdempotencyKey"], ..query };
        command.problems(&[400, 408, 409, 413, 415, 422])
    }

    /// Restricts the callers.
    #[must_use]
    pub fn by(self, who: Who) -> Self {
        let refusals: &[u16] = match who {
            Who::Anyone | Who::SignedInOrNot => &[],
            Who::SignedIn(_) => &[401, 403],
        };
        Self { who, ..self }.problems(refusals)
    }

    /// The query parameters; all others are refused.
    #[must_use]
    pub fn parameters<T: JsonSchema>(self) -> Self {
        self.some_parameters::<T>(|_| true)
    }

    /// Like [`Self::parameters`], for an address that accepts only some of them.
    #[must_use]
    pub fn some_parameters<T: JsonSchema>(self, known: Known) -> Self {
        let query: (Describe, _) = (|generator| generator.subschema_for::<T>(), known);
        Self { query: Some(query), ..self }.problems(&[422])
    }

    /// Waits for `Portal-Min-Position`.
    #[must_use]
    pub fn waits(self) -> Self {
        self.with("PortalMinPosition").problems(&[400])
    }

    /// Responds 304 if the client has the current version.
    #[must_use]
    pub fn cached(self) -> Self {
        self.with("IfNoneMatch").empty(304, "Unchanged since `If-None-Match`.", &["ETag"])
    }

    /// Requires `If-Match`.
    #[must_use]
    pub fn changes(self) -> Self {
        self.with("IfMatch").problems(&[412, 428])
    }

    /// Accepts `If-Match` without requiring it.
    #[must_use]
    pub fn may_change(self) -> Self {
        self.with("IfMatchIfYouLike").problems(&[412])
    }

    /// Accepts a header, given by its name among the shared parameters.
    #[must_use]
    pub fn with(mut self, header: &'static str) -> Self {
        self.headers.push(header);
        self
    }

    /// Requires a JSON body.
    #[must_use]
    pub fn body<T: JsonSchema>(self) -> Self {
        Self { body: Some((|generator| generator.subschema_for::<T>(), true)), ..self }
    }

    /// Accepts an optional JSON body.
    #[must_use]
    pub fn optional_body<T: JsonSchema>(self) -> Self {
        Self { body: Some((|generator| generator.subschema_for::<T>(), false)), ..self }
    }

    /// Responds with JSON and these shared headers.
    #[must_use]
    pub fn json<T: JsonSchema>(
        self,
        status: u16,
        description: &'static str,
        headers: &[&'static str],
    ) -> Self {
        let content: (_, Describe) =
            ("application/json", |generator| generator.subschema_for::<T>());
        self.answers(status, description, Some(content), headers)
    }

    /// Responds 200 with JSON of another media type.
    #[must_use]
    pub fn media<T: JsonSchema>(
        self,
        media_type: &'static str,
        description: &'static str,
        headers: &[&'static str],
    ) -> Self {
        let content: (_, Describe) = (media_type, |generator| generator.subschema_for::<T>());
        self.answers(200, description, Some(content), headers)
    }

    /// Responds 200 with text of this media type.
    #[must_use]
    pub fn text(self, media_type: &'static str, description: &'static str) -> Self {
        let content: (_, Describe) = (media_type, |generator| generator.subschema_for::<String>());
        self.answers(200, description, Some(content), &[])
    }

    /// Responds without a body.
    #[must_use]
    pub fn empty(self, status: u16, description: &'static str, headers: &[&'static str]) -> Self {
        self.answers(status, description, None, headers)
    }

    /// Adds a refusal that only this call has.
    #[must_use]
    pub fn refuses(self, status: u16, description: &'static str) -> Self {
        self.empty(status, description, &[])
    }

    /// Adds refusals that are shared among calls.
    #[must_use]
    pub fn problems(mut self, statuses: &[u16]) -> Self {
        self.problems.extend(statuses);
        self
    }

    /// Names the calls that can use the article in the response next.
    #[must_use]
    pub fn then(self, links: &'static [&'static str]) -> Self {
        Self { links, ..self }
    }

    fn answers(
        mut self,
        status: u16,
        description: &'static str,
        content: Option<(&'static str, Describe)>,
        headers: &[&'static str],
    ) -> Self {
        self.answers.push(Answer { status, description, content, headers: headers.to_vec() });
        self
    }
}
