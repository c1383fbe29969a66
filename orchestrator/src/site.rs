//! What the portal is to the world: where it is reached, what it is called, which language it speaks.

use std::fmt;
use std::str::FromStr;

use axum::http::Uri;

/// What every link and every document that leaves the portal says of it. From the settings and never
/// from the `Host` of a request: pages are kept, and a stranger's host would be kept with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Where the door is reached.
    pub url: PublicUrl,
    /// What it is called.
    pub name: String,
    /// The language of its articles (BCP 47).
    pub language: String,
}

/// `http://host` or `https://host`, perhaps with a path under which a proxy has the portal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

impl FromStr for PublicUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "it is http://HOST or https://HOST, perhaps with a port and a path";
        let uri: Uri = text.parse().map_err(|_| wrong)?;
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        // A user, a query or a fragment in front of every path would be no address.
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

    /// Where an article is. It moves with its category; its name ([`urn`]) stays.
    pub(crate) fn article(&self, category: &str, id: &str) -> String {
        self.address(&format!("/v1/news/{category}/{id}"))
    }
}

/// What an article is called for ever, wherever it is (RFC 9562, 4).
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
