//! Events as they lie in the log, one module per topic.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod golden;
mod hostile;
mod mutation;
