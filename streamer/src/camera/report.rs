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

/// The kinds of errors of GStreamer that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorKind {
    NotFound,
    Busy,
    NotAuthorized,
    /// Neither opened for reading nor for writing.
    Open,
    Format,
    Other,
}

/// What an error of an element means for who runs the camera. `device` is the device or address of the picture or of the
/// sound, where the element is its source. `details` is what GStreamer adds for developers: the reason of the system stands there.
pub(super) fn trouble(factory: &str, device: Option<String>, kind: ErrorKind, message: &str, details: &str) -> Trouble {
    let reason = message.trim_end_matches('.').to_owned();
    let says = |text: &str| details.contains(text) || message.contains(text);
    match (factory, device) {
        ("rtmp2sink", _) => Trouble::Refused { reason: of_server(details).unwrap_or(reason) },
        ("v4l2src" | "alsasrc" | "libcamerasrc" | "pulsesrc" | "pipewiresrc", Some(device)) => match kind {
            _ if says("Permission denied") => Trouble::Permission { device },
            _ if says("Device or resource busy") => Trouble::Busy { device },
            ErrorKind::Busy => Trouble::Busy { device },
            ErrorKind::NotAuthorized => Trouble::Permission { device },
            ErrorKind::Format => Trouble::Format { origin: device, reason },
            ErrorKind::NotFound | ErrorKind::Open | ErrorKind::Other => Trouble::Gone { device },
        },
        (_, Some(address)) => Trouble::Source { address, reason },
        (factory, None) => Trouble::Other { element: factory.to_owned(), reason },
    }
}

/// The reason that a server gave, from what rtmp2sink adds to its error.
fn of_server(details: &str) -> Option<String> {
    let (_, reason) = details.rsplit_once("'description':")?;
    let reason: String = reason.chars().take(200).take_while(|char| *char != '\n').collect();
    let reason = reason.trim_matches(|char: char| char.is_whitespace() || matches!(char, '"' | '\'' | '}' | '{' | ';'));
    (!reason.is_empty()).then(|| reason.to_owned())
}

/// An address without its user and password, and without what follows a `?`.
pub(super) fn without_secrets(address: &str) -> String {
    let plain = address.split(['?', '#']).next().unwrap_or_default();
    match plain.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) =
                rest.split_once('/').map_or((rest, None), |(authority, path)| (authority, Some(path)));
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            path.map_or_else(|| format!("{scheme}://{host}"), |path| format!("{scheme}://{host}/{path}"))
        }
        None => plain.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_device(kind: ErrorKind, details: &str) -> String {
        trouble("v4l2src", Some("/dev/video0".to_owned()), kind, "Could not open device.", details).to_string()
    }

    #[test]
    fn each_trouble_of_a_device_says_what_to_do() {
        assert!(of_device(ErrorKind::NotFound, "system error: No such file or directory").contains("plug it in"));
        assert!(of_device(ErrorKind::Open, "system error: Permission denied").contains("groups 'video'"));
        assert!(of_device(ErrorKind::Open, "system error: Device or resource busy").contains("fuser -v /dev/video0"));
        assert!(of_device(ErrorKind::Busy, "").contains("in use"));
        assert!(of_device(ErrorKind::Format, "").contains("another size"));
    }

    #[test]
    fn the_nodes_reason_is_told() {
        let details = "gst_rtmp2_sink (): 'level': \"error\"; 'description': \"wrong stream key for hall\"}";
        let refused = trouble("rtmp2sink", None, ErrorKind::Other, "Could not publish", details).to_string();
        assert!(refused.contains("wrong stream key for hall;"), "{refused}");
        let plain = trouble("rtmp2sink", None, ErrorKind::NotFound, "Could not connect to server.", "").to_string();
        assert!(plain.contains("Could not connect to server;"), "{plain}");
    }

    #[test]
    fn an_address_is_told_without_its_secrets() {
        assert_eq!(without_secrets("rtsp://admin:pass@cam:554/1?token=x"), "rtsp://cam:554/1");
        assert_eq!(without_secrets("rtsp://admin:p@ss@cam"), "rtsp://cam");
        assert_eq!(without_secrets("file:///srv/a@b.mp4"), "file:///srv/a@b.mp4");
    }

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
