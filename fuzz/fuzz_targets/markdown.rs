//! A text of a stranger as HTML for the owner's pages, read again tag by tag.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| player_web::exercise_markdown(input));
