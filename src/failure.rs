//! How the program fails: what it says, and its exit status.

use std::process::ExitCode;

/// Why the program ends with an error.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Wrong arguments or configuration.
    Usage(anyhow::Error),
    /// Everything else.
    Runtime(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Runtime(error)
    }
}

impl Failure {
    /// Tells it on standard error and chooses the exit status.
    #[expect(clippy::print_stderr, reason = "this is where errors reach the person at the terminal")]
    pub(crate) fn report(self) -> ExitCode {
        let (error, status) = match self {
            Self::Usage(error) => (error, 2),
            Self::Runtime(error) => (error, 1),
        };
        eprintln!("meshstream: {error:#}");
        ExitCode::from(status)
    }
}
