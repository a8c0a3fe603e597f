//! The last lines of the log in memory, for the owner's pages: a layer of tracing, and who reads from it.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stream_model::{LogBook, LogLevel, LogLine, LogQuery, WallTime};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// Text that is remembered: some thousand lines, which an idle node takes days to write.
const MAX_BYTES: usize = 512 * 1024;

/// Bytes of one line; what is longer is cut.
const MAX_LINE_BYTES: usize = 2 * 1024;

/// What a line takes besides its text.
const LINE_BYTES: usize = size_of::<LogLine>();

/// The book. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Book {
    lines: Arc<Mutex<Lines>>,
}

#[derive(Debug, Default)]
struct Lines {
    lines: VecDeque<LogLine>,
    bytes: usize,
    next: u64,
}

impl Book {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, time: WallTime, level: LogLevel, target: &str, text: String) {
        let mut lines = self.lock();
        let number = lines.next;
        lines.next += 1;
        lines.bytes += bytes(&text, target);
        lines.lines.push_back(LogLine { number, time, level, target: target.to_owned(), text });
        while lines.bytes > MAX_BYTES
            && let Some(oldest) = lines.lines.pop_front()
        {
            lines.bytes -= bytes(&oldest.text, &oldest.target);
        }
    }
}

fn bytes(text: &str, target: &str) -> usize {
    LINE_BYTES + text.len() + target.len()
}

impl LogBook for Book {
    fn lines(&self, query: LogQuery) -> Vec<LogLine> {
        let lines = self.lock();
        let before = query.before.unwrap_or(u64::MAX);
        let wanted = lines.lines.iter().rev().filter(|line| line.level >= query.level && line.number < before);
        let mut found: Vec<LogLine> = wanted.take(query.limit).cloned().collect();
        found.reverse();
        found
    }
}

impl<S: Subscriber> Layer<S> for Book {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        let metadata = event.metadata();
        self.write(WallTime::now(), level(*metadata.level()), metadata.target(), text.finish());
    }
}

fn level(level: Level) -> LogLevel {
    match level {
        Level::TRACE => LogLevel::Trace,
        Level::DEBUG => LogLevel::Debug,
        Level::INFO => LogLevel::Info,
        Level::WARN => LogLevel::Warn,
        Level::ERROR => LogLevel::Error,
    }
}

/// A message and its fields on one line.
#[derive(Debug, Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    /// Other nodes choose some of these texts; control characters could deceive the reader.
    fn finish(self) -> String {
        let text = self.message + &self.fields;
        let mut line: String = text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
        if line.len() > MAX_LINE_BYTES {
            line.truncate(line.floor_char_boundary(MAX_LINE_BYTES));
            line.push('…');
        }
        line
    }
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string cannot fail; what a value does to be written may.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt as _;

    const ALL: LogQuery = LogQuery { level: LogLevel::Trace, before: None, limit: usize::MAX };

    fn texts(book: &Book, query: LogQuery) -> Vec<String> {
        book.lines(query).into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn lines_hold_their_message_and_fields_without_what_could_deceive() {
        let book = Book::default();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(book.clone()), || {
            tracing::info!(peers = 3, name = "a\u{1b}[2Jb", title = %"c\nd", "node started");
            tracing::warn!("the disk is full");
        });
        let lines = book.lines(ALL);
        assert_eq!(lines[0].text, "node started peers=3 name=a [2Jb title=c d");
        assert_eq!((lines[0].level, lines[1].level), (LogLevel::Info, LogLevel::Warn));
        assert_eq!((lines[0].number, lines[1].number), (0, 1));
        assert!(lines[0].target.ends_with("log_book::tests"), "{}", lines[0].target);
        assert_eq!(texts(&book, LogQuery { level: LogLevel::Warn, ..ALL }), ["the disk is full"]);
    }

    #[test]
    fn the_newest_are_asked_for_page_by_page() {
        let book = Book::default();
        for number in 0..10 {
            book.write(WallTime(number), LogLevel::Info, "test", number.to_string());
        }
        assert_eq!(texts(&book, LogQuery { limit: 3, ..ALL }), ["7", "8", "9"]);
        assert_eq!(texts(&book, LogQuery { limit: 2, before: Some(7), ..ALL }), ["5", "6"]);
    }

    #[test]
    fn memory_is_bounded_however_much_is_written() {
        let book = Book::default();
        let long = "ü".repeat(MAX_LINE_BYTES);
        for _ in 0..2 * MAX_BYTES / MAX_LINE_BYTES {
            let text = Text { message: long.clone(), fields: String::new() };
            book.write(WallTime(0), LogLevel::Info, "test", text.finish());
        }
        let lines = book.lines(ALL);
        assert!(lines.iter().all(|line| line.text.len() <= MAX_LINE_BYTES + '…'.len_utf8()));
        let held: usize = lines.iter().map(|line| bytes(&line.text, &line.target)).sum();
        assert!(held <= MAX_BYTES && held > MAX_BYTES / 2, "{held}");
        assert_eq!(lines.last().unwrap().number, (2 * MAX_BYTES / MAX_LINE_BYTES) as u64 - 1);
    }
}
