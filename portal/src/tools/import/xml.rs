//! Reads WordPress exports, RSS and Atom as a stream of records of named fields.
//!
//! Only the current record is in memory. Only entities of XML and HTML are expanded, so a file
//! cannot grow while it is read.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;

use anyhow::{Context as _, Result, bail};
use quick_xml::NsReader;
use quick_xml::XmlVersion;
use quick_xml::escape::{resolve_html5_entity, resolve_xml_entity};
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::article::Label;
use super::decoding::Measured;
use super::namespaces::known_prefix;

/// Maximum nesting depth. Real files have about ten levels.
const DEEPEST: usize = 500;
/// Maximum bytes that are read of a record; a longer item is refused.
const LONGEST_RECORD: usize = 2 << 20;
const MOST_LABELS: usize = 100;

/// HTML elements without an end tag.
const VOID: [&str; 3] = ["br", "hr", "img"];

/// The fields of items and authors that are read; all others are skipped.
const FIELDS: [&str; 25] = [
    "title",
    "link",
    "guid",
    "description",
    "pubDate",
    "author",
    "dc:creator",
    "dc:date",
    "content:encoded",
    "excerpt:encoded",
    "wp:post_id",
    "wp:post_type",
    "wp:status",
    "wp:post_date",
    "wp:post_date_gmt",
    "wp:post_password",
    "wp:author_login",
    "wp:author_display_name",
    "atom:id",
    "atom:title",
    "atom:summary",
    "atom:content",
    "atom:published",
    "atom:updated",
    "atom:name",
];

/// The kind of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Item,
    Entry,
    Author,
}

pub(super) struct Record {
    pub(super) kind: Kind,
    /// Byte offset in the file after the record.
    pub(super) at: u64,
    fields: BTreeMap<&'static str, String>,
    /// Fields that contain plain text instead of HTML.
    plain: BTreeSet<&'static str>,
    pub(super) labels: Vec<Label>,
    /// The first error in its XML.
    pub(super) wrong: Option<String>,
    size: usize,
    depth: usize,
    /// Whether the last child was an Atom `<author>`, whose name is one level deeper.
    author: bool,
}

/// The field that receives the next text.
struct Field {
    name: &'static str,
    depth: usize,
    /// Whether child elements are stored as markup.
    markup: bool,
}

impl Record {
    fn new(kind: Kind, depth: usize) -> Self {
        let (fields, plain) = (BTreeMap::new(), BTreeSet::new());
        let (labels, wrong, author) = (Vec::new(), None, false);
        Self { kind, at: 0, fields, plain, labels, wrong, size: 0, depth, author }
    }

    /// The text of a field; `None` if it is blank.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(|text| text.trim()).filter(|text| !text.is_empty())
    }

    pub(super) fn is_plain(&self, name: &str) -> bool {
        self.plain.contains(name)
    }

    /// Whether the decoder replaced a character by U+FFFD.
    pub(super) fn is_garbled(&self) -> bool {
        let labels = self.labels.iter().map(|label| &label.name);
        self.fields.values().chain(labels).any(|text| text.contains('\u{fffd}'))
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        self.wrong.get_or_insert_with(what);
    }

    fn push(&mut self, name: &'static str, text: &str) {
        if !self.has_room_for(text) {
            return;
        }
        match (name, self.labels.last_mut()) {
            ("category", Some(label)) => label.name.push_str(text),
            _ => self.fields.entry(name).or_default().push_str(text),
        }
    }

    fn has_room_for(&mut self, text: &str) -> bool {
        self.size += text.len();
        if self.size > LONGEST_RECORD {
            self.note(|| format!("it is longer than {LONGEST_RECORD} bytes"));
        }
        self.size <= LONGEST_RECORD
    }
}

/// Reads the records in order.
pub(super) struct Records<R> {
    reader: NsReader<Measured<R>>,
    buffer: Vec<u8>,
    depth: usize,
    record: Option<Record>,
    field: Option<Field>,
}

impl<R: BufRead> Records<R> {
    pub(super) fn new(file: R) -> Self {
        let mut reader = NsReader::from_reader(Measured::new(file));
        // Many feeds contain an unescaped "&", which is unambiguous.
        reader.config_mut().allow_dangling_amp = true;
        Self { reader, buffer: Vec::new(), depth: 0, record: None, field: None }
    }

