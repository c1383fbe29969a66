//! `portal token` and `portal rotate-signing-key`: what the owner of the data directory may do
//! without being signed in. That is how there can be a first admin.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::Result;
use chrono::Utc;
use command_stack::signing_keys;
use events::UserId;
use proto::token::Principal;
use uuid::Uuid;

use crate::settings::{Addresses, Token};
use crate::wiring;

/// Prints nothing but the token, for `$(portal token --role admin)`.
pub(crate) fn issue(addresses: &Addresses, arguments: &Token) -> Result<()> {
    let keys = wiring::signing_keys(addresses)?;
    let principal = Principal {
        user_id: UserId(arguments.user.unwrap_or_else(Uuid::now_v7)),
        roles: arguments.roles.iter().copied().collect(),
        session: None,
    };
    let lifetime = Duration::from_secs(u64::from(arguments.minutes) * 60);
    let token = keys.sign(&principal, lifetime, Utc::now().into())?;
    Ok(writeln!(io::stdout(), "{token}")?)
}

pub(crate) fn rotate(addresses: &Addresses) -> Result<()> {
    let path = wiring::signing_keys_file(addresses);
    let kid = signing_keys::rotate(&path, Utc::now().into())?;
    Ok(writeln!(io::stdout(), "{kid}")?)
}
