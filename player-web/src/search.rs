//! Looks for words in what broadcasts are called. Case and accents do not matter: who types on a phone leaves them out.
//! Pure.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Characters of a question that are looked at: a long title.
pub(crate) const MAX_CHARS: usize = 200;

/// Words of a question that are looked for.
const MAX_WORDS: usize = 12;

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    words: Vec<String>,
}

impl Question {
    /// `None` where nothing is asked.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let start: String = text.chars().take(MAX_CHARS).collect();
        let words: Vec<_> = fold(&start).split_whitespace().take(MAX_WORDS).map(str::to_owned).collect();
        (!words.is_empty()).then_some(Self { words })
    }

    /// Whether each of the words stands in one of the texts, wherever.
    pub(crate) fn fits(&self, texts: &[&str]) -> bool {
        let texts: Vec<_> = texts.iter().map(|text| fold(text)).collect();
        self.words.iter().all(|word| texts.iter().any(|text| text.contains(word)))
    }
}

/// Small letters without accents.
fn fold(text: &str) -> String {
    text.nfkd().filter(|char| !is_combining_mark(*char)).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(question: &str, expected: bool) {
        let texts = ["Asamblea de la Plaza", "Reunião às 8, com música", "Ayşe Öztürk"];
        assert_eq!(Question::new(question).unwrap().fits(&texts), expected, "{question}");
    }

    #[test]
    fn all_words_are_looked_for_without_case_and_accents() {
        check("asamblea", true);
        check("PLAZA asam", true);
        check("musica plaza", true);
        check("REUNIÃO", true);
        check("ozturk", true);
        check("plaza mayor", false);
    }

    #[test]
    fn other_scripts_are_found_too() {
        let fits = |question: &str, text: &str| Question::new(question).unwrap().fits(&[text]);
        assert!(fits("اجتماع", "اجتماع القرية"));
        assert!(fits("ОБЩЕЕ", "общее собрание"));
        assert!(fits("会議", "村の会議"));
    }

    #[test]
    fn nothing_is_asked_by_blanks() {
        for text in ["", "  ", "\t\n"] {
            assert_eq!(Question::new(text), None);
        }
    }

    proptest! {
        #[test]
        fn no_question_is_too_odd(text in ".{0,400}", title in ".{0,60}") {
            if let Some(question) = Question::new(&text) {
                prop_assert!(question.words.len() <= MAX_WORDS);
                question.fits(&[&title]);
            }
        }

        #[test]
        fn what_is_called_by_its_name_is_found(title in "[a-zA-ZÀ-ÿ]{1,20}( [a-zA-ZÀ-ÿ]{1,20}){0,3}") {
            prop_assert!(Question::new(&title).unwrap().fits(&[&title]));
        }
    }
}
