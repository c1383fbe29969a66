//! Sanitizes foreign HTML, and extracts its text.

use std::collections::HashSet;

use ammonia::Builder;

/// Beginnings of block elements, which need no paragraph around them.
const BLOCKS: [&str; 14] = [
    "<p",
    "<h",
    "<ul",
    "<ol",
    "<dl",
    "<li",
    "<blockquote",
    "<pre",
    "<table",
    "<div",
    "<figure",
    "<article",
    "<section",
    "<details",
];

/// Removes scripts, styles, forms, frames, comments and addresses that execute code.
pub(super) fn cleaned(html: &str) -> String {
    ammonia::clean(html).trim().to_owned()
}

/// Like [`cleaned`]; without any `<p>`, empty lines separate paragraphs, as they do at the source.
pub(super) fn with_paragraphs(html: &str) -> String {
    let clean = cleaned(html).replace("\r\n", "\n");
    if clean.contains("<p>") || clean.contains("<p ") {
        return clean;
    }
    let parts = clean.split("\n\n").map(str::trim).filter(|part| !part.is_empty());
    let parts = parts.map(|part| {
        let is_block = BLOCKS.iter().any(|block| part.starts_with(block));
        if is_block { part.to_owned() } else { format!("<p>{part}</p>") }
    });
    parts.collect::<Vec<_>>().join("\n\n")
}

/// The text of HTML, in one line.
pub(super) fn text(html: &str) -> String {
    // Text without markup stays as it is: "a < b" in a title is no HTML.
    let html = if html.contains('<') || html.contains('&') {
        let none = HashSet::new;
        let stripped =
            Builder::new().tags(none()).generic_attributes(none()).clean(html).to_string();
        // Exactly the characters that the text serializer escapes.
        let text = stripped.replace("&nbsp;", " ").replace("&lt;", "<").replace("&gt;", ">");
        text.replace("&amp;", "&")
    } else {
        html.to_owned()
    };
    html.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Escapes text for HTML.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
