//! Takes the value out of `{"key", "value", "timestamp"}`, byte for byte, for peers that send this although they were asked
//! for values alone. Pure.

use bytes::Bytes;

/// The bytes of the field `value` of a JSON object; `None` where there is none. For text that is not JSON some bytes,
/// which are then no message. It is a copy: a part of a packet that waits somewhere would keep all of it in memory.
pub fn value_of(body: &Bytes) -> Option<Bytes> {
    let mut depth = 0usize;
    let (mut in_string, mut escaped) = (false, false);
    let (mut text_began, mut text) = (0, 0..0);
    let mut began = None;
    for (at, &byte) in body.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' if in_string => (in_string, text) = (false, text_began..at),
            b'"' => (in_string, text_began) = (true, at + 1),
            _ if in_string => {}
            b':' if depth == 1 && began.is_none() && &body[text.clone()] == b"value" => began = Some(at + 1),
            b'{' | b'[' => depth += 1,
            b',' if depth == 1 && began.is_some() => {
                return began.map(|began| Bytes::copy_from_slice(&body[began..at]));
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return began.map(|began| Bytes::copy_from_slice(&body[began..at]));
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_value_is_found_wherever_it_stands() {
        for (json, expected) in [
            (r#"{"key":"k","value":{"a":["}"]},"timestamp":1}"#, Some(r#"{"a":["}"]}"#)),
            (r#"{"value":{"value":"\"}"}}"#, Some(r#"{"value":"\"}"}"#)),
            (r#"{"a":{"value":1},"b":"value","value":2}"#, Some("2")),
            (r#"{"previous":null,"content":{"value":1}}"#, None),
            (r#"{"sync":true}"#, None),
            (r#"["value",1]"#, None),
            (r#"{"value":{"#, None),
            ("", None),
        ] {
            let found = value_of(&Bytes::copy_from_slice(json.as_bytes()));
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{json}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = value_of(&bytes.into());
        }
    }
}
