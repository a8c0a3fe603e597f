//! A request of pictures through GStreamer: decoded once, scaled and encoded for each output.

use std::time::Duration;

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;

use super::framing::{Answer, Encoded, EncodedPicture, Output, Request};
use super::sheet;
use crate::camera::Trouble;
use crate::camera::element::{Chain, Element};
use crate::camera::pipeline::{Installed, add, link, make, odd};
use crate::camera::plan::{VideoEncoding, encoder};

/// Ticks a second of the times of pictures.
const TIMESCALE: u64 = 90_000;
const NANOS: u64 = 1_000_000_000;
/// How long the pipeline may say nothing of its end: whoever asked has less patience, and ends the process.
pub(super) const PATIENCE: Duration = Duration::from_secs(300);

/// Encodes the pictures of a request.
pub(super) fn encode(request: &Request) -> Answer {
    let pipeline = gst::Pipeline::new();
    let encoded = run(&pipeline, request);
    let _ = pipeline.set_state(gst::State::Null);
    encoded
}

fn run(pipeline: &gst::Pipeline, request: &Request) -> Answer {
    let source = source(request)?;
    let decoder = make(&Element::new("decodebin"))?;
    let middle = add(pipeline, &[queue(), Element::new("videoconvert"), Element::new("tee")])?;
    let (Some(first), Some(tee)) = (middle.first(), middle.last()) else { return Err(odd("no branches")) };
    link(&middle)?;
    pipeline.add_many([&source, &decoder]).map_err(|_| odd("its source cannot be added"))?;
    link(&[source.clone(), decoder, first.clone()])?;
    let mut sinks = Vec::with_capacity(request.outputs.len());
    for output in &request.outputs {
        let branch = add(pipeline, &branch(output, request)?)?;
        link(&branch)?;
        let (Some(first), Some(sink)) = (branch.first(), branch.last()) else { continue };
        tee.link(first).map_err(|_| odd("an output cannot be linked"))?;
        sinks.push((*output, sink.clone()));
    }
    let bus = pipeline.bus().ok_or_else(|| odd("it has no bus"))?;
    // That it fails is told on the bus, with the reason.
    let _ = pipeline.set_state(gst::State::Playing);
    push(&source, request)?;
    let patience = gst::ClockTime::try_from(PATIENCE).ok();
    let ends = [gst::MessageType::Error, gst::MessageType::Eos];
    let message = bus.timed_pop_filtered(patience, &ends);
    match message.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Eos(_)) => sinks.iter().map(|(output, sink)| taken(output, sink)).collect(),
        Some(gst::MessageView::Error(error)) => Err(trouble(error)),
        _ => Err(Trouble::Stalled { seconds: PATIENCE.as_secs() }),
    }
}

fn source(request: &Request) -> Result<gst::Element, Trouble> {
    let source = make(&Element::new("appsrc").with("format", "time").with("max-bytes", "0"))?;
    let caps = gst::Caps::builder("video/x-h264")
        .field("stream-format", "avc")
        .field("alignment", "au")
        .field("codec_data", gst::Buffer::from_slice(request.config.clone()))
        .build();
    source.set_property("caps", caps);
    Ok(source)
}

/// From the decoded pictures to those of an output.
fn branch(output: &Output, request: &Request) -> Result<Chain, Trouble> {
    let (width, height, kbps) = match *output {
        Output::H264 { width, height, kbps } => (width, height, kbps),
        Output::Jpeg(of) => return Ok([vec![queue()], sheet::scaled(&of)].concat()),
    };
    let keyframe_interval = request.keyframe_interval;
    let mut chain = vec![
        queue(),
        Element::new("videoscale"),
        Element::caps(format!("video/x-raw,format=I420,width={width},height={height}")),
    ];
    chain.extend(encoder(&VideoEncoding { wanted: None, kbps, keyframe_interval, live: false }, &Installed)?);
    chain.extend([
        Element::new("h264parse"),
        Element::caps("video/x-h264,stream-format=avc,alignment=au"),
        // All is taken once it is over, and not before.
        Element::new("appsink").with("sync", "false").with("wait-on-eos", "false"),
    ]);
    Ok(chain)
}

