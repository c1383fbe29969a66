//! What stands in a file, one after the other, and the report of what became of it.

use std::collections::BTreeMap;

use super::article::Source;

/// Reasons that are counted one by one; what is more is counted together.
const REASONS: usize = 40;
/// Characters of a reason in the sums.
const SHOWN: usize = 200;

/// One line or item.
pub(super) struct Entry {
    /// For people: where it is.
    pub(super) place: String,
    /// Up to which byte of the file it goes.
    pub(super) at: u64,
    pub(super) article: Result<Source, Unusable>,
}

/// Why something is not taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unusable {
    /// It is no article: nothing is wrong.
    Skipped(String),
    /// It is an article that cannot be taken as it is.
    Refused(String),
}

/// The sums at the end.
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

    /// One line for lines of JSON, of which none can be skipped; and the reasons for items.
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
