//! Range requests (RFC 9110 §14): which bytes of a file a `Range` header asks for. Pure.

use std::ops::Range;

/// What to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selection {
    /// All of it: no range was asked for, or one that is not understood and so ignored (RFC 9110 §14.2).
    Whole,
    /// These bytes: not empty, within the file.
    Part(Range<u64>),
    /// None of the bytes asked for exist: status 416.
    Unsatisfiable,
}

/// Reads a `Range` header for a file of `size` bytes. One range is answered; a list of several is ignored, which
/// RFC 9110 §14.2 allows, for no player asks for it.
pub(crate) fn select(header: Option<&str>, size: u64) -> Selection {
    let Some((first, last)) = header.and_then(split) else { return Selection::Whole };
    match (first, last) {
        ("", suffix) => match number(suffix) {
            None => Selection::Whole,
            Some(0) => Selection::Unsatisfiable,
            Some(_) if size == 0 => Selection::Unsatisfiable,
            Some(length) => Selection::Part(size.saturating_sub(length)..size),
        },
        (first, "") => match number(first) {
            None => Selection::Whole,
            Some(first) if first < size => Selection::Part(first..size),
            Some(_) => Selection::Unsatisfiable,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first > last => Selection::Whole,
            (Some(first), Some(last)) if first < size => Selection::Part(first..last.saturating_add(1).min(size)),
            (Some(_), Some(_)) => Selection::Unsatisfiable,
            _ => Selection::Whole,
        },
    }
}

fn split(header: &str) -> Option<(&str, &str)> {
    let (unit, ranges) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = ranges.trim().split_once('-')?;
    Some((first, last))
}

/// Digits only; a number beyond 64 bits means "to the end", as RFC 9110 §14.1.2 says of a last position that is
/// too large.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(header: &str, size: u64, expected: Selection) {
        assert_eq!(select(Some(header), size), expected, "{header} of {size}");
    }

    #[test]
    fn ranges_are_read_as_rfc_9110_says() {
        use Selection::{Part, Unsatisfiable, Whole};
        check("bytes=0-499", 10_000, Part(0..500));
        check("bytes=500-999", 10_000, Part(500..1000));
        check("bytes=-500", 10_000, Part(9500..10_000));
        check("bytes=9500-", 10_000, Part(9500..10_000));
        check("bytes=0-0", 10_000, Part(0..1));
        check("bytes=-1", 10_000, Part(9999..10_000));
        check("bytes=-20000", 10_000, Part(0..10_000));
        check("bytes=9000-99999", 10_000, Part(9000..10_000));
        check("bytes=0-99999999999999999999999", 10, Part(0..10));
        check("Bytes = 1-2", 10, Part(1..3));
        check("bytes=10-", 10, Unsatisfiable);
        check("bytes=99999999999999999999999-", 10, Unsatisfiable);
        check("bytes=-0", 10, Unsatisfiable);
        check("bytes=0-", 0, Unsatisfiable);
        check("bytes=-5", 0, Unsatisfiable);
        for ignored in
            ["", "bytes", "bytes=", "bytes=-", "bytes=5-2", "bytes=a-b", "bytes=0-1,3-4", "items=0-1", "bytes=+1-2"]
        {
            check(ignored, 10, Whole);
        }
        assert_eq!(select(None, 10), Whole);
    }

    proptest! {
        #[test]
        fn a_part_is_never_empty_and_never_outside(header in "(bytes=)?[0-9]{0,22}-[0-9]{0,22}|.{0,40}", size: u64) {
            if let Selection::Part(range) = select(Some(&header), size) {
                prop_assert!(range.start < range.end && range.end <= size);
            }
        }

        #[test]
        fn a_range_within_the_file_is_answered_exactly(start in 0u64..1000, length in 1u64..1000, more in 0u64..1000) {
            let end = start + length;
            let header = format!("bytes={start}-{}", end - 1);
            prop_assert_eq!(select(Some(&header), end + more), Selection::Part(start..end));
        }
    }
}
