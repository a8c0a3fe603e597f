//! Text and datagrams of a LAN: multiserver addresses, invites, plain and sealed announcements.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| ssb_announcer::discovery::exercise(input));
