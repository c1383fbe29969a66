//! The write side: commands come in over HTTP, are decided by pure functions, and what follows is
//! appended to the event log; the relay carries the log to the bus.
//!
//! Invariant: the log is the only thing that is written for a command, so there is nothing that
//! could be half done. (Credentials are the one exception: see [`credentials`].)

pub mod aggregate;
pub mod command_handler;
pub mod credentials;
pub mod event_log;
pub mod http;
pub mod news;
pub mod relay;
pub mod user;
