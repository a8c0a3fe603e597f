//! A request of a stranger up to the pages: whom it means, where it is led, which bytes it wants.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| player_web::exercise_request(input));
