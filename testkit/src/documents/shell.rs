//! As much of a shell's grammar as documents use (POSIX.1-2024, "Shell Command Language", 2.2 to 2.9).

use anyhow::{Result, bail};

use super::Command;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    /// Ends a simple command: `|`, `&&`, `;`, a line's end and their like.
    Separator(String),
    /// Such as `>` or `<<`: the next word is no argument.
    Redirection,
}

/// Puts lines together to commands. A line begins one where it is typed; else it only goes on with one.
pub(super) fn commands<'a>(lines: impl Iterator<Item = (Option<&'a str>, &'a str, usize)>) -> Vec<Command> {
    let mut commands = Vec::new();
    let mut open: Option<Command> = None;
    for (typed, line, number) in lines {
        let command = match (open.take(), typed) {
            (Some(begun), _) => Command { text: format!("{}\n{line}", begun.text), ..begun },
            (None, Some(typed)) => Command { line: number, text: typed.to_owned() },
            (None, None) => continue,
        };
        match lex(&command.text) {
            Ok(tokens) if tokens.iter().all(|token| *token == Token::Separator("\n".to_owned())) => {}
            Ok(tokens) if goes_on(&tokens) => open = Some(command),
            Ok(_) => commands.push(command),
            Err(_) => open = Some(command),
        }
    }
    // What never ends is said where it is run.
    commands.extend(open);
    commands
}

fn goes_on(tokens: &[Token]) -> bool {
    let last = tokens.iter().rev().find(|token| **token != Token::Separator("\n".to_owned()));
    matches!(last, Some(Token::Separator(operator)) if matches!(operator.as_str(), "|" | "||" | "&&"))
}

/// The words of each simple command in a command, also behind `sudo` and in `sh -c`: first the program, then its arguments. What is
/// assigned and redirected is left out.
///
/// # Errors
/// Where a quote or substitution does not end.
pub fn programs(command: &str) -> Result<Vec<Vec<String>>> {
    let mut found = Vec::new();
    let mut words = Vec::new();
    let mut redirected = false;
    for token in lex(command)?.into_iter().chain([Token::Separator(";".to_owned())]) {
        match token {
            Token::Redirection => redirected = true,
            Token::Word(_) if redirected => redirected = false,
            Token::Word(word) if words.is_empty() && is_assignment(&word) => {}
            Token::Word(word) => words.push(word),
            Token::Separator(_) => found.extend(of_program(std::mem::take(&mut words))?),
        }
    }
    Ok(found)
}

/// The words of one line without any operator, quotes taken off.
///
/// # Errors
/// Where a quote or substitution does not end.
pub fn words(text: &str) -> Result<Vec<String>> {
    let word = |token| match token {
        Token::Word(word) => Some(word),
        _ => None,
    };
    Ok(lex(text)?.into_iter().filter_map(word).collect())
}

/// Looks behind `sudo` and into `sh -c`.
fn of_program(mut words: Vec<String>) -> Result<Vec<Vec<String>>> {
    if words.first().is_some_and(|word| word == "sudo") {
        words.remove(0);
        while words.first().is_some_and(|word| word.starts_with('-')) {
            let option = words.remove(0);
            if matches!(option.as_str(), "-u" | "-g") && !words.is_empty() {
                words.remove(0);
            }
        }
    }
    match words.as_slice() {
        [] => Ok(Vec::new()),
        [shell, option, script, ..] if matches!(shell.as_str(), "sh" | "bash") && option == "-c" => programs(script),
        _ => Ok(vec![words]),
    }
}

fn is_assignment(word: &str) -> bool {
    let name = word.split_once('=').map(|(name, _)| name);
    name.is_some_and(|name| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !name.as_bytes()[0].is_ascii_digit()
    })
}

fn lex(text: &str) -> Result<Vec<Token>> {
    let mut lexer =
        Lexer { rest: text.chars().peekable(), tokens: Vec::new(), word: None, here: Vec::new(), delimiter: false };
    lexer.run()?;
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    tokens: Vec<Token>,
    word: Option<String>,
    /// What ends the here-documents whose bodies begin with the next line.
    here: Vec<String>,
    /// Whether the next word is one of those.
    delimiter: bool,
}

