//! muxrpc: calls of several kinds over one connection.
//!
//! In: decrypted bytes. Out: packets, calls, and what happens on their substreams. [`packet`] is the framing,
//! [`session`] the state of the calls, [`service`] what this node answers to which method. All of it is pure: no
//! socket, no clock.
//!
//! Source: Scuttlebutt Protocol Guide, "RPC protocol".

pub mod packet;
pub mod service;
pub mod session;

/// The deepest nesting of JSON that is parsed. Messages of feeds may nest 64 deep, and nothing else needs as much; a
/// recursive parser never sees more.
pub const MAX_NESTING: usize = 64;

/// How deep the brackets of a JSON text nest, without recursion; for text that is not JSON some number.
pub fn nesting(json: &[u8]) -> usize {
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

    #[test]
    fn nesting_counts_brackets_outside_strings() {
        for (json, expected) in
            [(r#"1"#, 0), (r#"{"a":[[]]}"#, 3), (r#"["[[[[","\"[[","\\"]"#, 1), (r#"[],[],[]"#, 1), (r#"]]]["#, 1)]
        {
            assert_eq!(nesting(json.as_bytes()), expected, "{json}");
        }
        assert_eq!(nesting("[".repeat(100_000).as_bytes()), 100_000);
    }
}
