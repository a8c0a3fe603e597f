//! What a reader puts into a command.

use std::path::Path;

/// Whether a word stands alone in it.
pub(crate) fn has_word(text: &str, word: &str) -> bool {
    replace_words(text, word, "") != text
}

/// Replaces a word where it stands alone: `ID` is not in `--IDS`.
pub(crate) fn replace_words(text: &str, word: &str, value: &str) -> String {
    let is_of_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut replaced = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let (before, after) = (&rest[..at], &rest[at + word.len()..]);
        let alone = !before.ends_with(is_of_word) && !after.starts_with(is_of_word);
        replaced.push_str(before);
        replaced.push_str(if alone { value } else { word });
        rest = after;
    }
    replaced + rest
}

/// Leads the paths of a system's directory, such as `/etc/`, to those below a root.
pub(crate) fn within(root: &Path, text: &str, directory: &str) -> String {
    let mut led = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(directory) {
        let (before, after) = rest.split_at(at);
        led.push_str(before);
        // It begins a path, and is no part of one.
        if !before.ends_with(|letter: char| letter.is_alphanumeric() || "._-}…".contains(letter)) {
            led.push_str(&root.display().to_string());
        }
        led.push_str(directory);
        rest = &after[directory.len()..];
    }
    led + rest
}

#[test]
fn paths_of_the_system_are_led_to_the_stage() {
    for (text, expected) in [
        ("cp a /etc/b", "cp a /root/etc/b"),
        ("cat >'/etc/b' file:///etc/c", "cat >'/root/etc/b' file:///root/etc/c"),
        ("deploy/etc/b $HOME/etc/ x.d/etc/", "deploy/etc/b $HOME/etc/ x.d/etc/"),
    ] {
        assert_eq!(within(Path::new("/root"), text, "/etc/"), expected);
    }
}

#[test]
fn words_are_replaced_where_they_stand_alone() {
    assert_eq!(replace_words("add ID IDS --ID=ID?key=KEY", "ID", "x"), "add x IDS --x=x?key=KEY");
    assert!(has_word("a KEY", "KEY") && !has_word("a KEYS", "KEY"));
}
