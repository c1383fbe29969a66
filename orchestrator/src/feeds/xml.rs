//! Writes XML that stays well-formed for any text.

use std::borrow::Cow;
use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

/// An XML document in memory.
pub(crate) type Xml = Writer<Vec<u8>>;

pub(crate) type Attributes<'a> = &'a [(&'a str, &'a str)];

/// Writes a document with this root element.
pub(crate) fn document(
    root: &str,
    attributes: Attributes<'_>,
    content: impl FnOnce(&mut Xml) -> io::Result<()>,
) -> io::Result<Vec<u8>> {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 1);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("utf-8"), None)))?;
    element(&mut xml, root, attributes, content)?;
    Ok(xml.into_inner())
}

/// Writes an element with child elements.
pub(crate) fn element(
    xml: &mut Xml,
    name: &str,
    attributes: Attributes<'_>,
    content: impl FnOnce(&mut Xml) -> io::Result<()>,
) -> io::Result<()> {
    let element = xml.create_element(name).with_attributes(attributes.iter().copied());
    element.write_inner_content(content).map(drop)
}

/// Writes an element that contains text.
pub(crate) fn text(
    xml: &mut Xml,
    name: &str,
    attributes: Attributes<'_>,
    text: &str,
) -> io::Result<()> {
    let element = xml.create_element(name).with_attributes(attributes.iter().copied());
    element.write_text_content(BytesText::new(&readable(text))).map(drop)
}

/// Writes an element without content.
pub(crate) fn empty(xml: &mut Xml, name: &str, attributes: Attributes<'_>) -> io::Result<()> {
    let attributes: Vec<_> =
        attributes.iter().map(|(name, value)| (*name, readable(value))).collect();
    let attributes = attributes.iter().map(|(name, value)| (*name, &**value));
    xml.create_element(name).with_attributes(attributes).write_empty().map(drop)
}

/// Removes characters that XML 1.0 (2.2) forbids even when escaped.
fn readable(text: &str) -> Cow<'_, str> {
    let is_readable = |c: char| match c {
        '\t' | '\n' | '\r' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        c => c >= ' ',
    };
    if text.chars().all(is_readable) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().filter(|c| is_readable(*c)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_in_a_text_the_document_stays_one() {
        let hostile = "a]]>b\u{0}\u{8}\u{b}\u{ffff}<script>&amp;\u{1f600}\r\n\"'";
        let written = document("root", &[("a", "1")], |xml| {
            text(xml, "text", &[], hostile)?;
            empty(xml, "empty", &[("value", hostile)])
        });
        let written = String::from_utf8(written.expect("a document")).expect("UTF-8");
        assert!(written.starts_with("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<root a=\"1\">"));
        assert!(written.contains("a]]&gt;b&lt;script&gt;&amp;amp;\u{1f600}&#13;\n"), "{written}");
        assert!(!written.contains(['\u{0}', '\u{8}', '\u{b}', '\u{ffff}']));
    }
}
