//! `portal doctor`: checks what the services need, and prints one line for each check.
//!
//! Invariant: it changes nothing, neither on this machine nor on a server, and prints no password.

mod machine;
mod servers;

use std::fmt;
use std::process::ExitCode;

use anyhow::Result;

use crate::settings::{Doctor, Settings};

pub(crate) async fn run(settings: &Settings, arguments: &Doctor) -> Result<ExitCode> {
    let addresses = &settings.addresses;
    let mut findings = vec![
        machine::settings(settings).await,
        machine::data_dir(&addresses.data_dir),
        machine::disk_space(&addresses.data_dir),
    ];
    findings.extend(servers::event_log(addresses, arguments.service).await);
    findings.extend(servers::bus(addresses).await);
    findings.extend(servers::view_store(addresses).await);
    for finding in &findings {
        println!("{finding}");
    }
    let has_failed = findings.iter().any(|finding| finding.level == Level::Failed);
    Ok(if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Ok,
    Warning,
    Failed,
}

impl Level {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

/// The result of one check.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    level: Level,
    /// What was checked.
    subject: &'static str,
    found: String,
    /// What to do; empty for [`Level::Ok`].
    advice: String,
}

impl Finding {
    fn ok(subject: &'static str, found: impl Into<String>) -> Self {
        Self { level: Level::Ok, subject, found: found.into(), advice: String::new() }
    }

    fn warning(subject: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { level: Level::Warning, subject, found: found.into(), advice: advice.into() }
    }

    fn failed(subject: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { level: Level::Failed, subject, found: found.into(), advice: advice.into() }
    }
}

/// One line, also when a server's error has several.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = self.found.split_whitespace().collect::<Vec<_>>().join(" ");
        write!(f, "{:<8} {}: {found}", self.level.as_str(), self.subject)?;
        if self.advice.is_empty() { Ok(()) } else { write!(f, "; {}", self.advice) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line() {
        let finding = Finding::failed("bus", "refused:\n  no such vhost", "create it");
        assert_eq!(finding.to_string(), "failed   bus: refused: no such vhost; create it");
        assert_eq!(
            Finding::ok("bus", "in this process").to_string(),
            "ok       bus: in this process"
        );
    }
}
