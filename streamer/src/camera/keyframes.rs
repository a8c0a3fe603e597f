//! Keyframes by the clock: an encoder that counts pictures has them too late where pictures were left out, and then segments
//! could not begin in time.

use std::sync::Mutex;

use gstreamer as gst;
use gstreamer::prelude::*;

/// When the next keyframe is due.
#[derive(Debug)]
struct Schedule {
    /// Nanoseconds between keyframes, and of a picture.
    interval: u64,
    picture: u64,
    next: Option<u64>,
}

impl Schedule {
    /// Whether the picture of a time, in nanoseconds, is to be a keyframe. The first is one, and says when the others are.
    fn handle(&mut self, time: u64) -> bool {
        // Times are rounded; half a picture is nearer than any other.
        let Some(next) =
            self.next.filter(|next| time < next.saturating_add(self.interval) && time + self.interval >= *next)
        else {
            // A jump: what comes is counted from here.
            self.next = Some(time + self.interval);
            return true;
        };
        let due = time + self.picture / 2 >= next;
        if due {
            self.next = Some(next + self.interval);
        }
        due
    }
}

/// Asks an encoder for a keyframe each time that so many pictures have passed by the clock.
pub(super) fn ask_for_keyframes(encoder: &gst::Element, interval: u32, rate: u32) -> Option<()> {
    let picture = 1_000_000_000 / u64::from(rate.max(1));
    let nanoseconds = u64::from(interval) * 1_000_000_000 / u64::from(rate.max(1));
    let schedule = Mutex::new(Schedule { interval: nanoseconds, picture, next: None });
    encoder.static_pad("sink")?.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let time = info.buffer().and_then(|buffer| buffer.pts());
        let due = time.is_some_and(|time| schedule.lock().is_ok_and(|mut schedule| schedule.handle(time.nseconds())));
        if due {
            // As gst_video_event_new_downstream_force_key_unit() makes it, for the picture that follows.
            let event =
                gst::Structure::builder("GstForceKeyUnit").field("all-headers", true).field("count", 0_u32).build();
            pad.send_event(gst::event::CustomDownstream::new(event));
        }
        gst::PadProbeReturn::Ok
    });
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Milliseconds at which pictures are keyframes, of pictures at these milliseconds.
    fn keyframes(pictures: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let mut schedule = Schedule { interval: 1_000_000_000, picture: 40_000_000, next: None };
        pictures.into_iter().filter(|time| schedule.handle(time * 1_000_000)).collect()
    }

    #[test]
    fn keyframes_come_by_the_clock() {
        assert_eq!(keyframes((0..80).map(|picture| 7 + picture * 40)), [7, 1_007, 2_007, 3_007]);
    }

    #[test]
    fn pictures_that_are_left_out_do_not_delay_them_for_long() {
        assert_eq!(keyframes([0, 40, 80, 1_200, 1_240, 1_960, 2_000]), [0, 1_200, 2_000]);
    }

    #[test]
    fn a_jump_begins_anew() {
        assert_eq!(keyframes([0, 40, 9_000, 9_040, 10_000, 500, 1_500]), [0, 9_000, 10_000, 500, 1_500]);
    }

    #[test]
    fn rounding_moves_no_keyframe() {
        assert_eq!(keyframes([0, 999, 1_040, 1_999]), [0, 999, 1_999]);
    }
}
