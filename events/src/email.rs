//! E-mail addresses, as far as an address can be judged without sending a letter to it.

use std::str::FromStr;

use schemars::JsonSchema;

use crate::Invalid;

/// One `@` with something on both sides, no spaces or control characters, and no longer than SMTP
/// allows.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(inline)]
pub struct Email(
    #[schemars(
        length(max = Self::MAX),
        regex(pattern = r"^[^@\s\x00-\x1f\x7f-\x9f]+@[^@\s\x00-\x1f\x7f-\x9f]+$")
    )]
    String,
);

impl Email {
    /// RFC 5321, 4.5.3.
    pub const MAX: usize = 254;

    /// The address as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What an address must be, in words.
    #[must_use]
    pub fn allowed() -> String {
        let most = Self::MAX;
        format!("an e-mail address such as ada@example.org, of at most {most} bytes")
    }
}

impl FromStr for Email {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let parts = text.split_once('@');
        let plausible = parts.is_some_and(|(user, host)| {
            !user.is_empty() && !host.is_empty() && !host.contains('@')
        });
        let clean = !text.chars().any(|c| c.is_whitespace() || c.is_control());
        let problem = match (plausible && clean, text.len() <= Self::MAX) {
            (true, true) => return Ok(Self(text.to_owned())),
            (true, false) => "is too long",
            (false, _) => "is not an e-mail address",
        };
        Err(Invalid::new(problem, Self::allowed()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_at_sign_and_no_spaces() {
        for good in ["ada@example.org", "a@b", &format!("{}@b", "a".repeat(252))] {
            assert!(good.parse::<Email>().is_ok(), "{good}");
        }
        let long = format!("{}@b", "a".repeat(253));
        for wrong in ["", "nobody", "@b", "a@", "a@b@c", "a b@c", "a@b\n", "a\0@b", &long] {
            assert!(wrong.parse::<Email>().is_err(), "{wrong}");
        }
    }
}
