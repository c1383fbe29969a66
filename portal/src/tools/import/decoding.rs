//! Detects the format of a file by its first bytes and decodes XML to UTF-8.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use encoding_rs::{Encoding, UTF_8};
use encoding_rs_io::{DecodeReaderBytes, DecodeReaderBytesBuilder};
use quick_xml::Reader;
use quick_xml::events::Event;

const HEAD: u64 = 1024;
/// Maximum bytes of one text or tag, which is read into memory as a whole.
const LONGEST: usize = 16 << 20;
const CAPACITY: usize = 64 << 10;

pub(super) type Decoded = BufReader<DecodeReaderBytes<File, Vec<u8>>>;

/// The format of a file.
pub(super) enum Format {
    Lines,
    Xml(Box<Decoded>),
}

/// Opens a file and returns its format and length in bytes.
/// The encoding of XML comes from its byte order mark or declaration; undecodable characters become
/// U+FFFD.
pub(super) fn open(path: &Path) -> Result<(Format, u64)> {
    let file = File::open(path).with_context(|| format!("{}", path.display()))?;
    let length = file.metadata()?.len();
    let mut head = Vec::new();
    (&file).take(HEAD).read_to_end(&mut head)?;
    if head.starts_with(b"\x1f\x8b") || head.starts_with(b"PK\x03\x04") {
        bail!("{} is packed: unpack it first", path.display());
    }
    let marked = Encoding::for_bom(&head).map(|(encoding, _)| encoding);
    let text = marked.unwrap_or(UTF_8).decode(&head).0;
    let text = text.trim_start();
    if !text.starts_with('<') {
        return Ok((Format::Lines, length));
    }
    let encoding = match marked {
        Some(encoding) => encoding,
        None => declared(text).with_context(|| format!("{}", path.display()))?,
    };
    let file = File::open(path)?;
    let decoding = DecodeReaderBytesBuilder::new().encoding(Some(encoding)).build(file);
    Ok((Format::Xml(Box::new(BufReader::with_capacity(CAPACITY, decoding))), length))
}

fn declared(head: &str) -> Result<&'static Encoding> {
    let Ok(Event::Decl(declaration)) = Reader::from_str(head).read_event() else {
        return Ok(UTF_8);
    };
    let Some(name) = declaration.encoding().transpose()? else { return Ok(UTF_8) };
    Encoding::for_label(name.as_bytes())
        .with_context(|| format!("the encoding {name:?} is not known"))
}

/// A reader that fails when one text or tag exceeds [`LONGEST`], because it is held in memory.
pub(super) struct Measured<R> {
    inner: R,
    read: usize,
}

impl<R> Measured<R> {
    pub(super) const fn new(inner: R) -> Self {
        Self { inner, read: 0 }
    }

    /// Starts the count of the next text or tag.
    pub(super) const fn begin(&mut self) {
        self.read = 0;
    }
}

impl<R: BufRead> Read for Measured<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Measured<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.read > LONGEST {
            return Err(io::Error::other(format!("a text or tag is longer than {LONGEST} bytes")));
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.read += amount;
        self.inner.consume(amount);
    }
}
