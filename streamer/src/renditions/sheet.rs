//! Pictures side by side as one JPEG, through GStreamer.

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;

use super::framing::Sheet;
use super::pipeline::{PATIENCE, bytes, trouble};
use crate::camera::Trouble;
use crate::camera::element::{Chain, Element};
use crate::camera::pipeline::{add, link, odd};

/// Bytes of a pixel.
const RGB: usize = 3;

/// From decoded pictures to those of a sheet.
pub(super) fn scaled(of: &Sheet) -> Chain {
    let Sheet { width, height, .. } = of;
    vec![
        Element::new("videoscale").with("add-borders", "true"),
        Element::new("videoconvert"),
        Element::caps(format!("video/x-raw,format=RGB,width={width},height={height},pixel-aspect-ratio=1/1")),
        Element::new("appsink").with("sync", "false").with("wait-on-eos", "false"),
    ]
}

/// The sheet of the pictures that came out behind [`scaled`].
pub(super) fn jpeg(of: &Sheet, sink: &gst::Element) -> Result<Bytes, Trouble> {
    let mut pictures = Vec::new();
    // `None` at the end of the stream.
    while let Some(sample) = sink.emit_by_name::<Option<gst::Sample>>("pull-sample", &[]) {
        let picture = sample.buffer().and_then(|buffer| bytes(&buffer.to_owned()));
        pictures.push(picture.ok_or_else(|| odd("a picture cannot be read"))?);
    }
    let pipeline = gst::Pipeline::new();
    let encoded = side_by_side(of, &pictures).and_then(|pixels| encode(&pipeline, of, pixels));
    let _ = pipeline.set_state(gst::State::Null);
    encoded
}

/// The pixels of a sheet, line by line.
fn side_by_side(of: &Sheet, pictures: &[Bytes]) -> Result<Vec<u8>, Trouble> {
    let line = of.width as usize * RGB;
    let columns = of.columns.get() as usize;
    let chosen = (0..columns).map(|column| pictures.get((2 * column + 1) * pictures.len() / (2 * columns)));
    let chosen: Vec<_> = chosen.collect::<Option<_>>().ok_or_else(|| odd("no picture can be decoded"))?;
    let mut pixels = Vec::with_capacity(line * columns * of.height as usize);
    for row in 0..of.height as usize {
        for picture in &chosen {
            let line = picture.get(row * line..(row + 1) * line).ok_or_else(|| odd("a picture is too small"))?;
            pixels.extend_from_slice(line);
        }
    }
    Ok(pixels)
}

fn encode(pipeline: &gst::Pipeline, of: &Sheet, pixels: Vec<u8>) -> Result<Bytes, Trouble> {
    let Sheet { width, height, columns, quality } = of;
    let width = width * columns.get();
    let caps = format!("video/x-raw,format=RGB,width={width},height={height},framerate=0/1,pixel-aspect-ratio=1/1");
    let chain = [
        Element::new("appsrc").with("format", "time").with("caps", caps),
        Element::new("videoconvert"),
        Element::new("jpegenc").with("quality", quality.to_string()),
        Element::new("appsink").with("sync", "false").with("wait-on-eos", "false"),
    ];
    let elements = add(pipeline, &chain)?;
    link(&elements)?;
    let (Some(source), Some(sink)) = (elements.first(), elements.last()) else { return Err(odd("no encoder")) };
    let bus = pipeline.bus().ok_or_else(|| odd("it has no bus"))?;
    // That it fails is told on the bus, with the reason.
    let _ = pipeline.set_state(gst::State::Playing);
    let mut buffer = gst::Buffer::from_slice(pixels);
    if let Some(buffer) = buffer.get_mut() {
        buffer.set_pts(gst::ClockTime::ZERO);
    }
    let _flow: gst::FlowReturn = source.emit_by_name("push-buffer", &[&buffer]);
    let _flow: gst::FlowReturn = source.emit_by_name("end-of-stream", &[]);
    let ends = [gst::MessageType::Error, gst::MessageType::Eos];
    let message = bus.timed_pop_filtered(gst::ClockTime::try_from(PATIENCE).ok(), &ends);
    match message.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Eos(_)) => {
            let sample: Option<gst::Sample> = sink.emit_by_name("pull-sample", &[]);
            let jpeg = sample.as_ref().and_then(|sample| sample.buffer()).and_then(|buffer| bytes(&buffer.to_owned()));
            jpeg.ok_or_else(|| odd("no JPEG comes"))
        }
        Some(gst::MessageView::Error(error)) => Err(trouble(error)),
        _ => Err(Trouble::Stalled { seconds: PATIENCE.as_secs() }),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn sheet(columns: u32) -> Sheet {
        Sheet { width: 4, height: 2, columns: NonZeroU32::new(columns).unwrap(), quality: 60 }
    }

    /// Of one colour.
    fn picture(value: u8) -> Bytes {
        Bytes::from(vec![value; 4 * 2 * RGB])
    }

    #[test]
    fn pictures_stand_side_by_side_spread_over_all_that_there_are() {
        let columns = |columns, pictures: &[Bytes]| {
            let pixels = side_by_side(&sheet(columns), pictures).unwrap();
            assert_eq!(pixels.len(), (4 * 2 * RGB) * columns as usize);
            let (first, second) = pixels.split_at(pixels.len() / 2);
            assert_eq!(first, second, "all lines of a picture are alike");
            first.chunks(4 * RGB).map(|line| line[0]).collect::<Vec<_>>()
        };
        let pictures: Vec<_> = (0..4).map(picture).collect();
        assert_eq!(columns(4, &pictures), [0, 1, 2, 3]);
        assert_eq!(columns(1, &pictures), [2], "the middle");
        assert_eq!(columns(4, &pictures[..2]), [0, 0, 1, 1]);
    }

    #[test]
    fn pictures_that_are_missing_or_cut_are_refused() {
        assert!(side_by_side(&sheet(1), &[]).is_err());
        assert!(side_by_side(&sheet(1), &[picture(1).slice(1..)]).is_err());
    }
}
