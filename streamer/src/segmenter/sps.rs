//! The picture size in an H.264 sequence parameter set (ITU-T H.264 §7.3.2.1.1). Takes any bytes.

use super::bits::Bits;

/// Only the beginning is read: all that comes before the size fits many times over.
const MAX_BYTES: usize = 1024;
/// The largest picture of level 6.2 is 16,384 pixels wide; more than that is nonsense.
const MAX_MACROBLOCKS_PER_SIDE: u32 = 1024;

/// Width and height in pixels, cropped. `nal` is the whole NAL unit, header included.
pub(super) fn resolution(nal: &[u8]) -> Option<(u32, u32)> {
    let payload = without_emulation_prevention(nal.get(1..nal.len().min(MAX_BYTES))?);
    let bits = &mut Bits::new(&payload);
    let profile = bits.read(8)?;
    bits.read(16)?; // constraint flags and level
    bits.unsigned_golomb()?; // seq_parameter_set_id
    let mut chroma_format = 1;
    let mut separate_planes = false;
    if matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135) {
        chroma_format = bits.unsigned_golomb()?;
        if chroma_format > 3 {
            return None;
        }
        if chroma_format == 3 {
            separate_planes = bits.flag()?;
        }
        bits.unsigned_golomb()?; // bit_depth_luma_minus8
        bits.unsigned_golomb()?; // bit_depth_chroma_minus8
        bits.flag()?; // qpprime_y_zero_transform_bypass_flag
        if bits.flag()? {
            for list in 0..if chroma_format == 3 { 12 } else { 8 } {
                if bits.flag()? {
                    skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    bits.unsigned_golomb()?; // log2_max_frame_num_minus4
    match bits.unsigned_golomb()? {
        0 => {
            bits.unsigned_golomb()?; // log2_max_pic_order_cnt_lsb_minus4
        }
        1 => {
            bits.flag()?; // delta_pic_order_always_zero_flag
            bits.signed_golomb()?; // offset_for_non_ref_pic
            bits.signed_golomb()?; // offset_for_top_to_bottom_field
            let cycle = bits.unsigned_golomb()?;
            if cycle > 255 {
                return None;
            }
            for _ in 0..cycle {
                bits.signed_golomb()?;
            }
        }
        2 => {}
        _ => return None,
    }
    bits.unsigned_golomb()?; // max_num_ref_frames
    bits.flag()?; // gaps_in_frame_num_value_allowed_flag
    let width = side(bits.unsigned_golomb()?)?;
    let map_units = side(bits.unsigned_golomb()?)?;
    let frames_only = bits.flag()?;
    let height = map_units * if frames_only { 1 } else { 2 };
    if !frames_only {
        bits.flag()?; // mb_adaptive_frame_field_flag
    }
    bits.flag()?; // direct_8x8_inference_flag
    let (mut crop_x, mut crop_y) = (0, 0);
    if bits.flag()? {
        // Units as in §7.4.2.1.1, equations 7-19 to 7-22.
        let (unit_x, sub_height): (u64, u64) = match chroma_format {
            1 if !separate_planes => (2, 2),
            2 if !separate_planes => (2, 1),
            _ => (1, 1),
        };
        let unit_y = sub_height * if frames_only { 1 } else { 2 };
        let (left, right) = (bits.unsigned_golomb()?, bits.unsigned_golomb()?);
        let (top, bottom) = (bits.unsigned_golomb()?, bits.unsigned_golomb()?);
        crop_x = (u64::from(left) + u64::from(right)) * unit_x;
        crop_y = (u64::from(top) + u64::from(bottom)) * unit_y;
    }
    let width = u64::from(width).checked_sub(crop_x).filter(|width| *width > 0)?;
    let height = u64::from(height).checked_sub(crop_y).filter(|height| *height > 0)?;
    Some((u32::try_from(width).ok()?, u32::try_from(height).ok()?))
}

/// Pixels of a side that is given in macroblocks less one.
fn side(macroblocks_less_one: u32) -> Option<u32> {
    (macroblocks_less_one < MAX_MACROBLOCKS_PER_SIDE).then(|| (macroblocks_less_one + 1) * 16)
}

/// §7.3.2.1.1.1: the list ends being coded once a scale of 0 is next.
fn skip_scaling_list(bits: &mut Bits<'_>, size: usize) -> Option<()> {
    let (mut last, mut next) = (8_i64, 8_i64);
    for _ in 0..size {
        if next != 0 {
            next = (last + bits.signed_golomb()?).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

/// Removes the 03 of each 00 00 03 (§7.4.1.1).
fn without_emulation_prevention(nal: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(nal.len());
    let mut zeros = 0;
    for &byte in nal {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        payload.push(byte);
    }
    payload
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Written by x264 through ffmpeg 5.1, read back with `ffprobe -show_streams`.
    #[test]
    fn the_size_of_a_high_profile_720p_stream_is_read() {
        let sps = [
            103, 100, 0, 31, 172, 217, 128, 80, 5, 187, 1, 106, 2, 2, 2, 128, 0, 0, 3, 0, 128, 0, 0, 30, 7, 140, 24,
            205,
        ];
        assert_eq!(resolution(&sps), Some((1280, 720)));
    }

    #[test]
    fn cropping_beyond_the_picture_is_refused() {
        // Baseline, 1×1 macroblock, cropped by 100 units on the left.
        // Fields: id, frame number, picture order count type 2, reference frames, gaps, width, height, frames only, direct.
        let fields = ["1", "1", "011", "1", "0", "1", "1", "1", "1"].concat();
        let bits = format!("{:08b}{:016b}{fields}", 66, 0);
        let whole = pack(&format!("{bits}0"));
        assert_eq!(resolution(&whole), Some((16, 16)));
        let cropped = pack(&format!("{bits}1{}111", "0000001100101")); // left 100, right, top, bottom 0
        assert_eq!(resolution(&cropped), None);
    }

    fn pack(bits: &str) -> Vec<u8> {
        let mut bytes = vec![0x67];
        for chunk in bits.as_bytes().chunks(8) {
            let text = String::from_utf8(chunk.to_vec()).unwrap();
            bytes.push(u8::from_str_radix(&format!("{text:0<8}"), 2).unwrap());
        }
        bytes
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(nal in proptest::collection::vec(any::<u8>(), 0..200), profile in prop::sample::select(vec![66_u8, 100, 244])) {
            let _ = resolution(&nal);
            let mut nal = nal;
            if nal.len() > 1 {
                nal[1] = profile;
            }
            if let Some((width, height)) = resolution(&nal) {
                prop_assert!(width > 0 && height > 0 && width <= 16_384 && height <= 32_768);
            }
        }
    }
}
