//! A [`Graph`] as a pipeline of GStreamer.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::counts::{Counts, Passing, count_bytes, count_dropped, count_track};
use super::diagnosis::ErrorKind;
use super::element::{Branch, Element, Graph, package};
use super::job::Encoding;
use super::keyframes::ask_for_keyframes;
use super::plan::{LATE_PICTURES, PATTERN, Toolbox, VIDEO_ENCODERS};
use super::report::Trouble;
use super::stamp;

/// What GStreamer has here.
pub(crate) struct Installed;

impl Toolbox for Installed {
    fn has(&self, factory: &str) -> bool {
        gst::ElementFactory::find(factory).is_some()
    }

    fn works(&self, encoder: &str) -> bool {
        let Ok(element) = gst::ElementFactory::make(encoder).build() else { return false };
        // A hardware encoder opens its device for this.
        let works = element.set_state(gst::State::Ready).is_ok();
        let _ = element.set_state(gst::State::Null);
        works
    }
}

/// A pipeline that is built.
pub(super) struct Built {
    pub(super) pipeline: gst::Pipeline,
    pub(super) counts: Arc<Counts>,
    /// The element that encodes the picture.
    pub(super) encoder: Option<String>,
}

/// Builds a pipeline that encodes so.
pub(super) fn build(graph: &Graph, encoding: &Encoding) -> Result<Built, Trouble> {
    let pipeline = gst::Pipeline::new();
    let counts = Arc::new(Counts::default());
    let output = add(&pipeline, &graph.output)?;
    let (Some(muxer), Some(sink)) = (output.first(), output.last()) else { return Err(odd("no output")) };
    link(&output)?;
    count_bytes(sink, &counts).ok_or_else(nowhere)?;

    let mut waiting = Vec::new();
    for (branch, media) in [(&graph.video, Media::Video), (&graph.audio, Media::Audio)] {
        let Some(Branch { decoded, chain }) = branch else { continue };
        let elements = add(&pipeline, chain)?;
        link(&elements)?;
        let (Some(first), Some(last)) = (elements.first(), elements.last()) else { continue };
        count_track(last, &counts, media.track()).ok_or_else(nowhere)?;
        if media == Media::Video {
            watch_pictures(&elements, encoding, &counts).ok_or_else(nowhere)?;
        }
        if *decoded {
            waiting.push(Waiting { media, first: first.clone(), last: last.clone() });
        } else {
            last.link(muxer).map_err(|_| odd("the multiplexer does not take it"))?;
            media.track()(&counts).expect();
        }
    }
    if let Some(decoder) = &graph.decoder {
        let decoder = make(decoder)?;
        pipeline.add(&decoder).map_err(|_| odd("the decoder cannot be added"))?;
        link_when_decoded(&decoder, waiting, muxer.clone(), counts.clone());
    }
    let encoders = graph.video.iter().flat_map(|branch| &branch.chain);
    let encoder = encoders.map(|element| element.factory.clone()).find(|name| VIDEO_ENCODERS.contains(&name.as_str()));
    Ok(Built { pipeline, counts, encoder })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Media {
    Video,
    Audio,
}

impl Media {
    fn track(self) -> fn(&Counts) -> &Passing {
        match self {
            Self::Video => |counts| &counts.pictures,
            Self::Audio => |counts| &counts.sounds,
        }
    }
}

/// What is done to pictures on their way: the time in the test picture, keyframes in time, and a count of those left out.
fn watch_pictures(elements: &[gst::Element], encoding: &Encoding, counts: &Arc<Counts>) -> Option<()> {
    for element in elements {
        let factory = element.factory().map(|factory| factory.name()).unwrap_or_default();
        if element.name() == LATE_PICTURES {
            count_dropped(element, counts)?;
        } else if element.name() == PATTERN {
            stamp_pictures(element, encoding)?;
        } else if VIDEO_ENCODERS.contains(&factory.as_str()) {
            ask_for_keyframes(element, encoding.keyframe_interval.get(), encoding.rate.get())?;
        }
    }
    Some(())
}

/// Draws into each picture when it was made.
fn stamp_pictures(source: &gst::Element, encoding: &Encoding) -> Option<()> {
    let (width, height) = (encoding.size.width() as usize, encoding.size.height() as usize);
    // As I420 has it: lines of luma begin at multiples of four bytes.
    let stride = width.next_multiple_of(4);
    source.static_pad("src")?.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        if let Some(mut map) = info.buffer_mut().and_then(|buffer| buffer.make_mut().map_writable().ok()) {
            let milliseconds = u64::try_from(now.as_millis()).unwrap_or_default();
            stamp::draw(milliseconds, map.as_mut_slice(), stride, width, height);
        }
        gst::PadProbeReturn::Ok
    });
    Some(())
}

