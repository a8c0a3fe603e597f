//! The name that a node has on its link, by mDNS: `NAME.local`, made of the name that its owner gave it.

/// Most characters of a label (RFC 1035 §2.3.4), less room for the number that it gets where another host has it.
const MAX_LABEL: usize = 59;

/// The label of a node: letters and digits of its name, the rest as single hyphens; `meshstream` where nothing is left.
pub(crate) fn label(name: &str) -> String {
    let mut label = String::new();
    for part in name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()) {
        if !label.is_empty() {
            label.push('-');
        }
        label.push_str(&part.to_ascii_lowercase());
    }
    label.truncate(MAX_LABEL);
    match label.trim_end_matches('-') {
        "" => "meshstream".to_owned(),
        label => label.to_owned(),
    }
}

/// The names by which browsers on this link reach the node: its own, and the machine's.
pub(crate) fn local_names(name: &str) -> Vec<String> {
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let machine = machine.trim();
    vec![format!("{}.local", label(name)), machine.to_owned(), format!("{machine}.local")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_what_may_stand_in_a_name() {
        for (name, expected) in [
            ("roof", "roof"),
            ("Roof North!", "roof-north"),
            ("Café – 2", "caf-2"),
            ("屋上", "meshstream"),
            ("--", "meshstream"),
            ("", "meshstream"),
            ("a.b_c", "a-b-c"),
        ] {
            assert_eq!(label(name), expected, "{name}");
        }
        assert_eq!(label(&"x".repeat(100)).len(), MAX_LABEL);
        assert_eq!(label(&format!("{} y", "x".repeat(58))), "x".repeat(58));
    }
}
