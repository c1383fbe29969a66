//! The entries of an import file, and the report of their outcomes.

use std::collections::BTreeMap;

use super::article::Source;

/// Maximum number of distinct reasons in the report; further reasons are counted together.
const REASONS: usize = 40;
/// Maximum characters of a reason in the report.
const SHOWN: usize = 200;

/// One line or item of a file.
pub(super) struct Entry {
    /// Where the entry is in the file, for messages.
    pub(super) place: String,
    /// Byte offset in the file after the entry.
    pub(super) at: u64,
    pub(super) article: Result<Source, Unusable>,
}

/// Why an entry is not imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unusable {
    /// Not an article; this is no error.
    Skipped(String),
    /// An article that cannot be imported as it is.
    Refused(String),
}

/// The totals of an import.
#[derive(Default)]
pub(super) struct Count {
    pub(super) seen: u64,
    pub(super) added: u64,
    pub(super) already_there: u64,
    pub(super) refused: u64,
    skipped: u64,
    reasons: BTreeMap<String, u64>,
}

impl Count {
    pub(super) fn unusable(&mut self, place: &str, unusable: &Unusable) {
        let (how, reason) = match unusable {
            Unusable::Skipped(reason) => ("skipped", reason),
            Unusable::Refused(reason) => ("refused", reason),
        };
        if how == "skipped" {
            self.skipped += 1;
            println!("{place}: skipped: {reason}");
        } else {
            self.refused += 1;
            println!("{place}: {reason}");
        }
        let mut reason: String = format!("{how}: {reason}").chars().take(SHOWN).collect();
        if self.reasons.len() >= REASONS && !self.reasons.contains_key(&reason) {
            reason = format!("{how} for other reasons, see above");
        }
        *self.reasons.entry(reason).or_default() += 1;
    }

    /// Prints the totals. Items also get a count per reason; JSON lines are never skipped.
    pub(super) fn print(&self, unit: &str) {
        let Self { seen, added, already_there, refused, skipped, reasons } = self;
        print!("{seen} {unit}: {added} added, {already_there} already there, {refused} refused");
        if unit == "lines" {
            println!();
            return;
        }
        println!(", {skipped} skipped");
        for (reason, count) in reasons {
            println!("  {count} {reason}");
        }
    }
}
