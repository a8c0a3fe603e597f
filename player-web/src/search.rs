//! Looks for words in what broadcasts are called, and in the documents. Case and accents do not matter: who types on a phone leaves them out.
//! Pure.

use book::Section;
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

/// A place in the documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// Below `/docs/`.
    pub(crate) path: String,
    /// The title of the page.
    pub(crate) title: String,
    /// What the place is about; empty at the top of a page.
    pub(crate) heading: String,
    /// Where one of the words stands in the text, or how that begins.
    pub(crate) excerpt: String,
}

/// Characters of an excerpt before the word that is looked for, and in all.
const EXCERPT: (usize, usize) = (60, 200);

/// The sections that have all words, those first that have them in headings and titles.
pub(crate) fn in_sections<'a>(
    question: &Question,
    sections: impl Iterator<Item = Section<'a>>,
    most: usize,
) -> Vec<Found> {
    let mut found: Vec<(usize, Section<'_>, String)> = sections
        .filter_map(|section| {
            // The documents are in English: their letters are folded at the speed of memory.
            let [title, heading, text] =
                [section.title, section.heading, section.text].map(|text| text.to_ascii_lowercase());
            let weights = question.words.iter().map(|word| {
                let has = |text: &str, weight| if text.contains(word.as_str()) { weight } else { 0 };
                Some(has(&heading, 8) + has(&title, 4) + has(&text, 1)).filter(|weight| *weight > 0)
            });
            Some((weights.sum::<Option<usize>>()?, section, text))
        })
        .collect();
    found.sort_by_key(|(weight, ..)| std::cmp::Reverse(*weight));
    found.truncate(most);
    let found = found.into_iter().map(|(_, section, folded)| Found {
        path: match section.anchor {
            "" => section.path.to_owned(),
            anchor => format!("{}#{anchor}", section.path),
        },
        title: section.title.to_owned(),
        heading: if section.anchor.is_empty() { String::new() } else { section.heading.to_owned() },
        excerpt: excerpt(section.text, question.words.iter().find_map(|word| folded.find(word.as_str())).unwrap_or(0)),
    });
    found.collect()
}

/// What stands around a place, in whole words.
fn excerpt(text: &str, at: usize) -> String {
    let (before, all) = EXCERPT;
    let start = text[..at].char_indices().rev().nth(before).map_or(0, |(start, _)| start);
    let start = if start == 0 { 0 } else { text[start..at].find(' ').map_or(at, |space| start + space + 1) };
    let rest = &text[start..];
    let Some((end, _)) = rest.char_indices().nth(all) else { return mark(start, rest, "") };
    mark(start, rest[..end].rsplit_once(' ').map_or(&rest[..end], |(whole, _)| whole), " …")
}

fn mark(start: usize, text: &str, end: &str) -> String {
    format!("{}{text}{end}", if start == 0 { "" } else { "… " })
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

    fn section<'a>(anchor: &'a str, heading: &'a str, text: &'a str) -> Section<'a> {
        Section { path: "a.html", anchor, title: "Keys", heading, text }
    }

    #[test]
    fn sections_with_the_words_in_headings_come_first_and_all_words_are_there() {
        let sections = [
            section("", "Keys", "Each STREAM has one."),
            section("streams", "Streams", "What a stream is."),
            section("none", "Nothing", "Neither."),
        ];
        let found = |question: &str, most| {
            let found = in_sections(&Question::new(question).unwrap(), sections.into_iter(), most);
            found.into_iter().map(|found| (found.path, found.heading, found.excerpt)).collect::<Vec<_>>()
        };
        let streams = ("a.html#streams".to_owned(), "Streams".to_owned(), "What a stream is.".to_owned());
        let top = ("a.html".to_owned(), String::new(), "Each STREAM has one.".to_owned());
        assert_eq!(found("stream", 9), [streams.clone(), top.clone()]);
        assert_eq!(found("Stréam", 1), [streams]);
        assert_eq!(found("stream each", 9), [top]);
        assert_eq!(found("stream neither", 9), []);
    }

    #[test]
    fn an_excerpt_is_around_the_word_in_whole_words() {
        let text = format!("{}needle {}", "héy ".repeat(50), "straw ".repeat(80));
        let excerpt = excerpt(&text, text.find("needle").unwrap());
        assert!(excerpt.starts_with("… héy") && excerpt.ends_with("straw …"), "{excerpt}");
        assert!(excerpt.contains("needle") && excerpt.chars().count() <= EXCERPT.1 + 4, "{excerpt}");
    }

    proptest! {
        #[test]
        fn an_excerpt_of_anything_ends(text in ".{0,400}", part in 0.0..1.0) {
            let at = text.char_indices().nth((text.chars().count() as f64 * part) as usize).map_or(0, |(at, _)| at);
            prop_assert!(excerpt(&text, at).chars().count() <= EXCERPT.1 + 4);
        }

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
