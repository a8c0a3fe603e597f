//! What a test does without where a machine does not have or permit it.

use std::io::{self, Write as _};

use anyhow::{Result, bail};

/// Whether these are the tests of CI (the environment variable `CI` is `true`): it shows more, and skips nothing that it can do.
pub(crate) fn in_ci() -> bool {
    std::env::var("CI").as_deref() == Ok("true")
}

/// Says on standard error what is skipped.
///
/// # Errors
/// Where standard error is closed.
pub(crate) fn skip(why: &str) -> Result<()> {
    // Not by a macro: what those print is shown for failed tests only.
    Ok(writeln!(io::stderr(), "skipped: {why}")?)
}

/// Likewise, of what CI must be able to do.
///
/// # Errors
/// In CI, with the reason.
pub(crate) fn skip_but_in_ci(why: &str) -> Result<()> {
    if in_ci() {
        bail!("{why}");
    }
    skip(why)
}
