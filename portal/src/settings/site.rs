//! How feeds and documents present the portal: its address, name and language.

use anyhow::{Result, anyhow};
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use orchestrator::{PublicUrl, Site};

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Settings")]
pub(crate) struct SiteSettings {
    /// The address at which readers reach the portal, for links in feeds and documents [default: the
    /// address that it listens on]
    #[arg(long, global = true, env = "PORTAL_PUBLIC_URL", value_name = "URL")]
    public_url: Option<PublicUrl>,

    /// The name of the portal in feeds and documents
    #[arg(
        long,
        global = true,
        env = "PORTAL_SITE_NAME",
        value_name = "NAME",
        default_value = "Portal",
        value_parser = NonEmptyStringValueParser::new()
    )]
    site_name: String,

    /// The language of the articles in feeds and documents, as a BCP 47 tag
    #[arg(
        long,
        global = true,
        env = "PORTAL_LANGUAGE",
        value_name = "TAG",
        default_value = "en",
        value_parser = language
    )]
    language: String,
}

impl SiteSettings {
    /// The site of a portal that listens on this address.
    pub(crate) fn at(&self, listening: &str) -> Result<Site> {
        let own = || listening.parse().map_err(|error| anyhow!("{listening}: {error}"));
        let url = self.public_url.clone().map_or_else(own, Ok)?;
        Ok(Site { url, name: self.site_name.clone(), language: self.language.clone() })
    }
}

/// Checks the shape of a language tag, not the whole grammar of BCP 47.
fn language(text: &str) -> Result<String, &'static str> {
    let is_part = |part: &str| {
        (1..=8).contains(&part.len()) && part.chars().all(|c| c.is_ascii_alphanumeric())
    };
    let is_language = text.len() >= 2 && text.split('-').all(is_part);
    if is_language { Ok(text.to_owned()) } else { Err("it is a language such as en or de-AT") }
}
