//! The XML namespaces of exports and feeds, also with `https` instead of `http`.

use anyhow::{Result, bail};
use quick_xml::name::ResolveResult;

/// Our prefix for a namespace, independent of the spelling of its address.
pub(super) fn known_prefix(namespace: &ResolveResult) -> Result<&'static str> {
    let ResolveResult::Bound(namespace) = namespace else {
        return Ok(if *namespace == ResolveResult::Unbound { "" } else { "unknown" });
    };
    let address = namespace.into_inner();
    let address = address.strip_prefix("https").or(address.strip_prefix("http")).unwrap_or(address);
    Ok(match address.trim_start_matches("://").trim_end_matches('/') {
        "wordpress.org/export/1.0" | "wordpress.org/export/1.1" | "wordpress.org/export/1.2" => {
            "wp"
        }
        "wordpress.org/export/1.0/excerpt"
        | "wordpress.org/export/1.1/excerpt"
        | "wordpress.org/export/1.2/excerpt" => "excerpt",
        "purl.org/rss/1.0/modules/content" => "content",
        "purl.org/dc/elements/1.1" => "dc",
        "www.w3.org/2005/Atom" => "atom",
        // RSS has no namespace, but some feeds declare one.
        "backend.userland.com/rss2" | "backend.userland.com/RSS2" => "",
        other if other.starts_with("wordpress.org/export/") => {
            bail!("{other} is an export of WordPress that is not known here: 1.0 to 1.2 are")
        }
        _ => "unknown",
    })
}
