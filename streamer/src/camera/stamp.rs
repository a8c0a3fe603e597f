//! The time in the test picture, for machines: where the picture is seen at last, it tells when it was made. Pure.

/// Blocks of a row, and rows. A block is white for a one, black for a nought, the highest bit first.
const COLUMNS: usize = 26;
const ROWS: usize = 2;

/// Bits of the time: milliseconds since 1970, which suffice for 557 years.
const TIME_BITS: u32 = 44;

/// Where the rows begin and how high both are, in hundredths of the picture: among the boxes at the foot of the test picture.
const TOP: usize = 80;
const HEIGHT: usize = 12;

/// Black and white as video has them (ITU-R BT.601).
#[cfg(feature = "gstreamer")]
const BLACK: u8 = 16;
#[cfg(feature = "gstreamer")]
const WHITE: u8 = 235;

/// Draws a time, in milliseconds since 1970, into the luma plane of a picture. Does nothing where the plane is too small.
#[cfg(feature = "gstreamer")]
pub(super) fn draw(milliseconds: u64, luma: &mut [u8], stride: usize, width: usize, height: usize) {
    let bits = with_check(milliseconds);
    let (top, rows) = (height * TOP / 100, height * HEIGHT / 100);
    for line in 0..rows {
        let row = line * ROWS / rows.max(1);
        let Some(pixels) = luma.get_mut((top + line) * stride..).and_then(|rest| rest.get_mut(..width)) else { return };
        for (x, pixel) in pixels.iter_mut().enumerate() {
            let bit = row * COLUMNS + x * COLUMNS / width;
            *pixel = if bits >> (ROWS * COLUMNS - 1 - bit) & 1 == 1 { WHITE } else { BLACK };
        }
    }
}

/// The time that a picture shows, in milliseconds since 1970; `None` where it shows none. `luma` has a byte a pixel, line after line.
pub fn read_stamp(luma: &[u8], width: usize, height: usize) -> Option<u64> {
    let mut bits = 0_u64;
    for row in 0..ROWS {
        for column in 0..COLUMNS {
            let y = (height * TOP + height * HEIGHT * (2 * row + 1) / (2 * ROWS)) / 100;
            let x = (2 * column + 1) * width / (2 * COLUMNS);
            bits = bits << 1 | u64::from(*luma.get(y * width + x)? > 127);
        }
    }
    let milliseconds = bits >> 8;
    (with_check(milliseconds) == bits).then_some(milliseconds)
}

/// The time and a sum of its bytes: what is no time does not look like one.
fn with_check(milliseconds: u64) -> u64 {
    let time = milliseconds & ((1 << TIME_BITS) - 1);
    let sum = time.to_be_bytes().iter().fold(0x5a_u8, |sum, byte| sum.rotate_left(1) ^ byte);
    time << 8 | u64::from(sum)
}

#[cfg(all(test, feature = "gstreamer"))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_drawn_is_read(time in 0_u64..1 << TIME_BITS, width in 96_usize..400, height in 64_usize..300) {
            let stride = width.next_multiple_of(4);
            let mut picture = vec![128; stride * height];
            draw(time, &mut picture, stride, width, height);
            let packed: Vec<u8> = picture.chunks(stride).flat_map(|line| &line[..width]).copied().collect();
            prop_assert_eq!(read_stamp(&packed, width, height), Some(time));
        }

        #[test]
        fn nothing_that_is_not_drawn_is_read_and_nothing_panics(pixels in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut pixels = pixels;
            draw(5, &mut pixels, 20, 20, 20);
            let _ = read_stamp(&pixels, 20, 20);
        }
    }

    #[test]
    fn a_picture_without_a_time_shows_none() {
        for grey in [0, 90, 200] {
            assert_eq!(read_stamp(&vec![grey; 320 * 180], 320, 180), None);
        }
    }
}
