//! Bytes of a connected peer: packets, calls, notes, histories, blobs.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| ssb_announcer::gossip::exercise(input));
