//! HTML of others: what is harmless of it, and what is text of it.

use std::collections::HashSet;

use ammonia::Builder;

/// Elements that stand by themselves between paragraphs.
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

/// Without scripts, styles, forms, frames, comments, and addresses that run something.
pub(super) fn cleaned(html: &str) -> String {
    ammonia::clean(html).trim().to_owned()
}

/// As [`cleaned`]; where nothing says what a paragraph is, an empty line does, as it does where the
/// text comes from.
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

/// The text of it, in one line.
pub(super) fn text(html: &str) -> String {
    // Without any tag there is no need to look for some: "a < b" is no HTML in a title.
    let html = if html.contains('<') || html.contains('&') {
        let none = HashSet::new;
        let stripped =
            Builder::new().tags(none()).generic_attributes(none()).clean(html).to_string();
        // What the serializer of text escapes, and nothing else.
        let text = stripped.replace("&nbsp;", " ").replace("&lt;", "<").replace("&gt;", ">");
        text.replace("&amp;", "&")
    } else {
        html.to_owned()
    };
    html.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Text as HTML.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
