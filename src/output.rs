//! Standard output: what is said to who asked.

use std::io::{self, IsTerminal as _, Write};

use anyhow::Context as _;
use player_web::qr::Ink;

/// Prints an answer.
pub(crate) fn print(answer: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
    print_to(&mut io::stdout().lock(), answer)
}

/// What a code is drawn with: colours mean nothing in a file.
pub(crate) fn ink() -> Ink {
    if io::stdout().is_terminal() { Ink::Ansi } else { Ink::Plain }
}

/// A community, by what names it in public, for people: who compares two needs no more of a hash.
pub(crate) fn community(name: &str) -> String {
    match name.get(..COMMUNITY_DIGITS) {
        Some(digits) => format!("the private community {digits}…"),
        None => format!("the {name} community"),
    }
}

const COMMUNITY_DIGITS: usize = 8;

/// A reader that has seen enough, such as `head`, is no failure.
fn print_to(output: &mut dyn Write, answer: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
    match answer(output).and_then(|()| output.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_has_seen_enough_is_no_failure_and_a_full_disk_is_one() {
        let (reader, mut pipe) = io::pipe().unwrap();
        drop(reader);
        print_to(&mut pipe, |out| writeln!(out, "no one reads this")).unwrap();
        let mut full = io::Cursor::new([0; 4]);
        let error = print_to(&mut &mut full, |out| writeln!(out, "too long")).unwrap_err().to_string();
        assert!(error.contains("standard output"), "{error}");
    }
}
