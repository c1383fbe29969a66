//! What a call of the API is, for its OpenAPI document: each service tells its own calls, beside the
//! code that answers them, and the portal joins what they told.
//!
//! A call says only what is its own. What every call has (request ids, the problems that follow from
//! a body, a token, a precondition) is added here, by the rules that [`crate::conventions`] and the
//! command-stack follow. Schemas are derived from the types that serde reads and writes.

mod part;
mod shared;

use std::collections::BTreeSet;

use events::Role;
use schemars::{JsonSchema, Schema, SchemaGenerator};

pub use self::part::Part;
pub use self::shared::components;

/// What somebody must be for a call.
#[derive(Debug, Clone, Copy)]
pub enum Who {
    /// Everybody gets the same.
    Anyone,
    /// Who is signed in may get more.
    SignedInOrNot,
    /// Only who is signed in; with roles, only who has one of them.
    SignedIn(&'static [Role]),
}

impl Who {
    /// Every user.
    pub const USERS: Self = Self::SignedIn(&[]);
    /// Admins only.
    pub const ADMINS: Self = Self::SignedIn(&[Role::Admin]);
}

type Describe = fn(&mut SchemaGenerator) -> Schema;
/// Whether an address knows a parameter of this name.
type Known = fn(&str) -> bool;

struct Answer {
    status: u16,
    description: &'static str,
    /// Its media type, and what it holds if that is JSON.
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
    /// Statuses whose problem is explained elsewhere than at this call.
    problems: BTreeSet<u16>,
    links: &'static [&'static str],
}

impl Call {
    /// A GET. `name` is how a generated client calls it.
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

    /// Something that changes something: its body is read, and it may be repeated with the same
    /// `Idempotency-Key`.
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

    /// Restricts the call to these callers.
    #[must_use]
    pub fn by(self, who: Who) -> Self {
        let refusals: &[u16] = match who {
            Who::Anyone | Who::SignedInOrNot => &[],
            Who::SignedIn(_) => &[401, 403],
        };
        Self { who, ..self }.problems(refusals)
    }

    /// What can stand behind the `?`; anything else is refused.
    #[must_use]
    pub fn parameters<T: JsonSchema>(self) -> Self {
        self.some_parameters::<T>(|_| true)
    }

    /// The same, for an address that knows only some of them.
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

    /// Answers 304 to who has it.
    #[must_use]
    pub fn cached(self) -> Self {
        self.with("IfNoneMatch").empty(304, "Unchanged since `If-None-Match`.", &["ETag"])
    }

    /// Changes what the client must have seen.
    #[must_use]
    pub fn changes(self) -> Self {
        self.with("IfMatch").problems(&[412, 428])
    }

    /// Honours `If-Match`, and does not ask for it.
    #[must_use]
    pub fn may_change(self) -> Self {
        self.with("IfMatchIfYouLike").problems(&[412])
    }

    /// A header that it takes, by its name among the shared parameters.
    #[must_use]
    pub fn with(mut self, header: &'static str) -> Self {
        self.headers.push(header);
        self
    }

    /// A body that must be sent.
    #[must_use]
    pub fn body<T: JsonSchema>(self) -> Self {
        Self { body: Some((|generator| generator.subschema_for::<T>(), true)), ..self }
    }

    /// A body that may be left out.
    #[must_use]
    pub fn optional_body<T: JsonSchema>(self) -> Self {
        Self { body: Some((|generator| generator.subschema_for::<T>(), false)), ..self }
    }

    /// An answer in JSON, with these of the shared headers.
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

    /// An answer in JSON of another media type.
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

    /// An answer in another form.
    #[must_use]
    pub fn text(self, media_type: &'static str, description: &'static str) -> Self {
        let content: (_, Describe) = (media_type, |generator| generator.subschema_for::<String>());
        self.answers(200, description, Some(content), &[])
    }

    /// An answer without a body.
    #[must_use]
    pub fn empty(self, status: u16, description: &'static str, headers: &[&'static str]) -> Self {
        self.answers(status, description, None, headers)
    }

    /// A refusal of its own.
    #[must_use]
    pub fn refuses(self, status: u16, description: &'static str) -> Self {
        self.empty(status, description, &[])
    }

    /// Further refusals, as shared among all calls.
    #[must_use]
    pub fn problems(mut self, statuses: &[u16]) -> Self {
        self.problems.extend(statuses);
        self
    }

    /// What can be called next with the article that it answers: names of calls.
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
