//! `/admin/logs`: the last lines of the node's log.

use askama::Template;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use stream_model::{LogLevel, LogLine, LogQuery};

use super::visitor::{Frame, SignedIn};
use crate::assets::{LICENCES_TXT, STYLE_CSS};
use crate::page::Page;
use crate::texts::Texts;

/// Lines of a page.
const LINES: usize = 100;

/// Which lines are asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    level: String,
    before: String,
}

#[derive(Template)]
#[template(path = "admin/logs.html")]
struct Logs {
    t: Texts,
    page: Page,
    admin: Frame,
    lines: Vec<LogLine>,
    level: LogLevel,
    /// It is not the newest page.
    older: bool,
    /// Before which number there are more.
    next: Option<u64>,
}

/// As addresses write levels.
pub(crate) fn word(level: &LogLevel) -> &'static str {
    match level {
        LogLevel::Trace => "trace",
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    }
}

fn level(word: &str) -> LogLevel {
    match word {
        "trace" => LogLevel::Trace,
        "debug" => LogLevel::Debug,
        "warn" => LogLevel::Warn,
        "error" => LogLevel::Error,
        _ => LogLevel::Info,
    }
}

pub(crate) async fn show(Query(asked): Query<Asked>, owner: SignedIn) -> Response {
    let (level, before) = (level(&asked.level), asked.before.parse().ok());
    let mut lines = owner.ports.log_book.lines(LogQuery { level, before, limit: LINES });
    let next = lines.first().map(|line| line.number).filter(|_| lines.len() == LINES);
    lines.reverse();
    let (t, page, admin) = (owner.t(), owner.page.clone(), owner.frame("logs"));
    owner.answer(StatusCode::OK, &Logs { t, page, admin, lines, level, older: before.is_some(), next })
}
