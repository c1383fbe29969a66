//! The public address, name and language of the portal.

use std::fmt;
use std::str::FromStr;

use axum::http::Uri;

/// Public address, name and language, as used in every link and document.
/// They come from the settings, never from the `Host` header: a forged host would end up in cached
/// pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Public address of the API.
    pub url: PublicUrl,
    /// Name of the portal.
    pub name: String,
    /// Language of the articles (BCP 47).
    pub language: String,
}

/// `http://host` or `https://host`, optionally with a port and the path prefix of a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

impl FromStr for PublicUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "it is http://HOST or https://HOST, perhaps with a port and a path";
        let uri: Uri = text.parse().map_err(|_| wrong)?;
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        // A user, query or fragment makes the text unusable as a prefix for paths.
        if !is_http || uri.host().is_none_or(str::is_empty) || text.contains(['@', '?', '#']) {
            return Err(wrong);
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Default for Site {
    fn default() -> Self {
        let url = PublicUrl("http://127.0.0.1:8080".to_owned());
        Self { url, name: "Portal".to_owned(), language: "en".to_owned() }
    }
}

impl Site {
    /// The absolute address of a path.
    pub(crate) fn address(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// The address of an article. It changes with the category; the name ([`urn`]) does not.
    pub(crate) fn article(&self, category: &str, id: &str) -> String {
        self.address(&format!("/v1/news/{category}/{id}"))
    }
}

/// The permanent name of an article (RFC 9562, 4).
pub(crate) fn urn(id: &str) -> String {
    format!("urn:uuid:{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_address_is_absolute_and_paths_can_follow_it() {
        for (text, address) in [
            ("https://news.example", "https://news.example/v1/home"),
            ("https://news.example/", "https://news.example/v1/home"),
            ("http://[::1]:8080", "http://[::1]:8080/v1/home"),
            ("https://example.org/portal/", "https://example.org/portal/v1/home"),
        ] {
            let url = text.parse().expect("a public address");
            assert_eq!(Site { url, ..Site::default() }.address("/v1/home"), address);
        }
        for wrong in
            ["", "news.example", "/news", "ftp://a", "http://", "http://u:p@a", "http://a?b"]
        {
            assert!(wrong.parse::<PublicUrl>().is_err(), "{wrong}");
        }
    }
}
