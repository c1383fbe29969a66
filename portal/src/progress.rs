//! Progress of a tool: a bar on a terminal, otherwise one line a second.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use query_stack::Progress;

const LINE_INTERVAL: Duration = Duration::from_secs(1);

/// A progress bar on a terminal, or lines on standard error otherwise.
pub(crate) struct Meter {
    what: String,
    unit: &'static str,
    bar: Option<ProgressBar>,
    done: u64,
    began: Instant,
    /// Time of the last line; `None` before the first.
    printed: Option<Instant>,
}

impl Meter {
    pub(crate) fn new(what: String, unit: &'static str) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{msg} [{bar:30}] {percent}%, {eta} left");
            let bar = ProgressBar::new(0).with_message(what.clone());
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self { what, unit, bar, done: 0, began: Instant::now(), printed: None }
    }

    /// Shows `done` processed units and the progress `at` out of `end`, which may change.
    pub(crate) fn show(&mut self, done: u64, at: u64, end: u64) {
        let end = end.max(at);
        self.done = done;
        if let Some(bar) = &self.bar {
            bar.set_length(end);
            bar.set_position(at);
            bar.set_message(format!("{}: {}", self.what, self.rate()));
        } else if at < end && self.printed.is_none_or(|last| last.elapsed() >= LINE_INTERVAL) {
            self.printed = Some(Instant::now());
            let (percent, left) = (at * 100 / end.max(1), self.seconds_left(at, end));
            eprintln!("{}: {percent}%, {}, {left} s left", self.what, self.rate());
        }
    }

    /// Shows the progress of a rebuild or a verification.
    pub(crate) fn follow(&mut self) -> impl FnMut(Progress) + Send {
        |Progress { events, total }| self.show(events, events, total)
    }

    /// Removes the bar and returns the totals; the caller prints the result.
    pub(crate) fn finish(self) -> String {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        format!("{} in {:.1} s", self.rate(), self.began.elapsed().as_secs_f64())
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    fn rate(&self) -> String {
        let seconds = self.began.elapsed().as_secs_f64().max(0.001);
        format!("{} {} ({:.0}/s)", self.done, self.unit, self.done as f64 / seconds)
    }

    /// Estimated from the mean speed so far.
    fn seconds_left(&self, at: u64, end: u64) -> u64 {
        let left = self.began.elapsed().as_millis() * u128::from(end - at) / u128::from(at.max(1));
        u64::try_from(left / 1_000).unwrap_or(u64::MAX)
    }
}

/// Peak memory of this process in MiB; `None` where the system does not report it.
pub(crate) fn peak_memory_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib / 1024)
}
