//! How webhooks are delivered.

use std::time::Duration;

use clap::Args;
use command_stack::webhooks::Terms;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Settings")]
pub(crate) struct Webhooks {
    /// Allow webhooks to http: addresses and to addresses that are not public (loopback, private
    /// networks). An admin can then reach whatever this machine can reach
    #[arg(long, global = true, env = "PORTAL_WEBHOOK_ALLOW_PRIVATE")]
    webhook_allow_private: bool,

    /// The pause after the first failed delivery of a webhook. Each further pause is four times as
    /// long, up to 4h
    #[arg(
        long,
        global = true,
        env = "PORTAL_WEBHOOK_RETRY",
        value_name = "DURATION",
        value_parser = parse_duration,
        default_value = "5s"
    )]
    webhook_retry: Duration,

    /// A webhook is disabled when every delivery has failed for this time
    #[arg(
        long,
        global = true,
        env = "PORTAL_WEBHOOK_GIVE_UP",
        value_name = "DURATION",
        value_parser = parse_duration,
        default_value = "72h"
    )]
    webhook_give_up: Duration,
}

impl Webhooks {
    pub(crate) const fn terms(&self) -> Terms {
        Terms {
            allow_private: self.webhook_allow_private,
            retry: self.webhook_retry,
            give_up: self.webhook_give_up,
        }
    }
}

/// Parses a whole number with a unit, at most a year.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_lowercase());
    let unit_ms = match &text[digits.len()..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => 0,
    };
    let duration = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit_ms));
    let year = Duration::from_hours(24 * 365);
    let duration = duration.map(Duration::from_millis).filter(|it| !it.is_zero() && *it <= year);
    duration.ok_or_else(|| "a duration such as 500ms, 5s, 30m or 72h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_with_a_unit() {
        for (text, seconds) in [("5s", 5), ("30m", 1_800), ("72h", 259_200), ("2000ms", 2)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for wrong in ["", "5", "s", "-5s", "0s", "5d", "5 s", "1.5h", "99999h", "ä"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }
}