/// A branch that is for a decoder's picture or sound, should it have one.
struct Waiting {
    media: Media,
    first: gst::Element,
    last: gst::Element,
}

/// Only what a source has is given to the multiplexer: it would wait for the rest.
fn link_when_decoded(decoder: &gst::Element, waiting: Vec<Waiting>, muxer: gst::Element, counts: Arc<Counts>) {
    decoder.connect_pad_added(move |_, pad| {
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let media = match caps.structure(0).map(|structure| structure.name().as_str()) {
            Some(name) if name.starts_with("video/") => Media::Video,
            Some(name) if name.starts_with("audio/") => Media::Audio,
            _ => return,
        };
        let Some(branch) = waiting.iter().find(|branch| branch.media == media) else { return };
        // The first picture and the first sound are taken; a source may have more.
        let Some(sink) = branch.first.static_pad("sink").filter(|sink| !sink.is_linked()) else { return };
        if branch.last.link(&muxer).is_err() || pad.link(&sink).is_err() {
            tracing::warn!(?media, "a source has something that cannot be used");
        } else {
            media.track()(&counts).expect();
        }
    });
}

/// The elements, in a pipeline and not yet linked.
pub(crate) fn add(pipeline: &gst::Pipeline, chain: &[Element]) -> Result<Vec<gst::Element>, Trouble> {
    let elements = chain.iter().map(make).collect::<Result<Vec<_>, _>>()?;
    pipeline.add_many(&elements).map_err(|_| odd("its elements cannot be added"))?;
    Ok(elements)
}

/// Gives each to the next; what has its outputs only while it runs, when it has them.
pub(crate) fn link(elements: &[gst::Element]) -> Result<(), Trouble> {
    for pair in elements.windows(2) {
        let [one, next] = pair else { continue };
        if one.factory().is_some_and(|factory| factory.name() == "decodebin") {
            let next = next.clone();
            one.connect_pad_added(move |_, pad| {
                if let Some(sink) = next.static_pad("sink").filter(|sink| !sink.is_linked()) {
                    // What is no picture does not fit, and is left out.
                    let _ = pad.link(&sink);
                }
            });
        } else {
            one.link(next).map_err(|_| odd(&format!("{} does not go with {}", one.name(), next.name())))?;
        }
    }
    Ok(())
}

pub(crate) fn make(description: &Element) -> Result<gst::Element, Trouble> {
    let factory = &description.factory;
    let element = gst::ElementFactory::make(factory)
        .build()
        .map_err(|_| Trouble::Package { element: factory.clone(), package: package(factory).to_owned() })?;
    for (name, text) in &description.properties {
        let wrong = || odd(&format!("{factory} has no {name} such as {text}"));
        let property = element.find_property(name).ok_or_else(wrong)?;
        let value = if property.value_type() == String::static_type() {
            text.to_value()
        } else {
            gst::glib::Value::deserialize(text, property.value_type()).map_err(|_| wrong())?
        };
        element.set_property_from_value(name, &value);
    }
    Ok(element)
}

fn nowhere() -> Trouble {
    odd("nothing to count at")
}

pub(crate) fn odd(reason: &str) -> Trouble {
    Trouble::Other { element: "the pipeline".to_owned(), reason: reason.to_owned() }
}

/// Which kind an error of GStreamer is of.
pub(super) fn kind(error: &gst::glib::Error) -> ErrorKind {
    if let Some(resource) = error.kind::<gst::ResourceError>() {
        return match resource {
            gst::ResourceError::NotFound => ErrorKind::NotFound,
            gst::ResourceError::Busy => ErrorKind::Busy,
            gst::ResourceError::NotAuthorized => ErrorKind::NotAuthorized,
            gst::ResourceError::OpenRead | gst::ResourceError::OpenWrite | gst::ResourceError::OpenReadWrite => {
                ErrorKind::Open
            }
            gst::ResourceError::Settings => ErrorKind::Format,
            _ => ErrorKind::Other,
        };
    }
    match error.kind::<gst::StreamError>() {
        Some(gst::StreamError::Format | gst::StreamError::WrongType | gst::StreamError::CodecNotFound) => {
            ErrorKind::Format
        }
        _ if error.matches(gst::CoreError::Negotiation) => ErrorKind::Format,
        _ => ErrorKind::Other,
    }
}
