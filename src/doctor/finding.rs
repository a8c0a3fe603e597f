//! What was found, and what to do.

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// There is no such thing here, which many nodes can do without.
    Absent,
    /// As it should be.
    Ok,
    /// It works, and somebody should look.
    Warning,
    /// It keeps the node from its work.
    Failure,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// What was looked at: a word for programs.
    pub(crate) check: &'static str,
    pub(crate) state: State,
    /// What was found, for people.
    pub(crate) found: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mend: Option<String>,
}

impl Finding {
    pub(crate) fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, state: State::Ok, found: found.into(), mend: None }
    }

    pub(crate) fn absent(check: &'static str, found: impl Into<String>, how: impl Into<String>) -> Self {
        Self { check, state: State::Absent, found: found.into(), mend: Some(how.into()) }
    }

    pub(crate) fn warning(check: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { check, state: State::Warning, found: found.into(), mend: Some(mend.into()) }
    }

    pub(crate) fn failure(check: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { check, state: State::Failure, found: found.into(), mend: Some(mend.into()) }
    }
}
