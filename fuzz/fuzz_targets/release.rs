//! A statement of a release, as a feed announces it.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| release::exercise(input));
