//! The command-stack's parts on their databases and buses, one module per topic.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod agenda;
mod hostile;
#[path = "../../../events/tests/it/mutation.rs"]
mod mutation;
mod relay;
mod support {
    pub(crate) mod copied_database;
    pub(crate) mod database;
    pub(crate) mod newsroom;
    pub(crate) mod relay;
}
