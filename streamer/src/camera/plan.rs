//! Makes a pipeline of a job: which elements, with which properties. Pure: what this machine has is an argument.

use std::num::NonZeroU32;

use super::capture::{CaptureFormat, CaptureKind};
use super::element::{Branch, Chain, Element, Graph, package};
use super::job::{AudioSource, Encoding, Job, Rotation, VideoDevice, VideoSource, is_served_as_a_file};
use super::report::Trouble;

/// Encoders of H.264, the best first: hardware leaves the processor to the node.
pub(super) const VIDEO_ENCODERS: [&str; 3] = ["v4l2h264enc", "x264enc", "openh264enc"];

/// Encoders of AAC, the best first.
const AUDIO_ENCODERS: [&str; 3] = ["fdkaacenc", "avenc_aac", "voaacenc"];

/// The source of the test picture, by name.
pub(super) const PATTERN: &str = "pattern";

/// Where pictures are left out that the encoder has no time for, by name.
pub(super) const LATE_PICTURES: &str = "late-pictures";

/// How late a picture may be encoded, in nanoseconds. It also bounds the memory: a picture of 1080 lines takes 3 MB.
const LATE: &str = "300000000";

/// Samples a second. The AAC of phones and of FLV both have it.
const SAMPLE_RATE: u32 = 48_000;

/// What this machine has.
pub(crate) trait Toolbox {
    /// Whether an element is there.
    fn has(&self, factory: &str) -> bool;

    /// Whether an encoder can be used now: a hardware encoder may be missing though its element is there, or busy.
    fn works(&self, encoder: &str) -> bool;
}

/// The pipeline of a job. `capture` is the format taken from a device of Video4Linux.
pub(super) fn plan(job: &Job, capture: Option<CaptureFormat>, tools: &impl Toolbox) -> Result<Graph, Trouble> {
    let video = job.video.as_ref().map(|source| video(source, &job.encoding, capture, tools)).transpose()?;
    let audio = job.audio.as_ref().map(|source| audio(source, job, tools)).transpose()?;
    let decoder = match &job.video {
        Some(VideoSource::Url(url)) => Some(Element::new("uridecodebin").with("uri", url)),
        _ => None,
    };
    let output = vec![
        Element::new("flvmux").with("streamable", "true").with("latency", "500000000"),
        // What comes is paced already.
        Element::new("rtmp2sink").with("sync", "false").with("location", &job.publish.0),
    ];
    let graph = Graph { decoder, video, audio, output };
    let missing = graph.elements().find(|element| !tools.has(&element.factory)).map(|missing| lacks(&missing.factory));
    missing.map_or(Ok(graph), Err)
}

fn lacks(factory: &str) -> Trouble {
    Trouble::Package { element: factory.to_owned(), package: package(factory).to_owned() }
}

