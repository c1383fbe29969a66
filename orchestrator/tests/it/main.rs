//! The orchestrator in front of stand-ins for the services behind it, one module per topic.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod door;
mod readings;
mod stand_ins;
