//! What an error of GStreamer means for who runs a camera. Pure.

use super::report::Trouble;

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
}
