//! What a worker tells its supervisor, a line of JSON each: how far it is, and what went wrong in words that help. Pure.

use serde::{Deserialize, Serialize};

/// A line of a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "snake_case")]
pub enum Report {
    /// The pipeline is built and begins.
    Started {
        /// The element that encodes the picture; `None` for sound alone.
        encoder: Option<String>,
    },
    /// It goes on. Told only where something was published since.
    Progress {
        /// Pictures published since the start.
        pictures: u64,
        /// Bytes of the stream since the start.
        bytes: u64,
    },
    /// It ends with an error.
    Trouble(Trouble),
    /// The source has come to its end.
    Ended,
}

/// Why a camera does not work, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "trouble", rename_all = "snake_case")]
pub enum Trouble {
    /// GStreamer lacks an element.
    #[error("GStreamer has no {element} here: install it with 'apt-get install {package}'")]
    Package {
        /// The element.
        element: String,
        /// The Debian package that has it.
        package: String,
    },
    /// An encoder that was named does not work.
    #[error(
        "the encoder {encoder} does not work here: leave --encoder out, or name v4l2h264enc, x264enc or openh264enc"
    )]
    Encoder {
        /// The element.
        encoder: String,
    },
    /// A device is not there, or not any more.
    #[error("the device {device} is not there: plug it in; 'meshstream camera --list' names what is")]
    Gone {
        /// The device.
        device: String,
    },
    /// A device may not be opened.
    #[error("the device {device} may not be opened: add this user to the groups 'video' and 'audio', and log in anew")]
    Permission {
        /// The device.
        device: String,
    },
    /// A device is in use.
    #[error("the device {device} is in use: end the program that has it ('fuser -v {device}' names it)")]
    Busy {
        /// The device.
        device: String,
    },
    /// A device or source gives nothing that can be used.
    #[error("{origin} gives nothing that can be used: {reason}; try another size or rate")]
    Format {
        /// The device or address.
        origin: String,
        /// What GStreamer says.
        reason: String,
    },
    /// A source cannot be opened.
    #[error("{address} cannot be read: {reason}; see whether it plays elsewhere")]
    Source {
        /// Its address, without what may be a password.
        address: String,
        /// What GStreamer says.
        reason: String,
    },
    /// The node does not take the stream.
    #[error("the node does not take the stream: {reason}; see whether it runs, and whether the stream key is right")]
    Refused {
        /// What GStreamer says.
        reason: String,
    },
    /// Nothing has come for some time.
    #[error("nothing came for {seconds} s: the device or the link is stuck")]
    Stalled {
        /// How long.
        seconds: u64,
    },
    /// The worker crashed.
    #[error("the encoder's process ended by itself ({status})")]
    Crashed {
        /// How.
        status: String,
    },
    /// The job is none.
    #[error("{reason}")]
    Job {
        /// Why.
        reason: String,
    },
    /// Anything else.
    #[error("{element} failed: {reason}")]
    Other {
        /// Where.
        element: String,
        /// What GStreamer says.
        reason: String,
    },
}

impl Trouble {
    /// Whether it lasts until somebody does something on this machine: trying again does not help.
    pub fn lasts(&self) -> bool {
        matches!(self, Self::Package { .. } | Self::Encoder { .. } | Self::Job { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_somebody_has_to_mend_lasts() {
        assert!(Trouble::Package { element: "x264enc".to_owned(), package: "p".to_owned() }.lasts());
        assert!(!Trouble::Gone { device: "/dev/video0".to_owned() }.lasts());
        assert!(!Trouble::Stalled { seconds: 10 }.lasts());
    }

    #[test]
    fn reports_travel_as_lines() {
        for report in [
            Report::Started { encoder: Some("x264enc".to_owned()) },
            Report::Progress { pictures: 1, bytes: 2 },
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
