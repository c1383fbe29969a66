//! Reading what clients write: the fields of a body and the parameters of a query. One answer names
//! every field that is wrong, missing, unknown or repeated, and says what is allowed, in words of
//! ours: no message of a library reaches a client.
//!
//! A type is read by a function that takes each of its fields from [`Fields`] first, and uses `?`
//! after the last one only: so that no wrong field hides another.

mod errors;
mod field;
mod json;

use std::collections::HashSet;
use std::fmt;

use axum::extract::Query;
use axum::http::Uri;
use events::Invalid;
use events::text::UpTo;

pub use self::errors::{Errors, Wrong};
pub use self::field::{Field, Kind, Whole};
use self::json::Given;
pub use self::json::NotJson;
use crate::{FieldError, Problem};

/// More fields are not looked at.
const MOST_FIELDS: usize = 1_000;

/// Why a body is refused.
#[derive(Debug)]
pub enum Refused {
    /// It is no JSON.
    NotJson(NotJson),
    /// It is JSON with these wrong fields.
    Invalid(Vec<FieldError>),
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NotJson(why) => why.into(),
            Refused::Invalid(errors) => Self::invalid(errors),
        }
    }
}

/// Reads a body, which must be a JSON object.
///
/// # Errors
/// Every field that is wrong, by its RFC 6901 pointer.
pub fn body<T>(
    json: &[u8],
    read: impl FnOnce(&mut Fields<'_>) -> Result<T, Wrong>,
) -> Result<T, Refused> {
    let members = json::members(json).map_err(Refused::NotJson)?;
    let Some(members) = members else {
        let detail = Invalid::new("is not an object", "a JSON object").to_string();
        return Err(Refused::Invalid(vec![FieldError::new("", detail)]));
    };
    Fields::new(Place::Body, members).read(read).map_err(Refused::Invalid)
}

/// Reads the query of an address. A parameter that the address does not know is refused and not
/// ignored: a misspelt one would look like an answer to it.
///
/// # Errors
/// 422 with every parameter that is wrong, by its name.
pub fn query<T>(
    uri: &Uri,
    read: impl FnOnce(&mut Fields<'_>) -> Result<T, Wrong>,
) -> Result<T, Problem> {
    // Pairs of texts are read from any query: what cannot be decoded becomes U+FFFD.
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri);
    let unreadable = || Problem::invalid(vec![FieldError::new("", "the query cannot be read")]);
    let Query(pairs) = pairs.map_err(|_| unreadable())?;
    let given = pairs.into_iter().map(|(name, value)| (name, Given::Text(value))).collect();
    Fields::new(Place::Query, given).read(read).map_err(Problem::invalid)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Body,
    Query,
}

/// The fields of a body, or the parameters of a query.
pub struct Fields<'a> {
    place: Place,
    /// Those that nobody has taken yet.
    given: Vec<(String, Given<'a>)>,
    /// The names of those that were given before.
    repeated: Vec<String>,
    /// Those that somebody has asked for.
    known: Vec<&'static str>,
    ignores_others: bool,
    errors: Errors,
}

impl<'a> Fields<'a> {
    fn new(place: Place, all: Vec<(String, Given<'a>)>) -> Self {
        let mut errors = Errors::default();
        if all.len() > MOST_FIELDS {
            errors.wrong("", format!("has more than {MOST_FIELDS} fields"));
        }
        let mut names = HashSet::new();
        let is_first: Vec<_> =
            all.iter().take(MOST_FIELDS).map(|(name, _)| names.insert(name.as_str())).collect();
        let (mut given, mut repeated) = (Vec::with_capacity(is_first.len()), Vec::new());
        for ((name, value), is_first) in all.into_iter().zip(is_first) {
            if is_first { given.push((name, value)) } else { repeated.push(name) }
        }
        Self { place, given, repeated, known: Vec::new(), ignores_others: false, errors }
    }

    fn read<T>(
        mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Wrong>,
    ) -> Result<T, Vec<FieldError>> {
        let value = read(&mut self);
        for name in std::mem::take(&mut self.repeated) {
            if !self.ignores_others || self.known.contains(&name.as_str()) {
                self.errors.wrong(self.pointer(&name), "is given twice");
            }
        }
        if !self.ignores_others {
            for (name, _) in std::mem::take(&mut self.given) {
                if self.errors.is_full() {
                    break;
                }
                self.errors.wrong(self.pointer(&name), self.unknown());
            }
        }
        match (value, self.errors.into_vec()) {
            (Ok(value), errors) if errors.is_empty() => Ok(value),
            (_, errors) => Err(errors),
        }
    }

    fn unknown(&self) -> String {
        let (all, known) = (self.known.join(", "), !self.known.is_empty());
        match self.place {
            Place::Body if known => format!("is not a field of this body: it has {all}"),
            Place::Body => "is not a field of this body: it has none".to_owned(),
            Place::Query if known => format!("is not a parameter here: there are {all}"),
            Place::Query => "is not a parameter here: there are none".to_owned(),
        }
    }

    /// RFC 6901; of a parameter its name. One that a client made up is cut.
    fn pointer(&self, name: &str) -> String {
        let name: String = name.chars().take(100).collect();
        match self.place {
            Place::Body => format!("/{}", name.replace('~', "~0").replace('/', "~1")),
            Place::Query => name,
        }
    }

    fn take(&mut self, name: &'static str) -> Option<Given<'a>> {
        self.known.push(name);
        let at = self.given.iter().position(|(given, _)| given == name)?;
        Some(self.given.remove(at).1)
    }

    /// Fields that nobody asks for are somebody else's.
    pub const fn ignore_others(&mut self) {
        self.ignores_others = true;
    }

    /// A field that may be absent or null.
    ///
    /// # Errors
    /// When it is wrong.
    pub fn optional<T: Field>(&mut self, name: &'static str) -> Result<Option<T>, Wrong> {
        match self.take(name) {
            None | Some(Given::Null) => Ok(None),
            Some(given) => self.check(name, given.read()).map(Some),
        }
    }

    /// A field that must be there.
    ///
    /// # Errors
    /// When it is missing or wrong.
    pub fn required<T: Field>(&mut self, name: &'static str) -> Result<T, Wrong> {
        let given = self.take(name).ok_or_else(|| Invalid::new("is missing", T::allowed()));
        self.check(name, given.and_then(|given| given.read()))
    }

    /// A field that must be there, and may be null.
    ///
    /// # Errors
    /// When it is missing or wrong.
    pub fn nullable<T: Field>(&mut self, name: &'static str) -> Result<Option<T>, Wrong> {
        let or_null = |wrong: Invalid| Invalid::new(wrong.problem, wrong.allowed + ", or null");
        let read = match self.take(name) {
            None => Err(Invalid::new("is missing", T::allowed())),
            Some(Given::Null) => Ok(None),
            Some(given) => given.read().map(Some),
        };
        self.check(name, read.map_err(or_null))
    }

    /// A list that may be absent or null.
    ///
    /// # Errors
    /// When it, or one of its items, is wrong.
    pub fn optional_list<T: Field, const MOST: usize>(
        &mut self,
        name: &'static str,
    ) -> Result<Option<UpTo<T, MOST>>, Wrong> {
        match self.take(name) {
            None | Some(Given::Null) => Ok(None),
            Some(given) => self.items(name, given).map(Some),
        }
    }

    /// A list that may be absent, and may not be null.
    ///
    /// # Errors
    /// When it, or one of its items, is wrong.
    pub fn list<T: Field, const MOST: usize>(
        &mut self,
        name: &'static str,
    ) -> Result<UpTo<T, MOST>, Wrong> {
        match self.take(name) {
            None => Ok(UpTo::default()),
            Some(given) => self.items(name, given),
        }
    }

    /// A list that must be there.
    ///
    /// # Errors
    /// When it is missing, or one of its items is wrong.
    pub fn required_list<T: Field, const MOST: usize>(
        &mut self,
        name: &'static str,
    ) -> Result<UpTo<T, MOST>, Wrong> {
        match self.take(name) {
            None => self.check(name, Err(Invalid::new("is missing", json::list_of::<T>()))),
            Some(given) => self.items(name, given),
        }
    }

    fn items<T: Field, const MOST: usize>(
        &mut self,
        name: &'static str,
        given: Given<'a>,
    ) -> Result<UpTo<T, MOST>, Wrong> {
        let items = self.check(name, given.items::<T>(MOST))?;
        let pointer = self.pointer(name);
        self.errors.list(&pointer, items, |item: Given<'_>| item.read())
    }

    /// A rule that a field has kept or broken.
    ///
    /// # Errors
    /// When it was broken.
    pub fn check<T, E: fmt::Display>(
        &mut self,
        name: &str,
        checked: Result<T, E>,
    ) -> Result<T, Wrong> {
        checked.map_err(|error| self.errors.wrong(self.pointer(name), error))
    }

    /// A rule for each item of a list.
    ///
    /// # Errors
    /// When one has broken it.
    pub fn check_each<T, U, E: fmt::Display>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        check: impl FnMut(T) -> Result<U, E>,
    ) -> Result<Vec<U>, Wrong> {
        let pointer = self.pointer(name);
        self.errors.each(&pointer, items, check)
    }
}

#[cfg(test)]
mod tests;
