//! Every command of the documents works: what is typed in their code blocks is run, page by page, against real nodes. What cannot run
//! here is told in `table.rs`, with its reason; nothing is left out without one. That the program takes the arguments of all of them
//! is for `src/cli/documents.rs`.

mod stage;
mod table;
mod words;
mod world;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command as Process;

use anyhow::{Context as _, Result, bail, ensure};
use testkit::documents::{Command, Page, pages, programs};

use stage::Stage;
use table::{FILLED, How, NOT_RUN, RUN, SPECIAL};
use world::World;

/// The program under test.
const MESHSTREAM: &str = env!("CARGO_BIN_EXE_meshstream");
/// The root of the repository.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// Languages of code blocks that have nothing to type.
const OTHER_LANGUAGES: [&str; 9] = ["hcl", "html", "ini", "js", "json", "python", "text", "toml", "yaml"];

/// Which rows of the tables were of use.
#[derive(Default)]
struct Used {
    rows: BTreeSet<String>,
}

impl Used {
    fn special(&mut self, page: &str, text: &str) -> Option<How> {
        let of = |(at, beginning, _): &&(&str, &str, How)| *at == page && text.starts_with(beginning);
        let (at, beginning, how) = SPECIAL.iter().find(of)?;
        self.rows.insert(format!("SPECIAL: {at}: {beginning}"));
        Some(*how)
    }

    fn not_run(&mut self, words: &[String]) -> Option<&'static str> {
        let (program, _, reason) = NOT_RUN.iter().find(|(program, ..)| *program == words[0])?;
        self.rows.insert(format!("NOT_RUN: {program}"));
        Some(reason)
    }

    fn run(&mut self, words: &[String]) -> Result<()> {
        let program = RUN.iter().find(|program| **program == words[0]);
        let program = program.with_context(|| {
            format!("'{}' is in no table: put it into RUN, NOT_RUN or SPECIAL of tests/documents/table.rs", words[0])
        })?;
        self.rows.insert(format!("RUN: {program}"));
        Ok(())
    }

    /// The rows that nothing in the documents asks for any more.
    fn useless(&self) -> Vec<String> {
        let run = RUN.iter().map(|program| format!("RUN: {program}"));
        let not_run = NOT_RUN.iter().map(|(program, ..)| format!("NOT_RUN: {program}"));
        let special = SPECIAL.iter().map(|(page, beginning, _)| format!("SPECIAL: {page}: {beginning}"));
        let filled = FILLED.iter().map(|(page, beginning, word, _)| format!("FILLED: {page}: {beginning}: {word}"));
        run.chain(not_run).chain(special).chain(filled).filter(|row| !self.rows.contains(row)).collect()
    }
}

fn documents() -> Result<Vec<Page>> {
    pages(Path::new(ROOT))
}

#[test]
fn every_code_block_says_what_it_is() -> Result<()> {
    let mut wrong = Vec::new();
    for page in documents()? {
        for fence in &page.fences {
            let language = fence.language.as_str();
            if !matches!(language, "sh" | "console") && !OTHER_LANGUAGES.contains(&language) {
                wrong.push(format!("{}:{}: '{language}'", page.path, fence.line - 1));
            }
            if language == "console" && fence.commands().is_empty() {
                wrong.push(format!("{}:{}: no line begins with '$ ' or '# '", page.path, fence.line - 1));
            }
        }
    }
    ensure!(
        wrong.is_empty(),
        "name the language of these code blocks: 'sh' for commands, 'console' for commands behind '$ ' with what they print, \
         'text' for what is neither, else one of {OTHER_LANGUAGES:?}:\n{}",
        wrong.join("\n")
    );
    Ok(())
}

#[tokio::test]
async fn every_command_of_the_documents_works() -> Result<()> {
    let only = std::env::var("PAGE").ok();
    let pages: Vec<Page> =
        documents()?.into_iter().filter(|page| only.as_ref().is_none_or(|only| page.path.contains(only))).collect();
    let world = World::new().await?;
    let mut used = Used::default();
    let mut failures = Vec::new();
    for page in &pages {
        let mut stage = Stage::new(&page.path, &world)?;
        for fence in &page.fences {
            stage.enter_block()?;
            for command in fence.commands() {
                if let Err(error) = perform(&mut stage, page, &command, &mut used).await {
                    failures.push(format!("{}:{}: {}\n    {error:#}", page.path, command.line, command.text));
                }
            }
        }
        stage.end().await.with_context(|| format!("after {}", page.path))?;
    }
    if only.is_none() {
        failures.extend(
            used.useless().into_iter().map(|row| format!("nothing in the documents needs this row any more: {row}")),
        );
    }
    ensure!(
        failures.is_empty(),
        "these commands do not work as the documents say: mend the document or the program, or say in tests/documents/table.rs how they \
         are run (PAGE=name runs one page alone):\n\n{}",
        failures.join("\n\n")
    );
    Ok(())
}

async fn perform(stage: &mut Stage<'_>, page: &Page, command: &Command, used: &mut Used) -> Result<()> {
    is_a_script(&command.text)?;
    let programs = programs(&command.text)?;
    ensure!(!programs.is_empty(), "there is no program in it");
    for words in programs.iter().filter(|words| words[0] == "make") {
        makes(&words[1..])?;
    }
    let how = used.special(&page.path, &command.text);
    if let Some(How::Not(reason)) = how {
        not_run(page, command, reason);
        return Ok(());
    }
    let mut left_out = None;
    for words in &programs {
        // A command of its own may bring a program that is in no table.
        match used.not_run(words) {
            Some(reason) => left_out = Some(reason),
            None if how.is_some() => {}
            None => used.run(words)?,
        }
    }
    if let Some(reason) = left_out {
        not_run(page, command, reason);
        return Ok(());
    }
    let text = stage.fill(&page.path, &command.text, &mut used.rows).await?;
    match how {
        None => stage.run(&text).await,
        Some(How::With(words)) => stage.run(&with(&text, words)?).await,
        Some(How::Publishes(words)) => stage.publish(&with(&text, words)?).await,
        Some(How::Elsewhere) => stage.run_elsewhere(&text, "").await,
        Some(How::Joins) => stage.join(&text).await,
        Some(How::Serves) => stage.serve(&text).await,
        Some(How::Not(_)) => Ok(()),
    }
}

#[expect(clippy::print_stdout, reason = "`--nocapture` shows what was not run")]
fn not_run(page: &Page, command: &Command, reason: &str) {
    println!("not run: {}:{}: {}: {reason}", page.path, command.line, command.text);
}

/// Puts other words into a command, all of which it has.
fn with(text: &str, words: &[(&str, &str)]) -> Result<String> {
    words.iter().try_fold(text.to_owned(), |text, (from, to)| {
        ensure!(text.contains(from), "'{from}', which its row in SPECIAL replaces, is not in it");
        Ok(text.replace(from, to))
    })
}

/// Whether a shell can read it.
fn is_a_script(text: &str) -> Result<()> {
    let output = Process::new("bash").args(["-n", "-c", text]).output()?;
    if !output.status.success() || !output.stderr.is_empty() {
        bail!("bash cannot read it: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Whether the Makefile has the targets.
fn makes(targets: &[String]) -> Result<()> {
    let output = Process::new("make").arg("--dry-run").args(targets).current_dir(ROOT).output()?;
    ensure!(output.status.success(), "make: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