fn video(
    source: &VideoSource,
    encoding: &Encoding,
    capture: Option<CaptureFormat>,
    tools: &impl Toolbox,
) -> Result<Branch, Trouble> {
    let (decoded, mut chain) = match source {
        VideoSource::Pattern => (
            false,
            vec![
                Element::new("videotestsrc").with("is-live", "true").with("pattern", "smpte").with("name", PATTERN),
                picture_caps(encoding),
            ],
        ),
        VideoSource::Device(VideoDevice::V4l2(path)) => (false, v4l2(&path.to_string_lossy(), capture)),
        VideoSource::Device(VideoDevice::Libcamera(name)) => (false, libcamera(name.as_deref(), encoding)),
        // Which one it is shows only on the machine: the worker puts it in its place.
        VideoSource::Device(VideoDevice::First) => return Err(Trouble::NoCamera),
        VideoSource::Url(_) => (true, Vec::new()),
        VideoSource::Still(path) => (
            false,
            vec![
                Element::new("filesrc").with("location", path.to_string_lossy()),
                Element::new("decodebin"),
                Element::new("videoconvert"),
                Element::new("videoscale").with("add-borders", "true"),
                Element::new("imagefreeze").with("is-live", "true"),
            ],
        ),
    };
    chain.extend(behind_source(source));
    chain.push(Element::new("videoconvert"));
    if let Some(method) = turn(encoding.rotation) {
        chain.push(Element::new("videoflip").with("video-direction", method));
    }
    chain.push(Element::new("videoscale").with("add-borders", "true"));
    // Pictures that come late or not at all are repeated, so that the keyframes come in time.
    chain.push(Element::new("videorate"));
    chain.push(picture_caps(encoding));
    // An encoder that does not keep up leaves pictures out here, behind what fills gaps: it would never catch up with those.
    chain.push(leaky(queue().with("max-size-time", LATE)).with("name", LATE_PICTURES));
    if let Some(title) = &encoding.title {
        chain.push(overlay("textoverlay", "bottom").with("text", title.as_str()));
    }
    if encoding.clock {
        chain.push(overlay("clockoverlay", "top").with("time-format", "%H:%M:%S"));
    }
    chain.extend(encoder(
        &VideoEncoding {
            wanted: encoding.encoder.as_deref(),
            kbps: encoding.video_kbps,
            keyframe_interval: encoding.keyframe_interval,
            live: true,
        },
        tools,
    )?);
    chain.push(Element::new("h264parse"));
    chain.push(Element::caps("video/x-h264,stream-format=avc,alignment=au"));
    chain.push(queue());
    Ok(Branch { decoded, chain })
}

/// What is encoded.
fn picture_caps(encoding: &Encoding) -> Element {
    Element::caps(format!(
        "video/x-raw,format=I420,width={},height={},framerate={}/1,pixel-aspect-ratio=1/1",
        encoding.size.width(),
        encoding.size.height(),
        encoding.rate
    ))
}

fn v4l2(path: &str, capture: Option<CaptureFormat>) -> Chain {
    let mut chain = vec![Element::new("v4l2src").with("device", path).with("do-timestamp", "true")];
    if let Some(CaptureFormat { kind, width, height, rate }) = capture {
        let (media, decoder) = match kind {
            CaptureKind::Raw => ("video/x-raw", None),
            CaptureKind::Mjpeg => ("image/jpeg", Some("jpegdec")),
            CaptureKind::H264 => ("video/x-h264", Some("decodebin")),
        };
        chain.push(Element::caps(format!("{media},width={width},height={height},framerate={rate}/1")));
        chain.extend(decoder.map(Element::new));
    }
    chain
}

/// The camera itself scales: it is asked for what is wanted.
fn libcamera(name: Option<&str>, encoding: &Encoding) -> Chain {
    let source = Element::new("libcamerasrc");
    let source = match name {
        Some(name) => source.with("camera-name", name),
        None => source,
    };
    let (width, height) = match encoding.rotation {
        Rotation::None | Rotation::Half => (encoding.size.width(), encoding.size.height()),
        Rotation::Quarter | Rotation::ThreeQuarters => (encoding.size.height(), encoding.size.width()),
    };
    let caps = format!("video/x-raw,format=NV12,width={width},height={height},framerate={}/1", encoding.rate);
    vec![source, Element::caps(caps)]
}

fn turn(rotation: Rotation) -> Option<&'static str> {
    match rotation {
        Rotation::None => None,
        Rotation::Quarter => Some("90r"),
        Rotation::Half => Some("180"),
        Rotation::ThreeQuarters => Some("90l"),
    }
}

fn overlay(factory: &str, edge: &str) -> Element {
    Element::new(factory)
        .with("halignment", "left")
        .with("valignment", edge)
        .with("shaded-background", "true")
        .with("font-desc", "Sans 20")
}

/// Between threads: a second of what passes.
fn queue() -> Element {
    Element::new("queue").with("max-size-time", "1000000000").with("max-size-buffers", "0").with("max-size-bytes", "0")
}

