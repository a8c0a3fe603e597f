//! A file of carried messages: lines, keys, and all that messages of others meet.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| ssb_announcer::announcement::exercise(input));
