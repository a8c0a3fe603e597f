use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;

fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
}

#[track_caller]
fn check_accept(accept: &str, expected: &str) {
    assert_eq!(Texts::of(None, &headers(&[(header::ACCEPT_LANGUAGE, accept)])).lang(), expected, "{accept}");
}

#[test]
fn the_language_with_the_highest_weight_is_spoken() {
    check_accept("es", "es");
    check_accept("pt-BR,pt;q=0.9,en;q=0.8", "pt");
    check_accept("en;q=0.5, fr;q=0.8", "fr");
    check_accept("de, fr;q=0.3", "fr");
    check_accept("de-AT, ja", "en");
    check_accept("fr;q=0, es;q=0.1", "es");
    check_accept("FR-ca", "fr");
    check_accept("*, es;q=0.9", "en");
    check_accept("es;q=0.5, fr;q=0.5", "es");
    for odd in ["", ";", ",,,", "q=1", "es;q=", "es;q=2", "es;q=0.1234", "es;q=0.+5", "es;q=-1", "español"] {
        check_accept(odd, "en");
    }
}

#[test]
fn an_address_outweighs_a_cookie_and_that_the_browsers_languages() {
    let both = headers(&[(header::ACCEPT_LANGUAGE, "fr"), (header::COOKIE, "a=b; lang=es; c=d")]);
    assert_eq!(Texts::of(None, &both).lang(), "es");
    assert_eq!(Texts::of(Some("x=y&lang=pt"), &both).lang(), "pt");
    assert_eq!(Texts::of(Some("lang=xx"), &both).lang(), "es", "what is not spoken is passed over");
    let odd = headers(&[(header::ACCEPT_LANGUAGE, "fr"), (header::COOKIE, "lang=xx; xlang=es")]);
    assert_eq!(Texts::of(Some(""), &odd).lang(), "fr");
}

#[test]
fn a_chosen_language_is_remembered_and_caches_are_told_what_it_depends_on() {
    let labelled = |query| {
        let mut answer = HeaderMap::new();
        Texts::of(query, &HeaderMap::new()).label(&mut answer);
        answer
    };
    let chosen = labelled(Some("lang=es"));
    assert_eq!(chosen["set-cookie"], "lang=es; Path=/; Max-Age=31536000; SameSite=Lax");
    assert_eq!(
        (&chosen["vary"], &chosen["content-language"]),
        (&"Accept-Language, Cookie".parse().unwrap(), &"es".parse().unwrap())
    );
    assert!(!labelled(None).contains_key("set-cookie"));
}

#[test]
fn values_are_isolated_and_cannot_leave_their_isolation() {
    let texts = Texts::of(Some("lang=es"), &HeaderMap::new());
    assert_eq!(texts.get("in-answer-to").arg("name", "أحمد").to_string(), "En respuesta a \u{2068}أحمد\u{2069}");
    let hostile = texts.get("in-answer-to").arg("name", "a\u{2069}\u{202e}b").to_string();
    assert_eq!(hostile, "En respuesta a \u{2068}ab\u{2069}");
}

#[test]
fn numbers_choose_the_form_of_their_language() {
    let line = |lang: &str, peers: usize| {
        let texts = Texts::of(Some(&format!("lang={lang}")), &HeaderMap::new());
        texts.get("node-connected").arg("peers", peers).to_string().replace(['\u{2068}', '\u{2069}'], "")
    };
    assert_eq!(line("en", 1), "Connected to 1 other node.");
    assert_eq!(line("en", 2), "Connected to 2 other nodes.");
    assert_eq!(line("fr", 0), "Relié à 0 autre nœud.", "zero is singular in French");
}

proptest! {
    #[test]
    fn no_header_or_address_is_too_odd(query in ".{0,60}", header in "[ -~]{0,120}") {
        let both = headers(&[(header::ACCEPT_LANGUAGE, header.as_str()), (header::COOKIE, header.as_str())]);
        let texts = Texts::of(Some(&query), &both);
        prop_assert!(LANGUAGES.iter().any(|language| language.code == texts.lang()));
    }
}

/// The messages of a catalogue, each with the variables that it names.
fn messages(language: &Language) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut current = String::new();
    for line in language.source.lines().filter(|line| !line.starts_with('#')) {
        let key = line.split_once('=').filter(|_| line.starts_with(|first: char| first.is_ascii_lowercase()));
        if let Some((key, _)) = key {
            current = key.trim().to_owned();
            assert!(!found.contains_key(&current), "{current} is twice in {}", language.code);
            found.insert(current.clone(), BTreeSet::new());
        }
        for name in line.split('$').skip(1) {
            let end = name.find(|char: char| !char.is_ascii_alphanumeric() && char != '-' && char != '_');
            found.get_mut(&current).unwrap().insert(name[..end.unwrap_or(name.len())].to_owned());
        }
    }
    found
}

#[test]
fn every_language_says_everything_with_the_same_values() {
    let english = messages(&LANGUAGES[0]);
    for language in &LANGUAGES {
        let problems = FluentResource::try_new(language.source.to_owned()).err().map(|(_, problems)| problems);
        assert_eq!(problems, None, "{} is not Fluent", language.code);
        let these = messages(language);
        for (key, values) in &english {
            assert_eq!(these.get(key), Some(values), "{key} in {}", language.code);
        }
        for key in these.keys() {
            assert!(english.contains_key(key), "{key} of {} is not in en", language.code);
            assert_ne!(Texts::of(Some(&format!("lang={}", language.code)), &HeaderMap::new()).get_any(key), *key);
        }
    }
}

impl Texts {
    fn get_any(self, key: &str) -> String {
        let bundle = &CATALOGUES[self.index];
        let message = bundle.get_message(key).unwrap_or_else(|| panic!("no {key} in {}", self.lang()));
        bundle.format_pattern(message.value().unwrap(), None, &mut Vec::new()).into_owned()
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if matches!(path.extension().and_then(|name| name.to_str()), Some("rs" | "html" | "ts")) {
            found.push(path);
        }
    }
}

#[test]
fn every_text_that_is_shown_is_in_the_catalogue_and_nothing_else_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    for folder in ["src", "templates", "web/src"] {
        files(&root.join(folder), &mut sources);
    }
    let english = messages(&LANGUAGES[0]);
    let mut all = String::new();
    for path in sources.iter().filter(|path| !path.ends_with("texts/tests.rs") && !path.ends_with("src/texts.test.ts"))
    {
        let source = std::fs::read_to_string(path).unwrap();
        for (place, _) in source.match_indices("t.get(") {
            let part_of_word = source[..place].ends_with(|char: char| char.is_ascii_alphanumeric() || char == '_');
            let Some(rest) = source[place + 6..].trim_start().strip_prefix('"') else { continue };
            let key = rest.split('"').next().unwrap();
            assert!(part_of_word || english.contains_key(key), "{} shows {key:?}, which is no text", path.display());
        }
        all += &source;
    }
    for key in english.keys() {
        assert!(all.contains(&format!("\"{key}\"")), "nothing shows {key}: take it out of the catalogues");
    }
}