/// Between threads; a few pictures, which are large when they are decoded.
fn queue() -> Element {
    Element::new("queue").with("max-size-buffers", "8").with("max-size-bytes", "0").with("max-size-time", "0")
}

fn push(source: &gst::Element, request: &Request) -> Result<(), Trouble> {
    for (shown, keyframe, data) in &request.pictures.0 {
        let mut buffer = gst::Buffer::from_slice(data.clone());
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_nseconds(scale(*shown, NANOS, TIMESCALE)));
            if !keyframe {
                buffer.set_flags(gst::BufferFlags::DELTA_UNIT);
            }
        }
        let flow: gst::FlowReturn = source.emit_by_name("push-buffer", &[&buffer]);
        if flow != gst::FlowReturn::Ok {
            // The bus says why.
            return Ok(());
        }
    }
    let _flow: gst::FlowReturn = source.emit_by_name("end-of-stream", &[]);
    Ok(())
}

/// What came out at the sink of an output.
fn taken(output: &Output, sink: &gst::Element) -> Result<Encoded, Trouble> {
    let Output::Jpeg(of) = output else { return pull(sink) };
    let data = sheet::jpeg(of, sink)?;
    Ok(Encoded { config: Bytes::new(), pictures: vec![EncodedPicture { shown: 0, keyframe: true, data }] })
}

/// All pictures that came out at a sink.
fn pull(sink: &gst::Element) -> Result<Encoded, Trouble> {
    let mut encoded = Encoded { config: Bytes::new(), pictures: Vec::new() };
    loop {
        // `None` at the end of the stream.
        let sample: Option<gst::Sample> = sink.emit_by_name("pull-sample", &[]);
        let Some(sample) = sample else { break };
        let config = sample.caps().and_then(|caps| caps.structure(0)?.get::<gst::Buffer>("codec_data").ok());
        let config = config.as_ref().and_then(bytes).ok_or_else(|| odd("an encoder gives no configuration"))?;
        if encoded.config.is_empty() {
            encoded.config = config;
        } else if encoded.config != config {
            return Err(odd("an encoder changes its configuration"));
        }
        let buffer = sample.buffer().ok_or_else(|| odd("an encoder gives no picture"))?;
        // Encoders move all times to have room for decode times below zero; running time does not change.
        let segment = sample.segment().and_then(|segment| segment.downcast_ref::<gst::ClockTime>());
        let shown = segment.zip(buffer.pts()).and_then(|(segment, pts)| segment.to_running_time(pts));
        let shown = shown.ok_or_else(|| odd("an encoder gives a picture without a time"))?;
        encoded.pictures.push(EncodedPicture {
            shown: scale(shown.nseconds(), TIMESCALE, NANOS),
            keyframe: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
            data: bytes(&buffer.to_owned()).ok_or_else(|| odd("a picture cannot be read"))?,
        });
    }
    if encoded.pictures.is_empty() { Err(odd("an encoder gives nothing")) } else { Ok(encoded) }
}

pub(super) fn bytes(buffer: &gst::Buffer) -> Option<Bytes> {
    buffer.map_readable().ok().map(|map| Bytes::copy_from_slice(&map))
}

/// `value * to / from`, rounded to the nearest.
fn scale(value: u64, to: u64, from: u64) -> u64 {
    value.mul_div_round(to, from).unwrap_or(u64::MAX)
}

pub(super) fn trouble(message: &gst::message::Error) -> Trouble {
    let source = message.src().and_then(|source| source.downcast_ref::<gst::Element>());
    let element = source.and_then(|element| Some(element.factory()?.name().to_string()));
    let reason = message.error().message().trim_end_matches('.').to_owned();
    tracing::debug!(details = ?message.debug(), "encoding failed");
    Trouble::Other { element: element.unwrap_or_else(|| "the pipeline".to_owned()), reason }
}
