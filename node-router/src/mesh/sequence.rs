//! The numbers of this node's own records: each higher than all before it, over restarts too, whatever the clock says. A run
//! sets aside more of them in a file than it can use, so that nothing is written later.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use stream_model::WallTime;
use tempfile::NamedTempFile;

/// Numbers set aside at a start: a record is made every 10 s at most, so that a year without a restart does not use them up.
const SET_ASIDE: u64 = 1 << 22;
/// The latest time that a clock is believed, the end of the year 9999: higher numbers have to remain after any of them.
const LATEST: u64 = 253_402_300_799_999;
/// Starts and [`LATEST`] together never lead here: a file that says more is damaged.
const MAX_STORED: u64 = 1 << 53;

/// The number of the first record of this run; those that follow count up from it. Where the file is lost, the clock
/// serves: others believe an older record for some minutes where it went back.
pub(super) fn first(file: &Path, wall: WallTime) -> u64 {
    let used = read(file).unwrap_or_else(|error| {
        tracing::warn!(%error, file = %file.display(), "the number of this node's last record is not known: its clock gives the next");
        0
    });
    let first = wall.0.min(LATEST).max(used);
    if let Err(error) = write(file, first.saturating_add(SET_ASIDE)) {
        tracing::warn!(
            %error, file = %file.display(),
            "cannot keep the number of this node's record: if its clock goes back, others do not believe it for some minutes"
        );
    }
    first
}

/// The first number that no run has set aside.
fn read(file: &Path) -> io::Result<u64> {
    let text = match fs::read_to_string(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        text => text?,
    };
    let number = text.trim().parse().ok().filter(|number| *number <= MAX_STORED);
    number.ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "it holds no number of a record"))
}

/// Whole or not at all.
fn write(path: &Path, number: u64) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let mut file = NamedTempFile::new_in(directory)?;
    writeln!(file, "{number}")?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_clock_gives_the_first_number_and_a_later_run_never_a_lower_one() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("identity/record-sequence");
        assert_eq!(first(&file, WallTime(1_795_291_200_000)), 1_795_291_200_000);
        let second = first(&file, WallTime(7));
        assert_eq!(second, 1_795_291_200_000 + SET_ASIDE);
        assert_eq!(first(&file, WallTime(1_900_000_000_000)), 1_900_000_000_000);
    }

    #[test]
    fn what_the_file_says_is_not_believed_where_it_cannot_be() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("record-sequence");
        for damaged in ["", "-1", "12x", "9007199254740993", "18446744073709551615"] {
            fs::write(&file, damaged).unwrap();
            assert_eq!(first(&file, WallTime(5)), 5, "{damaged}");
            assert_eq!(first(&file, WallTime(1)), 5 + SET_ASIDE, "it is whole again");
        }
    }

    #[test]
    fn a_node_that_cannot_write_has_a_number_all_the_same() {
        assert_eq!(first(Path::new("/dev/null/record-sequence"), WallTime(5)), 5);
    }

    proptest! {
        #[test]
        fn numbers_grow_over_restarts_whatever_the_clock_says(clocks in prop::collection::vec(any::<u64>(), 2..6)) {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("record-sequence");
            let firsts: Vec<_> = clocks.into_iter().map(|clock| first(&file, WallTime(clock))).collect();
            prop_assert!(firsts.windows(2).all(|runs| runs[0] + SET_ASIDE <= runs[1]), "{firsts:?}");
            prop_assert!(firsts.iter().all(|first| *first < MAX_STORED));
        }
    }
}
