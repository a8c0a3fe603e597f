//! Cameras that a node keeps going, and the port to them (implemented by the program).

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::StreamName;

/// A camera as its owner wants it, in the words of the configuration (`[[camera]]`) and of `meshstream camera`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CameraSettings {
    /// The stream's name, which a key is made for: letters, digits and `-_.`, at most 64. Each camera has another.
    #[schemars(with = "String")]
    pub name: StreamName,
    /// Where the picture comes from: `"first"`, the first camera found; `"/dev/video0"`; `"libcamera"`, the Raspberry Pi's own, or
    /// `"libcamera:NAME"`; an address (`rtsp://`, `rtmp://`, `http://` and `https://` with HLS, `srt://`, `file:///`); the path of
    /// a picture; `"pattern"`, a moving one to try the way; `"none"` for sound alone.
    pub source: String,
    /// Where the sound comes from: `"none"`, `"tone"`, `"alsa"`, `"pulse"` or `"pipewire"`, with `:DEVICE` where it is not the
    /// default one; empty takes what goes with the picture.
    pub audio: String,
    /// Width and height in pixels of the picture that is published. The camera's next larger one is scaled down.
    pub size: String,
    /// Pictures a second.
    #[schemars(range(min = 1, max = 120))]
    pub rate: u32,
    /// Of the picture, in kbit/s: what the weakest link on the way carries.
    #[schemars(range(min = 1, max = 100_000))]
    pub bitrate: u32,
    /// Of the sound, in kbit/s.
    #[schemars(range(min = 1, max = 1_000))]
    pub audio_bitrate: u32,
    /// Degrees clockwise, for a camera that hangs: 0, 90, 180 or 270.
    #[schemars(extend("enum" = [0, 90, 180, 270]))]
    pub rotate: u16,
    /// Written over the picture; empty for nothing. The broadcast's own title is set on the owner's pages.
    pub title: String,
    /// Whether the time of day is written over the picture.
    pub clock: bool,
    /// The element of GStreamer that encodes the picture: `"v4l2h264enc"` (the hardware of a Pi up to 4), `"x264enc"` or
    /// `"openh264enc"`; empty takes the best that works.
    pub encoder: String,
}

/// Where a camera is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CameraOrigin {
    /// In the configuration file: it is changed there.
    Configuration,
    /// On the owner's pages.
    Pages,
}

/// A camera, and how it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameraReport {
    /// What is wanted of it.
    pub settings: CameraSettings,
    /// Where that is said.
    pub origin: CameraOrigin,
    /// How it is.
    pub state: CameraState,
}

/// How a camera is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CameraState {
    /// Its owner switched it off.
    #[default]
    Off,
    /// It was started, and nothing is published yet.
    Starting,
    /// It publishes.
    Publishing {
        /// The element that encodes the picture; `None` for sound alone.
        encoder: Option<String>,
        /// Pictures since it was started last.
        pictures: u64,
        /// Pictures left out since: the encoder had no time for them.
        dropped: u64,
    },
    /// It failed and is started again after a wait.
    Waiting {
        /// Why.
        trouble: CameraTrouble,
        /// The whole wait.
        wait: Duration,
    },
    /// It failed, and somebody has to do something before it is switched on again.
    Failed(CameraTrouble),
    /// What it took came to its end.
    Ended,
}

/// A camera or microphone of the node's machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CameraDevice {
    /// Whether it gives pictures; else it gives sound.
    pub video: bool,
    /// What it calls itself.
    pub name: String,
    /// As [`CameraSettings::source`] or [`CameraSettings::audio`] take it.
    pub argument: String,
}

/// Why a camera was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CamerasError {
    /// A setting is none.
    #[error("{key}: {reason}")]
    Invalid {
        /// Which, by its key in the configuration.
        key: &'static str,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// It is set in the configuration file.
    #[error("the camera {0} is set in the configuration file: change it there, and start the node anew")]
    Configured(StreamName),
    /// There is none of this name.
    #[error("there is no camera {0}")]
    Unknown(StreamName),
    /// There are as many as there may be.
    #[error("there are {0} cameras, which is the most: remove one first")]
    TooMany(usize),
    /// The disk failed.
    #[error("the cameras cannot be written down: {0}")]
    Storage(String),
    /// The devices cannot be listed.
    #[error("the cameras of this machine cannot be listed: {0}")]
    Devices(String),
}

/// Keeps the cameras of the node's machine going, as its owner wants them. Outlives restarts.
#[async_trait]
pub trait Cameras: Send + Sync {
    /// All, by name.
    fn list(&self) -> Vec<CameraReport>;

    /// What is plugged in here, cameras first.
    async fn devices(&self) -> Result<Vec<CameraDevice>, CamerasError>;

    /// Adds a camera and starts it, or has the one of its name go on like this.
    async fn set(&self, settings: CameraSettings) -> Result<(), CamerasError>;

    /// Starts or stops a camera, also for the node's next starts.
    async fn switch(&self, name: &StreamName, on: bool) -> Result<(), CamerasError>;

    /// Stops a camera and forgets it.
    async fn remove(&self, name: &StreamName) -> Result<(), CamerasError>;
}

impl Default for CameraSettings {
    fn default() -> Self {
        Self {
            name: "camera".parse().expect("a stream's name"),
            source: "first".to_owned(),
            audio: String::new(),
            size: "1280x720".to_owned(),
            rate: 25,
            bitrate: 1_500,
            audio_bitrate: 96,
            rotate: 0,
            title: String::new(),
            clock: false,
            encoder: String::new(),
        }
    }
}

/// Why a camera does not work, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "trouble", rename_all = "snake_case")]
pub enum CameraTrouble {
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
    /// There is no camera at all.
    #[error(
        "no camera is found here: plug one in, or name an address; a Raspberry Pi's own camera needs 'gstreamer1.0-libcamera'"
    )]
    NoCamera,
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
    /// A source that does not end by itself has ended.
    #[error("{address} ended: see whether the camera or the program that sends it is on")]
    Over {
        /// Its address, without what may be a password.
        address: String,
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
    /// The node has a key for the stream's name that the camera was not given.
    #[error(
        "no key could be made for the stream '{name}', which has one already: revoke that, or give the camera another name"
    )]
    Key {
        /// The stream's name.
        name: String,
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

impl CameraTrouble {
    /// Whether it lasts until somebody does something on this machine: trying again does not help.
    pub fn lasts(&self) -> bool {
        matches!(self, Self::Package { .. } | Self::Encoder { .. } | Self::Key { .. } | Self::Job { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_somebody_has_to_mend_lasts() {
        assert!(CameraTrouble::Package { element: "x264enc".to_owned(), package: "p".to_owned() }.lasts());
        assert!(!CameraTrouble::Gone { device: "/dev/video0".to_owned() }.lasts());
        assert!(!CameraTrouble::Stalled { seconds: 10 }.lasts());
    }

    #[test]
    fn a_key_that_is_none_is_named() {
        let error = serde_json::from_str::<CameraSettings>(r#"{"name":"roof","devise":"x"}"#).unwrap_err();
        assert!(error.to_string().contains("devise"), "{error}");
        let camera: CameraSettings = serde_json::from_str(r#"{"name":"roof"}"#).unwrap();
        assert_eq!((camera.name.to_string().as_str(), camera.source.as_str()), ("roof", "first"));
    }
}
