//! Which runs there are: those of fixed seeds, or of the one that is named in the environment.

use std::ops::Range;

/// Runs one seed, or several from the first up to the one after the last: `17`, `1000..2000`.
const VARIABLE: &str = "MESHSTREAM_SIMULATION_SEED";

/// Runs each seed, and tells which one failed.
pub(crate) fn for_each(seeds: Range<u64>, mut run: impl FnMut(u64)) {
    for seed in named().unwrap_or(seeds) {
        let _teller = Teller(seed);
        run(seed);
    }
}

fn named() -> Option<Range<u64>> {
    let text = std::env::var(VARIABLE).ok()?;
    let number = |text: &str| text.parse().expect("the seed is a number, or two with .. between");
    Some(match text.split_once("..") {
        Some((first, end)) => number(first)..number(end),
        None => number(&text)..number(&text) + 1,
    })
}

struct Teller(u64);

impl Drop for Teller {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("seed {} failed; {VARIABLE}={} runs it again", self.0, self.0);
        }
    }
}
