//! What a worker tells its supervisor, a line of JSON each: how far it is, and what went wrong in words that help. Pure.

use serde::{Deserialize, Serialize};
pub use stream_model::CameraTrouble as Trouble;

/// A line of a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "snake_case")]
pub enum Report {
    /// The pipeline is built and begins.
    Started {
        /// The element that encodes the picture; `None` for sound alone.
        encoder: Option<String>,
    },
    /// It goes on. Told only where each track was published on since.
    Progress {
        /// Pictures published since the start.
        pictures: u64,
        /// Pictures left out since the start: the encoder had no time for them.
        dropped: u64,
        /// Bytes of the stream since the start.
        bytes: u64,
    },
    /// It ends with an error.
    Trouble(Trouble),
    /// The source has come to its end.
    Ended,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_travel_as_lines() {
        for report in [
            Report::Started { encoder: Some("x264enc".to_owned()) },
            Report::Progress { pictures: 1, dropped: 3, bytes: 2 },
            Report::Trouble(Trouble::Format { origin: "cam".to_owned(), reason: "\n".to_owned() }),
            Report::Trouble(Trouble::Stalled { seconds: 10 }),
            Report::Ended,
        ] {
            let line = serde_json::to_string(&report).unwrap();
            assert!(!line.contains('\n'));
            assert_eq!(serde_json::from_str::<Report>(&line).unwrap(), report);
        }
    }
}
