//! One JSON object a line.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use futures::{Stream, stream};
use proto::fields::{self, NotJson, Refused};
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use super::Entry;
use super::article::{Source, described};
use super::entry::Unusable;

/// As for a request over HTTP.
const LONGEST_LINE: usize = proto::conventions::BODY_LIMIT;

struct Lines {
    file: BufReader<File>,
    number: u64,
    at: u64,
}

/// The lines with their numbers, from 1; blank ones are passed over.
pub(super) async fn read(path: PathBuf) -> Result<impl Stream<Item = Result<Entry>>> {
    let file = File::open(&path).await.with_context(|| format!("{}", path.display()))?;
    let lines = Lines { file: BufReader::new(file), number: 0, at: 0 };
    Ok(stream::try_unfold(lines, async |mut lines| {
        let mut line = Vec::new();
        while lines.next(&mut line).await? {
            if !line.trim_ascii().is_empty() {
                let place = format!("line {}", lines.number);
                let entry = Entry { place, at: lines.at, article: parse(&line) };
                return Ok(Some((entry, lines)));
            }
        }
        Ok(None)
    }))
}

impl Lines {
    /// Whether there was one more.
    async fn next(&mut self, line: &mut Vec<u8>) -> Result<bool> {
        line.clear();
        let most = LONGEST_LINE as u64 + 1;
        let mut read = (&mut self.file).take(most).read_until(b'\n', line).await?;
        self.number += 1;
        // Of a longer one, which may be the whole file, the rest is not kept.
        while read > LONGEST_LINE && !line.ends_with(b"\n") {
            let rest = self.file.fill_buf().await?;
            let end = rest.iter().position(|byte| *byte == b'\n');
            let length = end.map_or(rest.len(), |end| end + 1);
            let is_over = end.is_some() || length == 0;
            self.file.consume(length);
            read += length;
            if is_over {
                break;
            }
        }
        self.at += read as u64;
        Ok(read > 0)
    }
}

fn parse(line: &[u8]) -> Result<Source, Unusable> {
    if line.len() > LONGEST_LINE {
        return Err(Unusable::Refused(format!("longer than {LONGEST_LINE} bytes")));
    }
    fields::body(line.trim_ascii_end(), Source::read).map_err(|refused| {
        Unusable::Refused(match refused {
            // Which line of the file it is, is said before.
            Refused::NotJson(NotJson { column, problem, .. }) => {
                format!("column {column}: {problem}")
            }
            Refused::Invalid(errors) => described(&errors),
        })
    })
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use super::*;

    #[test]
    fn a_line_that_is_not_right_says_where_and_what_is_allowed() {
        for (line, expected) in [
            (r#"{"category": "sports", "title": "Broken"#, "column 39: the JSON ends too early"),
            ("{title", "column 2: this is not JSON"),
            ("[1]", "is not an object: must be a JSON object"),
            (
                r#"{"title": 7, "status": "gone", "rating": 5}"#,
                "/title: is a number: must be a string; /content: is missing: must be a string; \
                 /status: is not a status to begin with: must be published or draft",
            ),
        ] {
            let refused = parse(line.as_bytes()).map(|_| ());
            assert_eq!(refused, Err(Unusable::Refused(expected.to_owned())), "{line}");
        }
        let other = br#"{"title": "T", "content": "C", "author": "Ada", "rating": 5}"#;
        assert!(parse(other).is_ok_and(|source| source.byline.as_deref() == Some("Ada")));
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_told_and_the_next_one_goes_in() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("articles.jsonl");
        let good = r#"{"source_id": "1", "title": "T", "content": "C"}"#;
        // With the end of the line.
        let exact = good.to_owned() + &" ".repeat(LONGEST_LINE - 1 - good.len());
        let text =
            format!("{good}\n{}\n{exact}\n{good}\n{}", "x".repeat(3 << 20), "y".repeat(2 << 20));
        std::fs::write(&path, &text).expect("a file");
        let entries: Vec<_> = read(path).await.expect("lines").try_collect().await.expect("read");
        let taken: Vec<_> = entries.iter().map(|entry| entry.article.is_ok()).collect();
        assert_eq!(taken, [true, false, true, true, false]);
        let places: Vec<_> = entries.iter().map(|entry| entry.place.as_str()).collect();
        assert_eq!(places, ["line 1", "line 2", "line 3", "line 4", "line 5"]);
        assert_eq!(entries.last().map(|entry| entry.at), Some(text.len() as u64));
    }
}
