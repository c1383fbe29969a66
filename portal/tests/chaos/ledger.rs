//! What every command asked for and was told, and what every article was known to be: what the log
//! and the views have to agree with.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

/// What became of a command, as far as its client knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was answered 2xx with this position.
    Acknowledged(i64),
    /// It was not answered, and a later answer showed that it was carried out.
    Happened,
    /// It was refused, or is of a kind that must be.
    Refused,
    Unknown,
}

#[derive(Debug, Clone)]
pub(crate) struct Command {
    /// Sent as `X-Request-Id`, so that each event names the command that it comes from.
    pub(crate) tag: String,
    /// The events of an article that follow from it.
    pub(crate) events: &'static [&'static str],
    /// Which article, if that is known.
    pub(crate) article: Option<String>,
    pub(crate) outcome: Outcome,
}

/// What readers have to find at least.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) category: &'static str,
    pub(crate) version: i64,
    /// Of the last acknowledged command.
    pub(crate) position: i64,
    pub(crate) retracted: bool,
    /// The public can read it.
    pub(crate) public: bool,
    /// A command to it is under way, or the portal will change it by itself.
    pub(crate) moving: bool,
    /// It is on its way to another category, or went there at a position that nobody was told.
    pub(crate) away: bool,
}

#[derive(Default)]
pub(crate) struct Ledger {
    commands: Mutex<Vec<Command>>,
    articles: Mutex<BTreeMap<String, Known>>,
    wrong: Mutex<Vec<String>>,
    queries: Mutex<Queries>,
}

#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Queries {
    pub(crate) answered: usize,
    /// Told that there is no answer now, or told nothing.
    pub(crate) unanswered: usize,
}

impl Ledger {
    pub(crate) fn note(&self, command: Command) {
        self.commands.lock().expect("no client has panicked").push(command);
    }

    pub(crate) fn commands(&self) -> MutexGuard<'_, Vec<Command>> {
        self.commands.lock().expect("no client has panicked")
    }

    pub(crate) fn articles(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.articles.lock().expect("no client has panicked")
    }

    pub(crate) fn queries(&self) -> MutexGuard<'_, Queries> {
        self.queries.lock().expect("no client has panicked")
    }

    /// Something that must never happen.
    pub(crate) fn is_wrong(&self, what: String) {
        println!("{} WRONG: {what}", crate::faults::timestamp());
        self.wrong.lock().expect("no client has panicked").push(what);
    }

    pub(crate) fn wrong(&self) -> Vec<String> {
        self.wrong.lock().expect("no client has panicked").clone()
    }
}
