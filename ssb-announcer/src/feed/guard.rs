//! Bounds on raw bytes, checked before any parser sees them: the parsers recurse, and a message of 2 KB nested a
//! thousand deep would end the process.

use super::Rejected;
use crate::nesting::{MAX_NESTING, nesting};

/// UTF-16 units in the signed encoding of a message (SSB protocol guide, "Message format").
pub(super) const MAX_UTF16_UNITS: usize = 8192;

/// Bytes of a message on the wire: a UTF-16 unit takes at most three bytes of UTF-8, and the wire's encoding is
/// not longer than the signed one.
pub const MAX_RAW_BYTES: usize = 3 * MAX_UTF16_UNITS;

/// Accepts bytes that a recursive JSON parser may see.
pub(super) fn check(raw: &[u8]) -> Result<&str, Rejected> {
    if raw.len() > MAX_RAW_BYTES {
        return Err(Rejected::TooLarge);
    }
    if nesting(raw) > MAX_NESTING {
        return Err(Rejected::TooDeep);
    }
    std::str::from_utf8(raw).map_err(|_| Rejected::Malformed("not UTF-8".into()))
}

/// Length of a text as JavaScript counts it.
pub(super) fn utf16_units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_are_exact() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(check(nested(MAX_NESTING).as_bytes()).is_ok());
        assert_eq!(check(nested(MAX_NESTING + 1).as_bytes()), Err(Rejected::TooDeep));
        assert!(check(" ".repeat(MAX_RAW_BYTES).as_bytes()).is_ok());
        assert_eq!(check(" ".repeat(MAX_RAW_BYTES + 1).as_bytes()), Err(Rejected::TooLarge));
    }
}
