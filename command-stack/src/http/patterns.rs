//! The patterns of texts in the bodies of commands, as the OpenAPI document shows them.

/// A text that is not blank and that PostgreSQL can hold.
pub(super) const TEXT: &str = r"^[^\x00]*[^\s\x00][^\x00]*$";
/// The same, or an empty one.
pub(super) const ANY_TEXT: &str = r"^[^\x00]*$";
/// One `@` with something on both sides.
pub(super) const EMAIL: &str = r"^[^@\s\x00-\x1f\x7f-\x9f]+@[^@\s\x00-\x1f\x7f-\x9f]+$";
