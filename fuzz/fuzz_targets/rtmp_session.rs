//! Bytes of a publisher, split where the first bytes say, through a whole RTMP session.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| streamer::ingest::session::exercise(input));
