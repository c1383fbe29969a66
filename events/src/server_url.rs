//! A server URL that hides its credentials when printed.

use std::fmt;

/// `scheme://user:password@host/path`, printed without credentials and query, also by `{:?}`.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl(String);

impl ServerUrl {
    /// The whole URL, for opening a connection.
    #[must_use]
    pub fn with_password(&self) -> &str {
        &self.0
    }

    /// Whether the URL contains a password.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.credentials().is_some_and(|(_, credentials, _)| credentials.contains(':'))
            || self.0.contains("password=")
    }

    /// The text before the credentials, the credentials, and the text after them.
    fn credentials(&self) -> Option<(&str, &str, &str)> {
        let begin = self.0.find("://")? + 3;
        let end = begin + self.0[begin..].rfind('@')?;
        Some((&self.0[..begin], &self.0[begin..end], &self.0[end + 1..]))
    }
}

impl From<&str> for ServerUrl {
    fn from(url: &str) -> Self {
        Self(url.to_owned())
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = match self.credentials() {
            Some((scheme, _, rest)) => (scheme, rest),
            None => ("", self.0.as_str()),
        };
        // The query may also contain a password.
        write!(f, "{scheme}{}", rest.split('?').next().unwrap_or_default())
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_prints_it_prints_a_password() {
        for (url, shown, has) in [
            ("postgres://ada:s3cret@db:5432/log", "postgres://db:5432/log", true),
            ("amqp://ada:s3:cr@et@mq/%2f?x=1", "amqp://mq/%2f", true),
            ("postgres://ada@db/log?password=s3cret", "postgres://db/log", true),
            ("mongodb://a,b/views?tls=true", "mongodb://a,b/views", false),
            ("postgres://ada@db/log", "postgres://db/log", false),
        ] {
            let url = ServerUrl::from(url);
            assert_eq!((url.to_string(), format!("{url:?}")), (shown.to_owned(), shown.to_owned()));
            assert_eq!(url.has_password(), has, "{url}");
        }
    }
}
