//! The tools of the command line and the settings, as an operator uses them.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

/// Runs each test on both wirings.
macro_rules! on_both_wirings {
    ($($test:ident)*) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread")] async fn $test() {
                super::$test(crate::support::Wiring::Embedded).await
            })*
        }
        mod servers {
            $(#[tokio::test(flavor = "multi_thread")] async fn $test() {
                super::$test(crate::support::Wiring::Servers).await
            })*
        }
    };
}

#[path = "tools/events.rs"]
mod events;
#[path = "tools/exports.rs"]
mod exports;
#[path = "tools/import.rs"]
mod import;
#[path = "tools/replay.rs"]
mod replay;
#[path = "tools/seal.rs"]
mod seal;
#[path = "tools/secrets.rs"]
mod secrets;
#[path = "tools/settings.rs"]
mod settings;
#[path = "tools/tampering.rs"]
mod tampering;
#[path = "tools/tokens.rs"]
mod tokens;
