//! Which of a device's formats is taken. Pure.

use serde::{Deserialize, Serialize};

#[cfg(feature = "gstreamer")]
use super::job::Size;

/// How a device gives its pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptureKind {
    /// As they are.
    Raw,
    /// Each compressed by itself.
    Mjpeg,
    /// As H.264. They are decoded and encoded anew: a camera's own keyframes stand where it likes.
    H264,
}

/// A format that a device offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureFormat {
    /// How the pictures come.
    pub kind: CaptureKind,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Most pictures a second.
    pub rate: u32,
}

/// The format that costs least to bring to a size and rate: one that has them, with as few pictures and pixels more as there are, and
/// raw rather than compressed; where none has them, the one that comes nearest from below. `None` where there is no format at all.
#[cfg(feature = "gstreamer")]
pub(super) fn choose(formats: &[CaptureFormat], size: Size, rate: u32) -> Option<CaptureFormat> {
    let pixels = |format: &CaptureFormat| u64::from(format.width) * u64::from(format.height);
    let fits =
        |format: &&CaptureFormat| format.width >= size.width() && format.height >= size.height() && format.rate >= rate;
    let least = formats.iter().filter(fits).min_by_key(|format| (pixels(format), format.kind, format.rate));
    // A slow picture is worse than a small one: nobody follows a talk at 5 pictures a second.
    let nearest =
        || formats.iter().max_by_key(|format| (format.rate.min(rate), pixels(format), std::cmp::Reverse(format.kind)));
    least.or_else(nearest).copied()
}

#[cfg(test)]
#[cfg(feature = "gstreamer")]
mod tests {
    use super::*;
    use CaptureKind::{H264, Mjpeg, Raw};

    const fn format(kind: CaptureKind, width: u32, height: u32, rate: u32) -> CaptureFormat {
        CaptureFormat { kind, width, height, rate }
    }

    /// What a usual USB camera offers: raw pictures fast only where they are small.
    const USB: [CaptureFormat; 6] = [
        format(Raw, 640, 480, 30),
        format(Raw, 1280, 720, 10),
        format(Mjpeg, 640, 480, 30),
        format(Mjpeg, 1280, 720, 30),
        format(Mjpeg, 1920, 1080, 30),
        format(H264, 1280, 720, 30),
    ];

    #[track_caller]
    fn check(formats: &[CaptureFormat], size: &str, rate: u32, expected: CaptureFormat) {
        assert_eq!(choose(formats, size.parse().unwrap(), rate), Some(expected), "{size} at {rate}");
    }

    #[test]
    fn what_costs_least_is_taken() {
        check(&USB, "640x480", 25, USB[0]);
        check(&USB, "1280x720", 10, USB[1]);
        check(&USB, "1280x720", 25, USB[3]);
        check(&USB, "1024x576", 30, USB[3]);
    }

    #[test]
    fn where_nothing_fits_the_rate_goes_before_the_size() {
        check(&USB, "3840x2160", 30, USB[4]);
        check(&[format(Raw, 640, 480, 30), format(Raw, 1280, 720, 5)], "1280x720", 25, format(Raw, 640, 480, 30));
        assert_eq!(choose(&[], "640x360".parse().unwrap(), 25), None);
    }
}