/// Lets the oldest go where it is full.
fn leaky(queue: Element) -> Element {
    queue.with("leaky", "downstream")
}

/// Behind a source. What a camera gives does not wait for who is slow, so the oldest goes. A file waits, and is taken no quicker
/// than it plays.
fn behind_source(source: &VideoSource) -> Chain {
    match source {
        VideoSource::Url(url) if is_served_as_a_file(url) => vec![queue(), Element::new("clocksync")],
        _ => vec![leaky(queue())],
    }
}

/// How pictures are encoded.
pub(crate) struct VideoEncoding<'a> {
    /// The element, where the owner named one.
    pub(crate) wanted: Option<&'a str>,
    pub(crate) kbps: NonZeroU32,
    /// Pictures from one keyframe to the next.
    pub(crate) keyframe_interval: NonZeroU32,
    /// Each picture is wanted at once; else it may wait for those after it.
    pub(crate) live: bool,
}

/// The best encoder that works, or the one that is wanted, and what it takes. Pictures keep their order.
pub(crate) fn encoder(encoding: &VideoEncoding<'_>, tools: &impl Toolbox) -> Result<Chain, Trouble> {
    let wanted = encoding.wanted;
    let usable = |encoder: &&str| tools.has(encoder) && tools.works(encoder);
    let chosen = match wanted {
        Some(name) if !VIDEO_ENCODERS.contains(&name) => return Err(Trouble::Encoder { encoder: name.to_owned() }),
        Some(name) if !tools.has(name) => return Err(lacks(name)),
        Some(name) if !tools.works(name) => return Err(Trouble::Encoder { encoder: name.to_owned() }),
        Some(name) => name,
        None => VIDEO_ENCODERS.into_iter().find(usable).ok_or_else(|| lacks("x264enc"))?,
    };
    let (kbps, interval) = (encoding.kbps.get(), encoding.keyframe_interval.get());
    let bits = kbps.saturating_mul(1_000).to_string();
    Ok(match chosen {
        "v4l2h264enc" => {
            let controls =
                format!("controls,repeat_sequence_header=1,video_bitrate={bits},h264_i_frame_period={interval}");
            // The driver asks for a level; 4 goes up to 1080p with 30 pictures a second (H.264 table A-1).
            vec![
                Element::new(chosen).with("extra-controls", controls),
                Element::caps("video/x-h264,level=(string)4,profile=(string)main"),
            ]
        }
        "x264enc" => {
            let encoder = Element::new(chosen)
                .with("bitrate", kbps.to_string())
                .with("key-int-max", interval.to_string())
                .with("bframes", "0")
                .with("speed-preset", "veryfast")
                .with("option-string", "scenecut=0");
            let encoder = if encoding.live { encoder.with("tune", "zerolatency") } else { encoder };
            vec![encoder, Element::caps("video/x-h264,profile=main")]
        }
        _ => vec![
            Element::new(chosen)
                .with("bitrate", bits)
                .with("gop-size", interval.to_string())
                .with("rate-control", "bitrate")
                .with("complexity", "low"),
        ],
    })
}

