//! The commands in the project's documents, so that tests can hold each of them to the program.
//!
//! A fence in `sh` is a script; one in `console` has a prompt, `$ ` or `# `, before what is typed, and else what is printed.

mod shell;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

pub use shell::{programs, words};

/// A document.
#[derive(Debug)]
pub struct Page {
    /// Its path in the repository.
    pub path: String,
    /// Its code blocks, in their order.
    pub fences: Vec<Fence>,
    /// Its code within sentences.
    pub spans: Vec<Span>,
}

/// A code block between fences.
#[derive(Debug)]
pub struct Fence {
    /// Of its first line.
    pub line: usize,
    /// As the fence names it; empty where it does not.
    pub language: String,
    text: String,
}

/// Code within a sentence, on one line.
#[derive(Debug)]
pub struct Span {
    /// Of its beginning.
    pub line: usize,
    /// Without the backticks.
    pub text: String,
}

/// What is typed at once: a line of a shell, with what it goes on to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Of its beginning, in the page.
    pub line: usize,
    /// Without a prompt.
    pub text: String,
}

/// The documents whose commands are for people: all Markdown of these files and folders, by path.
const PLACES: [&str; 8] =
    ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "SECURITY.md", "CHANGELOG.md", "docs", "hardware", "deploy"];

/// All documents below the repository's root.
///
/// # Errors
/// Where one cannot be read.
pub fn pages(root: &Path) -> Result<Vec<Page>> {
    let mut paths = Vec::new();
    for place in PLACES {
        collect(root, place, &mut paths)?;
    }
    paths.sort();
    let read = |path: String| {
        let text = fs::read_to_string(root.join(&path)).with_context(|| format!("cannot read {path}"))?;
        Ok(Page::parse(&path, &text))
    };
    paths.into_iter().map(read).collect()
}

fn collect(root: &Path, place: &str, paths: &mut Vec<String>) -> Result<()> {
    if root.join(place).is_dir() {
        for entry in fs::read_dir(root.join(place))? {
            let name =
                entry?.file_name().into_string().ok().with_context(|| format!("a name in {place} is not UTF-8"))?;
            if !name.starts_with('.') {
                collect(root, &format!("{place}/{name}"), paths)?;
            }
        }
    } else if Path::new(place).extension().is_some_and(|extension| extension == "md") {
        paths.push(place.to_owned());
    }
    Ok(())
}

impl Page {
    fn parse(path: &str, text: &str) -> Self {
        let mut page = Self { path: path.to_owned(), fences: Vec::new(), spans: Vec::new() };
        let mut lines = text.lines().zip(1..);
        // A sentence may go on in the next line, but not beyond its paragraph.
        let mut paragraph = String::new();
        let mut beginning = 1;
        while let Some((line, number)) = lines.next() {
            let indented = line.trim_start();
            if let Some(language) = indented.strip_prefix("```") {
                page.take_spans(&paragraph, beginning);
                paragraph.clear();
                let body =
                    lines.by_ref().map(|(line, _)| line).take_while(|line| !line.trim_start().starts_with("```"));
                let indent = line.len() - indented.len();
                let body: Vec<&str> = body.map(|line| line.get(indent..).unwrap_or_default()).collect();
                page.fences.push(Fence {
                    line: number + 1,
                    language: language.trim().to_owned(),
                    text: body.join("\n"),
                });
                beginning = number + 1;
            } else if line.trim().is_empty() {
                page.take_spans(&paragraph, beginning);
                paragraph.clear();
            } else {
                if paragraph.is_empty() {
                    beginning = number;
                }
                paragraph.push_str(line);
                paragraph.push('\n');
            }
        }
        page.take_spans(&paragraph, beginning);
        page
    }

    fn take_spans(&mut self, paragraph: &str, beginning: usize) {
        let parts: Vec<&str> = paragraph.split('`').collect();
        let mut line = beginning;
        for (at, text) in parts.iter().enumerate() {
            // What is behind the last backtick is no code, also where it is alone.
            if at % 2 == 1 && at + 1 < parts.len() {
                self.spans.push(Span { line, text: text.split_whitespace().collect::<Vec<_>>().join(" ") });
            }
            line += text.matches('\n').count();
        }
    }
}

impl Fence {
    /// All of it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What is typed, in its order; nothing where it is no shell's.
    pub fn commands(&self) -> Vec<Command> {
        let lines = self.text.lines().zip(self.line..);
        match self.language.as_str() {
            "sh" => shell::commands(lines.map(|(line, number)| (Some(line), line, number))),
            "console" => shell::commands(lines.map(|(line, number)| {
                let typed = line.strip_prefix("$ ").or_else(|| line.strip_prefix("# "));
                (typed, line, number)
            })),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Vec<(usize, String)> {
        let page = Page::parse("page.md", text);
        let commands = page.fences.iter().flat_map(Fence::commands);
        commands.map(|Command { line, text }| (line, text)).collect()
    }

    #[test]
    fn commands_stand_in_fences_of_a_shell() {
        let page = "Text.\n\n```sh\nls -l   # all\n# nothing\n\ncat a | \\\n  wc\n```\n\n```text\nls\n```\n";
        assert_eq!(typed(page), [(4, "ls -l   # all".to_owned()), (7, "cat a | \\\n  wc".to_owned())]);
    }

    #[test]
    fn what_is_printed_is_no_command() {
        let page = "- In a list:\n\n  ```console\n  $ date\n  Mon\n  # reboot\n  $ echo a &&\n  echo b\n  a\n  ```\n";
        assert_eq!(
            typed(page),
            [(4, "date".to_owned()), (6, "reboot".to_owned()), (7, "echo a &&\necho b".to_owned())]
        );
    }

    #[test]
    fn here_documents_and_quotes_go_on_over_lines() {
        let page = "```sh\ncat > f <<'END'\na 'b\nEND\necho 'c\nd' \"$(ls |\n wc)\"\n```\n";
        assert_eq!(
            typed(page),
            [(2, "cat > f <<'END'\na 'b\nEND".to_owned()), (5, "echo 'c\nd' \"$(ls |\n wc)\"".to_owned())]
        );
    }

    #[test]
    fn code_in_sentences_may_be_broken_over_lines() {
        let page = Page::parse("page.md", "See `meshstream\n  status` and\n`x`.\n\nA lone ` here.\n\nAnd `y`.\n");
        let spans: Vec<(usize, &str)> = page.spans.iter().map(|span| (span.line, span.text.as_str())).collect();
        assert_eq!(spans, [(1, "meshstream status"), (3, "x"), (7, "y")]);
    }

    #[test]
    fn the_fences_of_a_page_have_their_languages() {
        let page = Page::parse("page.md", "```\na\n```\n\n```toml\nb = 1\n```\n");
        let languages: Vec<&str> = page.fences.iter().map(|fence| fence.language.as_str()).collect();
        assert_eq!(languages, ["", "toml"]);
    }
}
