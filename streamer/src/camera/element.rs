//! A pipeline as data: elements of GStreamer with their properties, which one gives to the next. Pure.

/// An element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) factory: String,
    /// Names of properties, and values as `gst-launch-1.0` takes them.
    pub(crate) properties: Vec<(&'static str, String)>,
}

impl Element {
    pub(crate) fn new(factory: &str) -> Self {
        Self { factory: factory.to_owned(), properties: Vec::new() }
    }

    /// Lets only what has these capabilities pass.
    pub(crate) fn caps(caps: impl Into<String>) -> Self {
        Self::new("capsfilter").with("caps", caps)
    }

    /// A property that it has already gets the new value.
    pub(crate) fn with(mut self, property: &'static str, value: impl Into<String>) -> Self {
        self.properties.retain(|(name, _)| *name != property);
        self.properties.push((property, value.into()));
        self
    }
}

/// Elements in the order in which media pass.
pub(crate) type Chain = Vec<Element>;

/// The whole: what comes in goes through a chain for the picture and one for the sound into one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Graph {
    /// What pulls and decodes an address; chains that begin with its picture or sound begin without a source.
    pub(super) decoder: Option<Element>,
    pub(super) video: Option<Branch>,
    pub(super) audio: Option<Branch>,
    /// The multiplexer and what publishes its stream.
    pub(super) output: Chain,
}

/// A picture or a sound on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Branch {
    /// Whether it begins at the decoder.
    pub(super) decoded: bool,
    pub(super) chain: Chain,
}

impl Graph {
    /// The elements that it needs.
    pub(super) fn elements(&self) -> impl Iterator<Item = &Element> {
        let branches = [&self.video, &self.audio].into_iter().flatten().flat_map(|branch| &branch.chain);
        self.decoder.iter().chain(branches).chain(&self.output)
    }
}

/// The Debian package of an element, so that who misses it knows what to install.
pub(super) fn package(factory: &str) -> &'static str {
    match factory {
        "x264enc" => "gstreamer1.0-plugins-ugly",
        "openh264enc" | "voaacenc" | "rtmp2sink" | "h264parse" => "gstreamer1.0-plugins-bad",
        "avenc_aac" => "gstreamer1.0-libav",
        "alsasrc" => "gstreamer1.0-alsa",
        "pulsesrc" => "gstreamer1.0-pulseaudio",
        "pipewiresrc" => "gstreamer1.0-pipewire",
        "libcamerasrc" => "gstreamer1.0-libcamera",
        "textoverlay" | "clockoverlay" => "gstreamer1.0-x",
        "aacparse" | "v4l2src" | "v4l2h264enc" | "flvmux" | "jpegdec" | "jpegenc" | "imagefreeze" | "videoflip" => {
            "gstreamer1.0-plugins-good"
        }
        _ => "gstreamer1.0-plugins-base",
    }
}
