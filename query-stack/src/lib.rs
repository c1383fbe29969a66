//! The read side.

pub mod view_store;
