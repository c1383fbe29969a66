//! The write side: commands come in over HTTP, are decided by pure functions, and what follows is
//! appended to the event log; the relay carries the log to the bus.
//!
//! Invariant: the log is the only thing that is written for a command, so there is nothing that
//! could be half done. (What must be possible to destroy is the one exception: see [`accounts`].)

pub mod access;
pub mod accounts;
pub mod agenda;
pub mod aggregate;
pub mod caller;
pub mod clock;
pub mod command_handler;
pub mod email_digest;
pub mod event_log;
pub mod front;
pub mod http;
pub mod news;
#[cfg(test)]
mod newsroom_page;
pub mod passwords;
pub mod relay;
pub mod sessions;
pub mod signing_keys;
pub mod user;
pub mod webhooks;
