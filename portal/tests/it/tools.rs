//! The tools of the command line and the settings, as an operator uses them.

mod doctor;
mod events;
mod exports;
mod help;
mod import;
mod replay;
mod seal;
mod secrets;
mod settings;
mod tampering;
mod tokens;