    /// The next record; `None` at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<Record>> {
        loop {
            match self.step() {
                Ok(Step::Goes) => {}
                Ok(Step::Whole(mut record)) => {
                    record.at = self.reader.buffer_position();
                    return Ok(Some(record));
                }
                Ok(Step::End) => return Ok(None),
                Err(error) => {
                    let at = self.reader.buffer_position();
                    return Err(error).with_context(|| format!("no XML after byte {at}"));
                }
            }
        }
    }

    fn step(&mut self) -> Result<Step> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        self.reader.get_mut().begin();
        let (namespace, event) = self.reader.read_resolved_event_into(&mut buffer)?;
        let prefix = known_prefix(&namespace)?;
        let step = match event {
            Event::Start(element) => {
                self.open(prefix, &element)?;
                Step::Goes
            }
            Event::Empty(element) => {
                self.open(prefix, &element)?;
                self.close(element.name().as_ref())
            }
            Event::End(element) => self.close(element.name().as_ref()),
            Event::Text(text) => self.text(&text.xml10_content(), Some(&text)),
            Event::CData(text) => self.text(&text.into_inner(), None),
            Event::GeneralRef(reference) => self.reference(&reference),
            Event::Eof if self.depth > 0 => bail!("it ends in the middle"),
            Event::Eof => Step::End,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => Step::Goes,
        };
        self.buffer = buffer;
        Ok(step)
    }

    fn open(&mut self, prefix: &str, element: &BytesStart) -> Result<()> {
        self.depth += 1;
        if self.depth > DEEPEST {
            bail!("more than {DEEPEST} elements within each other");
        }
        let local = element.local_name();
        let name = (prefix, local.as_ref());
        match (&mut self.record, &self.field) {
            (Some(record), Some(Field { name, markup: true, .. })) => {
                record.push(name, &format!("<{}>", &**element));
            }
            (Some(_), Some(_)) => {}
            (Some(record), None) => self.field = begin(record, name, element, self.depth)?,
            (None, _) if self.depth == 1 && !matches!(name, ("", "rss") | ("atom", "feed")) => {
                bail!("the root is <{}>, and not that of RSS or Atom", element.name().as_ref());
            }
            (None, _) => {
                let kind = match name {
                    ("", "item") => Some(Kind::Item),
                    ("atom", "entry") => Some(Kind::Entry),
                    ("wp", "author") => Some(Kind::Author),
                    _ => None,
                };
                self.record = kind.map(|kind| Record::new(kind, self.depth));
            }
        }
        Ok(())
    }

    fn close(&mut self, name: &str) -> Step {
        let depth = self.depth;
        self.depth -= 1;
        if let Some(field) = &self.field {
            if field.depth == depth {
                self.field = None;
            } else if let (true, Some(record)) =
                (field.markup && !VOID.contains(&name), &mut self.record)
            {
                record.push(field.name, &format!("</{name}>"));
            }
            return Step::Goes;
        }
        self.record.take_if(|record| record.depth == depth).map_or(Step::Goes, Step::Whole)
    }

    /// Adds text to the current field; a markup field gets it as written.
    fn text(&mut self, text: &str, written: Option<&str>) -> Step {
        if let (Some(record), Some(field)) = (&mut self.record, &self.field) {
            let text = if field.markup { written.unwrap_or(text) } else { text };
            record.push(field.name, text);
        }
        Step::Goes
    }

    fn reference(&mut self, reference: &BytesRef) -> Step {
        let name: &str = reference;
        let character = reference.resolve_char_ref().ok().flatten().map(String::from);
        let named = || resolve_xml_entity(name).or_else(|| resolve_html5_entity(name));
        let Some(text) = character.or_else(|| named().map(str::to_owned)) else {
            if let (Some(record), Some(_)) = (&mut self.record, &self.field) {
                record.note(|| format!("&{}; stands for nothing", name.escape_debug()));
            }
            return Step::Goes;
        };
        self.text(&text, Some(&format!("&{name};")))
    }
}

enum Step {
    Goes,
    Whole(Record),
    End,
}

/// The field that an element begins, if it is one of [`FIELDS`]; the first of a name counts.
fn begin(
    record: &mut Record,
    (prefix, local): (&str, &str),
    element: &BytesStart,
    depth: usize,
) -> Result<Option<Field>> {
    let attribute = |name: &str| -> Result<Option<String>> {
        let found = element.try_get_attribute(name)?;
        let value =
            found.map(|found| found.normalized_value(XmlVersion::Implicit1_0).map(String::from));
        Ok(value.transpose()?)
    };
    let direct = depth == record.depth + 1;
    let of_author = record.author && depth == record.depth + 2 && local == "name";
    if !direct && !of_author {
        return Ok(None);
    }
    record.author = (prefix, local) == ("atom", "author");
    let full = if prefix.is_empty() { local.to_owned() } else { format!("{prefix}:{local}") };
    if matches!(full.as_str(), "category" | "atom:category" | "dc:subject") {
        if record.labels.len() >= MOST_LABELS {
            return Ok(None);
        }
        let name = attribute("label")?.or(attribute("term")?).unwrap_or_default();
        let slug = attribute("nicename")?.or(attribute("term")?);
        let domain = attribute("domain")?;
        let attributes = [Some(&name), slug.as_ref(), domain.as_ref()];
        if !attributes.into_iter().flatten().all(|text| record.has_room_for(text)) {
            return Ok(None);
        }
        record.labels.push(Label { name, slug, domain });
        return Ok((prefix != "atom").then_some(Field { name: "category", depth, markup: false }));
    }
    let Some(name) = FIELDS.into_iter().find(|known| *known == full) else { return Ok(None) };
    if record.fields.contains_key(name) {
        return Ok(None);
    }
    record.fields.insert(name, String::new());
    let kind = attribute("type")?;
    let markup = prefix == "atom" && kind.as_deref() == Some("xhtml");
    if prefix == "atom" && !matches!(kind.as_deref(), Some("html" | "text/html" | "xhtml")) {
        record.plain.insert(name);
    }
    Ok(Some(Field { name, depth, markup }))
}