impl Lexer<'_> {
    fn run(&mut self) -> Result<()> {
        while let Some(letter) = self.rest.next() {
            match letter {
                '\'' => self.quoted('\'')?,
                '"' => self.quoted('"')?,
                '\\' => match self.rest.next() {
                    Some('\n') => {}
                    Some(letter) => self.push(letter),
                    None => bail!("it goes on in the next line"),
                },
                '$' if self.rest.peek() == Some(&'(') => self.substitution()?,
                '#' if self.word.is_none() => while self.rest.next_if(|letter| *letter != '\n').is_some() {},
                '\n' => {
                    self.separator("\n");
                    self.here_documents()?;
                }
                ' ' | '\t' => self.end_word(),
                '|' | '&' | ';' => {
                    let double = self.rest.next_if_eq(&letter).is_some();
                    self.separator(&if double { letter.to_string().repeat(2) } else { letter.to_string() });
                }
                '<' | '>' => self.redirection(letter),
                letter => self.push(letter),
            }
        }
        self.end_word();
        if !self.here.is_empty() {
            bail!("a here-document has not begun");
        }
        Ok(())
    }

    fn push(&mut self, letter: char) {
        self.word.get_or_insert_default().push(letter);
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        if std::mem::take(&mut self.delimiter) {
            self.here.push(word.clone());
        }
        self.tokens.push(Token::Word(word));
    }

    fn separator(&mut self, operator: &str) {
        self.end_word();
        self.tokens.push(Token::Separator(operator.to_owned()));
    }

    fn redirection(&mut self, letter: char) {
        // A number before it is that of a file descriptor.
        match self.word.take() {
            Some(word) if !word.bytes().all(|byte| byte.is_ascii_digit()) => self.tokens.push(Token::Word(word)),
            _ => {}
        }
        let double = self.rest.next_if_eq(&letter).is_some();
        let duplicates = self.rest.next_if_eq(&'&').is_some();
        if duplicates {
            while self.rest.next_if(char::is_ascii_digit).is_some() {}
            return;
        }
        self.delimiter = letter == '<' && double;
        self.tokens.push(Token::Redirection);
    }

    fn quoted(&mut self, quote: char) -> Result<()> {
        self.word.get_or_insert_default();
        loop {
            match self.rest.next() {
                None => bail!("a quote does not end"),
                Some(letter) if letter == quote => return Ok(()),
                Some('\\') if quote == '"' => match self.rest.next() {
                    Some(letter @ ('"' | '\\' | '$' | '`')) => self.push(letter),
                    Some('\n') => {}
                    Some(letter) => {
                        self.push('\\');
                        self.push(letter);
                    }
                    None => bail!("a quote does not end"),
                },
                Some('$') if quote == '"' && self.rest.peek() == Some(&'(') => self.substitution()?,
                Some(letter) => self.push(letter),
            }
        }
    }

    /// Takes `$(…)` as it stands.
    fn substitution(&mut self) -> Result<()> {
        self.push('$');
        let mut depth = 0;
        while let Some(letter) = self.rest.next() {
            self.push(letter);
            match letter {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Ok(());
            }
        }
        bail!("a substitution does not end")
    }

    fn here_documents(&mut self) -> Result<()> {
        for end in std::mem::take(&mut self.here) {
            loop {
                let mut line = String::new();
                let ended = loop {
                    match self.rest.next() {
                        None => break true,
                        Some('\n') => break false,
                        Some(letter) => line.push(letter),
                    }
                };
                if line == end {
                    break;
                }
                if ended {
                    bail!("a here-document does not end");
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_wherever_they_stand() {
        for (command, expected) in [
            ("make web && cargo build --release", vec![vec!["make", "web"], vec!["cargo", "build", "--release"]]),
            ("sudo -u meshstream meshstream camera --list # all", vec![vec!["meshstream", "camera", "--list"]]),
            ("sudo sh -c 'meshstream x --example > /etc/x'", vec![vec!["meshstream", "x", "--example"]]),
            (
                "A=b meshstream post 'it is' \"so \\\"there\\\"\" 2>&1 | grep x",
                vec![vec!["meshstream", "post", "it is", "so \"there\""], vec!["grep", "x"]],
            ),
            ("a --b=c > d <<'END' 2>e\nf | g\nEND", vec![vec!["a", "--b=c"]]),
            ("x $(y z | w) \\\n  v", vec![vec!["x", "$(y z | w)", "v"]]),
            ("rtmp 'a?key=KEY' '' b#c", vec![vec!["rtmp", "a?key=KEY", "", "b#c"]]),
        ] {
            assert_eq!(programs(command).unwrap(), expected, "{command}");
        }
    }

    #[test]
    fn what_does_not_end_is_an_error() {
        for command in ["echo 'a", "echo \"a", "echo $(a", "cat <<END\na", "cat <<END"] {
            assert!(programs(command).is_err(), "{command}");
        }
    }
}
