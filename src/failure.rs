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
        eprintln!("meshstream: {}", in_one_line(&error));
        ExitCode::from(status)
    }
}

/// An error and what caused it. A cause that the text before it tells already is not repeated.
fn in_one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if line.is_empty() {
            line = cause;
        } else if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let error = anyhow::anyhow!("no room").context("cannot write x: no room").context("cannot export");
        assert_eq!(in_one_line(&error), "cannot export: cannot write x: no room");
    }
}
