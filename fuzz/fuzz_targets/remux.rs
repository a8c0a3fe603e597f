//! An initialization section and segments of somebody else on their way into a download.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| streamer::remux::exercise(input));
