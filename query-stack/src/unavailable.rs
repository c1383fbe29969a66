//! The error that the stores of views and of readings share: they are one database.

use events::BoxError;

/// The store does not answer or refused; trying again may help.
#[derive(Debug, thiserror::Error)]
#[error("the view store is unavailable")]
pub struct Unavailable(#[source] pub BoxError);
