//! What was typed into a form, and what is wrong with it.

/// A field of a form as its page shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Field {
    /// What is in it.
    pub(crate) value: String,
    /// What is wrong with that, and what to do.
    pub(crate) error: Option<String>,
}

impl Field {
    /// With a value that is not wrong.
    pub(crate) fn new(value: impl Into<String>) -> Self {
        Self { value: value.into(), error: None }
    }

    /// With what is wrong.
    pub(crate) fn wrong(value: impl Into<String>, error: impl ToString) -> Self {
        Self { value: value.into(), error: Some(error.to_string()) }
    }
}

/// Text of several lines as it was typed: browsers end each with two characters (HTML, §4.10.21.4).
pub(crate) fn lines(text: &str) -> String {
    text.replace("\r\n", "\n").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_with_one_character() {
        assert_eq!(lines("one\r\n\r\ntwo\r\n"), "one\n\ntwo");
    }
}
