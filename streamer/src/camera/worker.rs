//! The worker: reads its job from standard input, runs it, and tells how it goes on standard output, until its input ends.

use std::io::{self, BufRead, Read as _, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::capture::choose;
use super::counts::Progress;
use super::devices::{DeviceKind, capture_formats, devices};
use super::diagnosis::{trouble, without_secrets};
use super::job::{AudioSource, Job, VideoDevice, VideoSource};
use super::pipeline::{Built, Installed, build, kind};
use super::plan::plan;
use super::report::{Report, Trouble};

/// A job is far below this.
const MAX_JOB: u64 = 64 * 1024;

/// How often progress is told.
const TELL: Duration = Duration::from_secs(1);

/// How long the last pictures may take to be published.
const DRAIN: Duration = Duration::from_secs(3);

/// How long messages of the pipeline are waited for at a time: as long as it takes to see that the input has ended.
const POLL: gst::ClockTime = gst::ClockTime::from_mseconds(200);

/// Works until `input` ends, which begins with a [`Job`] in JSON on a line. What happens is told on `output` as lines of [`Report`].
///
/// # Errors
/// Where nobody hears the reports any more. That a camera does not work is a report.
pub fn work(input: impl BufRead + Send + 'static, mut output: impl Write) -> io::Result<()> {
    let report = match run(input, &mut output) {
        Ok(Some(report)) => report,
        Ok(None) => return Ok(()),
        Err(Failure::Trouble(trouble)) => Report::Trouble(trouble),
        Err(Failure::Output(error)) => return Err(error),
    };
    tell(&mut output, &report)
}

enum Failure {
    Trouble(Trouble),
    Output(io::Error),
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// The last report; `None` where it was asked to end.
fn run(mut input: impl BufRead + Send + 'static, output: &mut impl Write) -> Result<Option<Report>, Failure> {
    let mut line = String::new();
    let read = (&mut input).take(MAX_JOB).read_line(&mut line);
    let wrong =
        |reason: String| Trouble::Job { reason: format!("the worker was told nothing that it understands: {reason}") };
    read.map_err(|error| wrong(error.to_string()))?;
    let mut job: Job = serde_json::from_str(&line).map_err(|error| wrong(error.to_string()))?;
    gst::init().map_err(|error| wrong(error.to_string()))?;

    if job.video == Some(VideoSource::Device(VideoDevice::First)) {
        job.video = Some(VideoSource::Device(first_camera().ok_or(Trouble::NoCamera)?));
    }
    let capture = match &job.video {
        Some(VideoSource::Device(VideoDevice::V4l2(path))) => {
            choose(&capture_formats(&path.to_string_lossy()), job.encoding.size, job.encoding.rate.get())
        }
        _ => None,
    };
    let Built { pipeline, counts, encoder } = build(&plan(&job, capture, &Installed)?, &job.encoding)?;
    let bus = pipeline.bus().ok_or_else(|| wrong("the pipeline has no bus".to_owned()))?;
    tell(output, &Report::Started { encoder })?;

    let stop = Arc::new(AtomicBool::new(false));
    let asked = stop.clone();
    std::thread::spawn(move || {
        // Nothing more is said; the end of it asks to end.
        let _ = io::copy(&mut input, &mut io::sink());
        asked.store(true, Ordering::Relaxed);
    });

    // That it fails is told on the bus, with the reason.
    let _ = pipeline.set_state(gst::State::Playing);
    let mut told = (Instant::now(), Progress::default());
    let end = loop {
        if stop.load(Ordering::Relaxed) {
            drain(&pipeline, &bus);
            break None;
        }
        const HEARD: [gst::MessageType; 3] =
            [gst::MessageType::Error, gst::MessageType::Eos, gst::MessageType::Latency];
        let message = bus.timed_pop_filtered(POLL, &HEARD);
        match message.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Error(error)) => break Some(Report::Trouble(of(error, &job))),
            Some(gst::MessageView::Eos(_)) => break Some(end_of(&job)),
            // What a decoder needs shows only when it has seen the stream.
            Some(gst::MessageView::Latency(_)) => {
                let _ = pipeline.recalculate_latency();
            }
            _ => {}
        }
        let progress = counts.progress();
        if told.0.elapsed() >= TELL && progress.is_beyond(&told.1) {
            told = (Instant::now(), progress);
            let (pictures, dropped) = (counts.pictures.passed(), counts.dropped());
            tell(output, &Report::Progress { pictures, dropped, bytes: counts.bytes.load(Ordering::Relaxed) })?;
        }
    };
    let _ = pipeline.set_state(gst::State::Null);
    Ok(end)
}

/// The camera that is found first.
fn first_camera() -> Option<VideoDevice> {
    let devices = devices().unwrap_or_default();
    devices.into_iter().find(|device| device.kind == DeviceKind::Video)?.argument.parse().ok()
}

/// What it means that nothing more comes.
fn end_of(job: &Job) -> Report {
    match &job.video {
        Some(VideoSource::Url(url)) if job.video.as_ref().is_some_and(VideoSource::goes_on) => {
            Report::Trouble(Trouble::Over { address: without_secrets(url) })
        }
        _ => Report::Ended,
    }
}

/// Has the end of the stream published.
fn drain(pipeline: &gst::Pipeline, bus: &gst::Bus) {
    pipeline.send_event(gst::event::Eos::new());
    let until = gst::ClockTime::try_from(DRAIN).ok();
    let _ = bus.timed_pop_filtered(until, &[gst::MessageType::Error, gst::MessageType::Eos]);
}

fn of(message: &gst::message::Error, job: &Job) -> Trouble {
    let source = message.src().and_then(|source| source.downcast_ref::<gst::Element>());
    let factory = source.and_then(|element| Some(element.factory()?.name().to_string())).unwrap_or_default();
    let error = message.error();
    let details = message.debug().map(|details| details.to_string()).unwrap_or_default();
    trouble(&factory, origin(&factory, job), kind(&error), error.message(), &details)
}

/// The device or address that an element reads.
fn origin(factory: &str, job: &Job) -> Option<String> {
    let named = |kind: &str, device: &Option<String>| device.clone().unwrap_or_else(|| kind.to_owned());
    match (factory, &job.video, &job.audio) {
        ("alsasrc", _, Some(AudioSource::Alsa(device))) => Some(named("alsa", device)),
        ("pulsesrc", _, Some(AudioSource::Pulse(device))) => Some(named("pulse", device)),
        ("pipewiresrc", _, Some(AudioSource::PipeWire(device))) => Some(named("pipewire", device)),
        ("rtmp2sink" | "flvmux", ..) => None,
        (_, Some(VideoSource::Device(VideoDevice::V4l2(path))), _) => Some(path.display().to_string()),
        (_, Some(VideoSource::Device(VideoDevice::Libcamera(name))), _) => Some(named("libcamera", name)),
        (_, Some(VideoSource::Url(url)), _) => Some(without_secrets(url)),
        (_, Some(VideoSource::Still(path)), _) => Some(path.display().to_string()),
        (_, Some(VideoSource::Device(VideoDevice::First) | VideoSource::Pattern) | None, _) => None,
    }
}

fn tell(output: &mut impl Write, report: &Report) -> io::Result<()> {
    serde_json::to_writer(&mut *output, report)?;
    output.write_all(b"\n")?;
    output.flush()
}
