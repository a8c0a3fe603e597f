//! How deep JSON nests, found out without recursion: before a recursive parser sees a text of a peer.

/// The deepest nesting of JSON that is parsed, a message itself included. The signed encoding of a message indents each
/// level by two spaces where it opens and where it closes, so that a deeper message has more than the 8192 characters
/// it may have; nothing else needs as much. The recursive parsers manage several hundred levels.
pub(crate) const MAX_NESTING: usize = 64;

/// How deep the brackets of a JSON text nest, without recursion; for text that is not JSON some number.
pub(crate) fn nesting(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for &byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nesting_counts_brackets_outside_strings() {
        for (json, expected) in
            [(r#"1"#, 0), (r#"{"a":[[]]}"#, 3), (r#"["[[[[","\"[[","\\"]"#, 1), (r#"[],[],[]"#, 1), (r#"]]]["#, 1)]
        {
            assert_eq!(nesting(json.as_bytes()), expected, "{json}");
        }
        assert_eq!(nesting("[".repeat(100_000).as_bytes()), 100_000);
    }

    proptest! {
        #[test]
        fn the_depth_of_json_is_what_serde_finds(value in json(6)) {
            fn found(value: &serde_json::Value) -> usize {
                match value {
                    serde_json::Value::Array(items) => 1 + items.iter().map(found).max().unwrap_or(0),
                    serde_json::Value::Object(fields) => 1 + fields.values().map(found).max().unwrap_or(0),
                    _ => 0,
                }
            }
            prop_assert_eq!(nesting(value.to_string().as_bytes()), found(&value));
        }

        #[test]
        fn any_bytes_are_measured(bytes: Vec<u8>) {
            prop_assert!(nesting(&bytes) <= bytes.len());
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
