//! Bounds on raw bytes, checked before any parser sees them: the parsers recurse, and a message of 2 KB nested a
//! thousand deep would end the process.

use super::Rejected;

/// Arrays and objects inside each other, the message itself included. The signed encoding indents each level by two
/// spaces where it opens and where it closes, so that a deeper message has more than 8192 characters anyway; the
/// recursive parsers manage several hundred levels.
pub const MAX_DEPTH: usize = 64;

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
    if depth(raw) > MAX_DEPTH {
        return Err(Rejected::TooDeep);
    }
    std::str::from_utf8(raw).map_err(|_| Rejected::Malformed("not UTF-8".into()))
}

/// The deepest nesting of brackets outside strings, without recursion. On text that is not JSON it may say
/// anything up to the number of brackets; a parser that stops at the first error goes no deeper than it says.
fn depth(raw: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0usize, 0usize);
    let (mut in_string, mut escaped) = (false, false);
    for &byte in raw {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Length of a text as JavaScript counts it.
pub(super) fn utf16_units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn brackets_in_strings_do_not_count() {
        assert_eq!(depth(br#"{"a":"[[[[\"[[[","b":[1,[2]]}"#), 3);
        assert_eq!(depth(br#""\\"[{"#), 2);
        assert_eq!(depth(b""), 0);
        assert_eq!(depth(b"]]][["), 2);
    }

    #[test]
    fn the_bounds_are_exact() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(check(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(check(nested(MAX_DEPTH + 1).as_bytes()), Err(Rejected::TooDeep));
        assert!(check(" ".repeat(MAX_RAW_BYTES).as_bytes()).is_ok());
        assert_eq!(check(" ".repeat(MAX_RAW_BYTES + 1).as_bytes()), Err(Rejected::TooLarge));
    }

    proptest! {
        #[test]
        fn the_depth_of_json_is_what_serde_finds(value in json(6)) {
            fn nesting(value: &serde_json::Value) -> usize {
                match value {
                    serde_json::Value::Array(items) => 1 + items.iter().map(nesting).max().unwrap_or(0),
                    serde_json::Value::Object(fields) => 1 + fields.values().map(nesting).max().unwrap_or(0),
                    _ => 0,
                }
            }
            prop_assert_eq!(depth(value.to_string().as_bytes()), nesting(&value));
        }

        #[test]
        fn any_bytes_are_measured(bytes: Vec<u8>) {
            prop_assert!(depth(&bytes) <= bytes.len());
        }
    }

    fn json(depth: u32) -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<i32>().prop_map(serde_json::Value::from),
            "[\\[\\]{}\"\\\\a]{0,6}".prop_map(serde_json::Value::from),
        ];
        leaf.prop_recursive(depth, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
                prop::collection::btree_map("[a-c\\[\"]{1,2}", inner, 0..4)
                    .prop_map(|fields| serde_json::Value::Object(fields.into_iter().collect())),
            ]
        })
    }
}
