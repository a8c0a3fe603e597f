//! Names of files to be kept (RFC 6266). Pure: a title of somebody else goes in, a header that harms nobody comes out.

/// Characters of a title in a name: systems take 255 bytes, and a character has up to four.
const MAX_CHARACTERS: usize = 50;

/// `Content-Disposition` for a file that is named after a title, with what tells it from others of the same title.
pub(crate) fn attachment(title: &str, suffix: &str, extension: &str) -> String {
    let title = file_name(title);
    let title = if title.is_empty() { "broadcast" } else { &title };
    let name = format!("{title}{suffix}.{extension}");
    let plain: String = name.chars().map(|c| if c.is_ascii() && c != '%' { c } else { '_' }).collect();
    let mut encoded = String::with_capacity(name.len() * 3);
    for byte in name.bytes() {
        // attr-char of RFC 5987 §3.2.1, but for a few that nobody misses.
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

/// A title without what systems do not allow in a name, what changes how a name is read, and dots at its beginning.
fn file_name(title: &str) -> String {
    let allowed = |c: char| match c {
        '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '-',
        c if c.is_control() || c.is_whitespace() => ' ',
        c => c,
    };
    let name: String = title.chars().map(allowed).filter(|c| !is_invisible(*c)).take(MAX_CHARACTERS).collect();
    name.split_whitespace().collect::<Vec<_>>().join(" ").trim_matches(['.', ' ']).to_owned()
}

/// Marks of writing direction, joiners and the like.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn titles_become_names() {
        for (title, plain, encoded) in [
            ("Village council", "Village council.mp4", "Village%20council.mp4"),
            ("", "broadcast.mp4", "broadcast.mp4"),
            (" .. / ..\\..", "- ..-.mp4", "-%20..-.mp4"),
            ("a\"b\r\nX: y", "a-b X- y.mp4", "a-b%20X-%20y.mp4"),
            ("Übertragung 100%", "_bertragung 100_.mp4", "%C3%9Cbertragung%20100%25.mp4"),
            ("exe\u{202e}4pm.", "exe4pm.mp4", "exe4pm.mp4"),
        ] {
            let expected = format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}");
            assert_eq!(attachment(title, "", "mp4"), expected);
        }
        assert!(attachment("a", " 0.01.00-0.02.00", "mp4").contains("\"a 0.01.00-0.02.00.mp4\""));
    }

    proptest! {
        #[test]
        fn any_title_is_one_header_and_one_name(title: String) {
            let header = attachment(&title, "", "mp4");
            prop_assert!(HeaderValue::try_from(&header).is_ok());
            prop_assert_eq!(header.matches('"').count(), 2);
            prop_assert!(!header.contains('/') && !header.contains('\\'));
            prop_assert!(file_name(&title).len() <= 4 * MAX_CHARACTERS);
        }
    }
}
