//! Bytes of a CAR file, in pieces whose length the first byte says: headers, sections, blocks.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| node_router_car::exercise(input));