fn audio(source: &AudioSource, job: &Job, tools: &impl Toolbox) -> Result<Branch, Trouble> {
    let device = |factory: &str, property: &'static str, device: &Option<String>| {
        let source = Element::new(factory).with("do-timestamp", "true");
        vec![match device {
            Some(device) => source.with(property, device),
            None => source,
        }]
    };
    let (decoded, mut chain) = match source {
        AudioSource::Tone => (
            false,
            vec![Element::new("audiotestsrc").with("is-live", "true").with("wave", "ticks").with("volume", "0.3")],
        ),
        AudioSource::Alsa(name) => (false, device("alsasrc", "device", name)),
        AudioSource::Pulse(name) => (false, device("pulsesrc", "device", name)),
        AudioSource::PipeWire(name) => (false, device("pipewiresrc", "target-object", name)),
        AudioSource::Url => (true, Vec::new()),
    };
    let encoder = AUDIO_ENCODERS.into_iter().find(|encoder| tools.has(encoder)).ok_or_else(|| lacks("voaacenc"))?;
    let bits = job.encoding.audio_kbps.get().saturating_mul(1_000).to_string();
    chain.extend(match &job.video {
        Some(video) if decoded => behind_source(video),
        _ => vec![leaky(queue())],
    });
    chain.extend([
        Element::new("audioconvert"),
        Element::new("audioresample"),
        // Sound that a device leaves out is silence, so that it stays with the picture.
        Element::new("audiorate"),
        Element::caps(format!("audio/x-raw,rate={SAMPLE_RATE},channels=2")),
        Element::new(encoder).with("bitrate", bits),
        Element::new("aacparse"),
        Element::caps("audio/mpeg,mpegversion=4,stream-format=raw"),
        queue(),
    ]);
    Ok(Branch { decoded, chain })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::job::small;

    /// Has everything but this.
    struct Without(&'static [&'static str]);

    impl Toolbox for Without {
        fn has(&self, factory: &str) -> bool {
            !self.0.contains(&factory)
        }

        fn works(&self, encoder: &str) -> bool {
            encoder != "v4l2h264enc"
        }
    }

    fn factories(branch: &Option<Branch>) -> Vec<&str> {
        branch.iter().flat_map(|branch| &branch.chain).map(|element| element.factory.as_str()).collect()
    }

    fn property<'a>(graph: &'a Graph, factory: &str, property: &str) -> Option<&'a str> {
        let mut elements = graph.elements().filter(|element| element.factory == factory);
        elements.find_map(|element| {
            element.properties.iter().find(|(name, _)| *name == property).map(|(_, value)| value.as_str())
        })
    }

    #[test]
    fn the_best_encoder_that_works_is_taken() {
        let job = small(Some(VideoSource::Pattern), None);
        let encoder = |missing| {
            let graph = plan(&job, None, &Without(missing)).unwrap();
            factories(&graph.video).into_iter().find(|factory| VIDEO_ENCODERS.contains(factory)).unwrap().to_owned()
        };
        assert_eq!(encoder(&[]), "x264enc", "the hardware's does not work");
        assert_eq!(encoder(&["x264enc"]), "openh264enc");
        let none = plan(&job, None, &Without(&["x264enc", "openh264enc"])).unwrap_err();
        assert!(none.to_string().contains("gstreamer1.0-plugins-ugly"), "{none}");
    }

    #[test]
    fn keyframes_and_rates_reach_the_encoder() {
        let job = small(Some(VideoSource::Pattern), Some(AudioSource::Tone));
        let graph = plan(&job, None, &Without(&[])).unwrap();
        assert_eq!(property(&graph, "x264enc", "key-int-max"), Some("25"));
        assert_eq!(property(&graph, "x264enc", "bitrate"), Some("800"));
        assert_eq!(property(&graph, "fdkaacenc", "bitrate"), Some("64000"));
        let graph = plan(&job, None, &Without(&["x264enc"])).unwrap();
        assert_eq!(property(&graph, "openh264enc", "gop-size"), Some("25"));
        assert_eq!(property(&graph, "openh264enc", "bitrate"), Some("800000"));
    }

    #[test]
    fn what_a_device_compresses_is_decoded() {
        let job = small(Some(VideoSource::Device(VideoDevice::V4l2("/dev/video0".into()))), None);
        let with = |kind| {
            let format = CaptureFormat { kind, width: 1280, height: 720, rate: 30 };
            plan(&job, Some(format), &Without(&[])).unwrap()
        };
        assert!(factories(&with(CaptureKind::Mjpeg).video).contains(&"jpegdec"));
        assert!(factories(&with(CaptureKind::H264).video).contains(&"decodebin"));
        let raw = with(CaptureKind::Raw);
        assert_eq!(factories(&raw.video)[..3], ["v4l2src", "capsfilter", "queue"]);
        assert_eq!(property(&raw, "capsfilter", "caps"), Some("video/x-raw,width=1280,height=720,framerate=30/1"));
    }

    #[test]
    fn titles_clocks_and_turns_are_drawn_where_they_are_wanted() {
        let mut job = small(Some(VideoSource::Pattern), None);
        let plain = plan(&job, None, &Without(&["textoverlay", "clockoverlay", "videoflip"])).unwrap();
        assert!(!factories(&plain.video).contains(&"videoflip"));
        (job.encoding.title, job.encoding.clock, job.encoding.rotation) =
            ("Hall ' ! sink".parse().ok(), true, Rotation::Quarter);
        let graph = plan(&job, None, &Without(&[])).unwrap();
        assert_eq!(property(&graph, "textoverlay", "text"), Some("Hall ' ! sink"));
        assert_eq!(property(&graph, "videoflip", "video-direction"), Some("90r"));
        let lacking = plan(&job, None, &Without(&["clockoverlay"])).unwrap_err();
        assert!(lacking.to_string().contains("gstreamer1.0-x"), "{lacking}");
    }

    #[test]
    fn an_encoder_that_is_named_has_to_work() {
        let mut job = small(Some(VideoSource::Pattern), None);
        for (name, missing, says) in [
            ("v4l2h264enc", &[][..], "v4l2h264enc"),
            ("x264enc", &["x264enc"][..], "gstreamer1.0-plugins-ugly"),
            ("fakesink", &[][..], "fakesink"),
        ] {
            job.encoding.encoder = Some(name.to_owned());
            let trouble = plan(&job, None, &Without(if missing.is_empty() { &[] } else { &["x264enc"] })).unwrap_err();
            assert!(trouble.to_string().contains(says), "{trouble}");
        }
    }

    #[test]
    fn what_a_camera_gives_waits_for_nobody_and_a_file_is_paced() {
        let leaks = |source: VideoSource| {
            let graph = plan(&small(Some(source), Some(AudioSource::Url)), None, &Without(&[])).unwrap();
            let queues = graph.elements().filter(|element| element.factory == "queue");
            let leaky = queues.map(|queue| queue.properties.iter().any(|(name, _)| *name == "leaky"));
            let paced = graph.elements().filter(|element| element.factory == "clocksync").count();
            (leaky.collect::<Vec<_>>(), paced)
        };
        let (camera, file) =
            (leaks(VideoSource::url("rtsp://cam/1").unwrap()), leaks(VideoSource::url("file:///a").unwrap()));
        assert_eq!(
            camera,
            (vec![true, true, false, true, false], 0),
            "behind the source, before the encoder, behind it"
        );
        assert_eq!(file, (vec![false, true, false, false, false], 2));
    }

    #[test]
    fn pictures_are_left_out_behind_what_fills_gaps() {
        let graph = plan(&small(Some(VideoSource::Pattern), None), None, &Without(&[])).unwrap();
        let video = graph.video.unwrap().chain;
        let at = |wanted: &dyn Fn(&Element) -> bool| video.iter().position(wanted).unwrap();
        let late = at(&|element| element.properties.contains(&("name", LATE_PICTURES.to_owned())));
        assert!(
            at(&|element| element.factory == "videorate") < late && late < at(&|element| element.factory == "x264enc")
        );
    }

    #[test]
    fn an_address_brings_both_or_one() {
        let url = VideoSource::Url("rtsp://cam/1".to_owned());
        let graph = plan(&small(Some(url), Some(AudioSource::Url)), None, &Without(&[])).unwrap();
        assert!(graph.decoder.is_some() && graph.video.unwrap().decoded && graph.audio.unwrap().decoded);
        let sound = plan(&small(None, Some(AudioSource::Alsa(Some("hw:1".to_owned())))), None, &Without(&[])).unwrap();
        assert_eq!(property(&sound, "alsasrc", "device"), Some("hw:1"));
        assert!(sound.video.is_none());
    }
}
