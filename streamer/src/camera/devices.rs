//! Cameras and microphones of this machine, as GStreamer finds them.

use gstreamer as gst;
use gstreamer::prelude::*;
use serde::Serialize;

use super::capture::{CaptureFormat, CaptureKind};

/// Formats that are told of a device: some cameras offer every size in every kind.
const MAX_FORMATS: usize = 64;

/// What a device gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// A picture.
    Video,
    /// A sound.
    Audio,
}

/// A camera or a microphone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Device {
    /// What it gives.
    pub kind: DeviceKind,
    /// What it calls itself.
    pub name: String,
    /// As `--device` or `--audio` takes it.
    pub argument: String,
    /// What it offers; empty where that shows only once it is opened.
    pub formats: Vec<CaptureFormat>,
}

/// Why devices cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// GStreamer does not start.
    #[error("GStreamer does not start: {0}; reinstall 'libgstreamer1.0-0'")]
    Start(String),
    /// No plugin looks for devices.
    #[error("GStreamer cannot look for devices: install 'gstreamer1.0-plugins-good'")]
    NoMonitor,
}

/// Lists what is there, cameras first.
///
/// # Errors
/// [`DeviceError`] where GStreamer cannot look.
pub fn devices() -> Result<Vec<Device>, DeviceError> {
    gst::init().map_err(|error| DeviceError::Start(error.to_string()))?;
    let monitor = gst::DeviceMonitor::new();
    monitor.add_filter(Some("Video/Source"), None);
    monitor.add_filter(Some("Audio/Source"), None);
    if monitor.start().is_err() {
        return Err(DeviceError::NoMonitor);
    }
    let found = monitor.devices();
    monitor.stop();
    let mut devices: Vec<Device> = found.iter().filter_map(device).collect();
    devices.sort_by_key(|device| device.kind == DeviceKind::Audio);
    Ok(devices)
}

fn device(found: &gst::Device) -> Option<Device> {
    let kind = if found.has_classes("Video/Source") { DeviceKind::Video } else { DeviceKind::Audio };
    // The element that it would be opened with tells which device it is.
    let element = found.create_element(None).ok()?;
    let factory = element.factory()?.name();
    let text = |property: &str| {
        element.find_property(property)?;
        element.property_value(property).get::<Option<String>>().ok().flatten()
    };
    let argument = match factory.as_str() {
        "v4l2src" => text("device")?,
        "libcamerasrc" => with("libcamera", text("camera-name")),
        "alsasrc" => with("alsa", text("device")),
        "pulsesrc" => with("pulse", text("device")),
        "pipewiresrc" => with("pipewire", text("target-object")),
        _ => return None,
    };
    let formats = found.caps().map(|caps| formats(&caps)).unwrap_or_default();
    Some(Device { kind, name: found.display_name().to_string(), argument, formats })
}

fn with(kind: &str, device: Option<String>) -> String {
    device.map_or_else(|| kind.to_owned(), |device| format!("{kind}:{device}"))
}

/// The formats of a device of Video4Linux; empty where it is not found.
pub(super) fn capture_formats(path: &str) -> Vec<CaptureFormat> {
    let devices = devices().unwrap_or_default();
    devices.into_iter().find(|device| device.argument == path).map(|device| device.formats).unwrap_or_default()
}

fn formats(caps: &gst::CapsRef) -> Vec<CaptureFormat> {
    let mut formats = Vec::new();
    for structure in caps.iter() {
        let kind = match structure.name().as_str() {
            "video/x-raw" => CaptureKind::Raw,
            "image/jpeg" => CaptureKind::Mjpeg,
            "video/x-h264" => CaptureKind::H264,
            _ => continue,
        };
        let Some((width, height)) = largest(structure, "width").zip(largest(structure, "height")) else { continue };
        let format = CaptureFormat { kind, width, height, rate: fastest(structure) };
        if formats.len() < MAX_FORMATS && !formats.contains(&format) {
            formats.push(format);
        }
    }
    formats
}

/// A number, or the end of a range of them.
fn largest(structure: &gst::StructureRef, field: &str) -> Option<u32> {
    let number = structure.get::<i32>(field).ok();
    let range = || structure.get::<gst::IntRange<i32>>(field).ok().map(|range| range.max());
    number.or_else(range).and_then(|number| u32::try_from(number).ok())
}

/// The most pictures a second of a fraction, of a list or a range of them.
fn fastest(structure: &gst::StructureRef) -> u32 {
    const FIELD: &str = "framerate";
    let one = structure.get::<gst::Fraction>(FIELD).ok();
    let list = || {
        let list = structure.get::<gst::List>(FIELD).ok()?;
        list.iter().filter_map(|value| value.get::<gst::Fraction>().ok()).max()
    };
    let range = || structure.get::<gst::FractionRange>(FIELD).ok().map(|range| range.max());
    let rate = one.or_else(list).or_else(range);
    // 29.97 counts as 30.
    rate.map_or(0, |rate| u32::try_from((rate.numer() + rate.denom() - 1) / rate.denom().max(1)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use super::*;

    #[test]
    fn formats_are_read_from_capabilities_of_every_form() {
        gst::init().unwrap();
        let caps = gst::Caps::from_str(
            "video/x-raw, format=YUY2, width=640, height=480, framerate={ (fraction)30/1, (fraction)15/1 }; \
             image/jpeg, width=1920, height=1080, framerate=[ 1/1, 30000/1001 ]; \
             video/x-h264, width=[ 32, 1280 ], height=[ 32, 720 ], framerate=25/1; \
             video/x-raw, width=640; video/x-bayer, width=8, height=8, framerate=1/1",
        );
        let format = |kind, width, height, rate| CaptureFormat { kind, width, height, rate };
        assert_eq!(
            formats(&caps.unwrap()),
            [
                format(CaptureKind::Raw, 640, 480, 30),
                format(CaptureKind::Mjpeg, 1_920, 1_080, 30),
                format(CaptureKind::H264, 1_280, 720, 25),
            ]
        );
    }

    #[test]
    fn looking_for_devices_finds_what_can_be_opened() {
        for device in devices().unwrap() {
            assert!(!device.argument.is_empty() && !device.name.is_empty(), "{device:?}");
        }
    }
}
