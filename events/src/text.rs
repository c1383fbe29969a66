//! Texts and lists that cannot hold a wrong value. What a client or an import writes is parsed into
//! them before a command is made of it.
//!
//! Each limit stands once: in the alias that names it, such as [`crate::news::Title`]. Events keep
//! plain texts on purpose: the log is read whatever the limits of today are.

use std::borrow::Cow;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// What is wrong with a value, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}: must be {allowed}")]
pub struct Invalid {
    /// Follows the name of the field: `is blank`.
    pub problem: &'static str,
    /// Follows "must be": `a string of 1 to 200 characters`.
    pub allowed: String,
}

impl Invalid {
    /// A value with this problem.
    pub fn new(problem: &'static str, allowed: impl Into<String>) -> Self {
        Self { problem, allowed: allowed.into() }
    }
}

/// A text of `MIN` to `MAX` characters (not bytes). It is not blank, unless it may be empty, and
/// has no U+0000, which PostgreSQL's `jsonb` cannot hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text<const MIN: usize, const MAX: usize>(String);

impl<const MIN: usize, const MAX: usize> Text<MIN, MAX> {
    /// The most characters.
    pub const MAX: usize = MAX;

    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What such a text must be, in words.
    #[must_use]
    pub fn allowed() -> String {
        match MIN {
            0 => format!("a string of at most {MAX} characters"),
            _ => format!("a string of {MIN} to {MAX} characters"),
        }
    }
}

impl<const MIN: usize, const MAX: usize> FromStr for Text<MIN, MAX> {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let problem = match text.chars().count() {
            0 if MIN > 0 => "is empty",
            length if length < MIN => "is too short",
            length if length > MAX => "is too long",
            _ if MIN > 0 && text.trim().is_empty() => "is blank",
            _ if text.contains('\0') => "contains U+0000, which cannot be stored",
            _ => return Ok(Self(text.to_owned())),
        };
        Err(Invalid::new(problem, Self::allowed()))
    }
}

impl<const MIN: usize, const MAX: usize> From<Text<MIN, MAX>> for String {
    fn from(text: Text<MIN, MAX>) -> Self {
        text.0
    }
}

impl<const MAX: usize> Default for Text<0, MAX> {
    fn default() -> Self {
        Self(String::new())
    }
}

impl<const MIN: usize, const MAX: usize> JsonSchema for Text<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("TextOf{MIN}To{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let pattern = if MIN == 0 { r"^[^\x00]*$" } else { r"^[^\x00]*[^\s\x00][^\x00]*$" };
        json_schema!({"type": "string", "minLength": MIN, "maxLength": MAX, "pattern": pattern})
    }
}

/// A list of at most `MOST` items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpTo<T, const MOST: usize>(Vec<T>);

impl<T, const MOST: usize> UpTo<T, MOST> {
    /// The most items.
    pub const MOST: usize = MOST;

    /// The items in their order.
    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MOST: usize> Default for UpTo<T, MOST> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MOST: usize> TryFrom<Vec<T>> for UpTo<T, MOST> {
    type Error = Invalid;

    fn try_from(items: Vec<T>) -> Result<Self, Invalid> {
        if items.len() <= MOST {
            Ok(Self(items))
        } else {
            Err(Invalid::new("has too many items", format!("a list of at most {MOST}")))
        }
    }
}

impl<T: JsonSchema, const MOST: usize> JsonSchema for UpTo<T, MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("UpTo{MOST}Of{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let items = generator.subschema_for::<T>();
        json_schema!({"type": "array", "items": items, "maxItems": MOST})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Short = Text<1, 5>;

    fn problem<const MIN: usize, const MAX: usize>(text: &str) -> Option<&'static str> {
        text.parse::<Text<MIN, MAX>>().err().map(|wrong| wrong.problem)
    }

    #[test]
    fn a_text_is_measured_in_characters_and_a_wrong_one_says_what_is_allowed() {
        for good in ["a", "ééééé", " a "] {
            assert_eq!(good.parse::<Short>().map(String::from), Ok(good.to_owned()));
        }
        for (wrong, why) in [
            ("", "is empty"),
            (" \n", "is blank"),
            ("éééééé", "is too long"),
            ("a\0", "contains U+0000, which cannot be stored"),
        ] {
            assert_eq!(problem::<1, 5>(wrong), Some(why), "{wrong:?}");
        }
        assert_eq!(problem::<8, 200>("short"), Some("is too short"));
        let told = "".parse::<Short>().expect_err("an error").to_string();
        assert_eq!(told, "is empty: must be a string of 1 to 5 characters");
    }

    #[test]
    fn what_may_be_empty_may_be_blank() {
        for good in ["", "  "] {
            assert_eq!(problem::<0, 2>(good), None, "{good:?}");
        }
        assert_eq!(problem::<0, 2>("abc"), Some("is too long"));
    }

    #[test]
    fn a_schema_has_the_limits_of_its_type() {
        let schema = schemars::schema_for!(UpTo<Short, 3>).to_value();
        assert_eq!((&schema["maxItems"], &schema["items"]["minLength"]), (&3.into(), &1.into()));
        assert_eq!(schema["items"]["maxLength"], Short::MAX);
        assert!(UpTo::<u8, 3>::try_from(vec![1, 2, 3]).is_ok());
        let told = UpTo::<u8, 3>::try_from(vec![0; 4]).expect_err("an error").to_string();
        assert_eq!(told, "has too many items: must be a list of at most 3");
    }
}
