//! Bytes of a peer as a message: guard, parser, signature, chain, store, and the content of announcements.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| ssb_announcer::feed::exercise(input));
