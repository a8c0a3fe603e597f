//! Texts of strangers, made fit to be shown.

/// A text on one line: no control characters and nothing that turns the direction of the text around it.
pub(crate) fn line(text: &str) -> String {
    text.chars().filter(|character| is_harmless(*character)).collect()
}

/// A text of several lines.
pub(crate) fn lines(text: &str) -> String {
    text.chars().filter(|character| *character == '\n' || is_harmless(*character)).collect()
}

fn is_harmless(character: char) -> bool {
    // Line and paragraph separators, and the explicit bidirectional controls of UAX #9 §2.
    let separators_and_bidi = ['\u{61c}', '\u{200e}', '\u{200f}', '\u{2028}', '\u{2029}', '\u{feff}'];
    !character.is_control()
        && !separators_and_bidi.contains(&character)
        && !('\u{202a}'..='\u{202e}').contains(&character)
        && !('\u{2066}'..='\u{2069}').contains(&character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_and_bidi_overrides_are_taken_out() {
        assert_eq!(line("a\u{202e}b\0c\u{7f}d\u{85}e\nf\u{2066}g\u{2069}"), "abcdefg");
        assert_eq!(line("Grüße, 日本 🎥 שלום"), "Grüße, 日本 🎥 שלום");
        assert_eq!(lines("one\r\ntwo\u{2028}"), "one\ntwo");
    }
}
