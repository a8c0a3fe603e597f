//! The fuzzer's corpus through the same function that the fuzzer calls.

use std::path::Path;

use streamer::ingest::session;

#[test]
fn every_seed_of_the_fuzzer_is_handled() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/rtmp_session");
    let mut seeds = 0;
    for entry in std::fs::read_dir(&corpus).expect("the corpus is part of the repository") {
        let path = entry.unwrap().path();
        session::exercise(&std::fs::read(&path).unwrap());
        seeds += 1;
    }
    assert!(seeds >= 24, "{seeds} seeds in {}", corpus.display());
}
