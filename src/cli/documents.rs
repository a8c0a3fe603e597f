//! The commands in the project's documents are commands of this program. That they work, too, is for `tests/documents`.

use std::path::Path;

use clap::Parser as _;
use clap::error::ErrorKind;
use testkit::documents::{Page, pages, programs, words};

use super::Arguments;

/// What begins like a command in sentences and is none: labels from which keys are derived.
const LABELS: [&str; 6] = [
    "meshstream community invite v1",
    "meshstream community name v1",
    "meshstream ipfs swarm key v1",
    "meshstream node record v1",
    "meshstream release v1",
    "meshstream ssb network key v1",
];

fn documents() -> Vec<Page> {
    pages(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Why the words are no command; a mention in a sentence may leave arguments out.
fn wrong(words: &[String], mention: bool) -> Option<String> {
    let error = Arguments::try_parse_from(words).err()?;
    // "NAME", "FILE.car", "${CAMERA}", "…": a reader puts something in its place.
    let stands_for = |word: &String| word.contains(['…', '$']) || word.bytes().any(|byte| byte.is_ascii_uppercase());
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => None,
        ErrorKind::MissingRequiredArgument
        | ErrorKind::MissingSubcommand
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        | ErrorKind::TooFewValues
            if mention =>
        {
            None
        }
        ErrorKind::ValueValidation | ErrorKind::InvalidValue if words[1..].iter().any(stands_for) => None,
        _ => Some(error.to_string()),
    }
}

fn is_ours(words: &[String]) -> bool {
    words.first().is_some_and(|program| program == "meshstream" || program.ends_with("/meshstream"))
}

/// `key add|list` means two commands, `check [--repair]` one with an option, and what comes after `…` is left open.
fn meant(span: &str) -> Vec<String> {
    let mut commands = vec![String::new()];
    for word in span.split(' ').take_while(|word| *word != "…") {
        let word = word.trim_matches(['[', ']']);
        let choices: Vec<&str> =
            if word == "|" || word.starts_with('\'') { vec![word] } else { word.split('|').collect() };
        commands =
            commands.iter().flat_map(|begun| choices.iter().map(move |word| format!("{begun} {word}"))).collect();
    }
    commands
}

#[test]
fn every_command_in_a_document_is_one() {
    let mut wrongs = Vec::new();
    let mut checked = 0;
    for page in documents() {
        for command in page.fences.iter().flat_map(|fence| fence.commands()) {
            for words in programs(&command.text).unwrap_or_default().iter().filter(|words| is_ours(words)) {
                checked += 1;
                wrongs
                    .extend(wrong(words, false).map(|why| format!("{}:{}: {words:?}: {why}", page.path, command.line)));
            }
        }
        // Units of systemd.
        for line in page.fences.iter().filter(|fence| fence.language == "ini").flat_map(|fence| fence.text().lines()) {
            let Some((name, command)) = line.split_once('=') else { continue };
            let words = words(command).unwrap_or_default();
            if name.starts_with("Exec") && is_ours(&words) {
                checked += 1;
                wrongs.extend(wrong(&words, false).map(|why| format!("{}: {line}: {why}", page.path)));
            }
        }
    }
    assert!(wrongs.is_empty(), "mend these in the documents, or the program:\n{}", wrongs.join("\n"));
    assert!(checked > 50, "only {checked} commands were found");
}

#[test]
fn every_command_in_a_sentence_is_one() {
    let mut wrongs = Vec::new();
    let mut labels = Vec::new();
    let mut checked = 0;
    for page in documents() {
        for span in &page.spans {
            let command = span.text.strip_prefix("sudo ").unwrap_or(&span.text);
            if !command.starts_with("meshstream ") {
                continue;
            }
            if LABELS.contains(&command) {
                labels.push(command.to_owned());
                continue;
            }
            for command in meant(command) {
                checked += 1;
                let programs = programs(&command).unwrap_or_default();
                let why = match programs.iter().find(|words| is_ours(words)) {
                    Some(words) if words.len() > 1 => wrong(words, true),
                    Some(_) => None,
                    None => Some("its quotes do not end".to_owned()),
                };
                wrongs.extend(why.map(|why| format!("{}:{}: {command}: {why}", page.path, span.line)));
            }
        }
    }
    assert!(wrongs.is_empty(), "mend these in the documents, or the program:\n{}", wrongs.join("\n"));
    assert!(checked > 100, "only {checked} commands were found");
    labels.sort_unstable();
    labels.dedup();
    assert_eq!(labels, LABELS, "LABELS has what no document has");
}

#[test]
fn what_is_no_command_is_found_out() {
    let words = |text: &str| words(text).unwrap();
    for (text, mention) in [
        ("meshstream archive mirrored", true),
        ("meshstream status --quick", true),
        ("meshstream key add", false),
        ("meshstream key add a b", true),
        ("meshstream logs --level loud", true),
    ] {
        assert!(wrong(&words(text), mention).is_some(), "{text}");
    }
    for (text, mention) in
        [("meshstream key add", true), ("meshstream schedule add TITLE TIME", true), ("meshstream status", false)]
    {
        assert_eq!(wrong(&words(text), mention), None, "{text}");
    }
    assert_eq!(
        meant("meshstream key add|list [--json] …"),
        [" meshstream key add --json", " meshstream key list --json"]
    );
}
