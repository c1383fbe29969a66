//! Errors that several ports share: the driver's, with its causes, and the log's.

/// An error of a driver, kept as the source of ours.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// An error with its causes, for a log line: `the bus is unavailable: connection refused`.
pub struct Chain<'a>(pub &'a (dyn std::error::Error + 'static));

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

/// Why the log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The database does not answer now; trying again later may help.
    #[error("the event log is unavailable")]
    Unavailable(#[source] BoxError),
    /// What the log holds cannot be an event; trying again will not help.
    #[error("the event log is corrupt")]
    Corrupt(#[source] BoxError),
}
