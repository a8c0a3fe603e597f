//! Which segments of a broadcast are held here, as ranges: a broadcast of a day is a few numbers. Pure.

use stream_model::MediaSequence;

/// A set of media sequence numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SequenceSet {
    /// First and last of each run, in order, with at least one number missing between two.
    runs: Vec<(u64, u64)>,
}

impl SequenceSet {
    /// Adds a number; false where it was there.
    pub(super) fn insert(&mut self, MediaSequence(number): MediaSequence) -> bool {
        let after = self.runs.partition_point(|(first, _)| *first <= number);
        if after > 0 && number <= self.runs[after - 1].1 {
            return false;
        }
        let joins_left = after > 0 && self.runs[after - 1].1.checked_add(1) == Some(number);
        let joins_right = self.runs.get(after).is_some_and(|(first, _)| number.checked_add(1) == Some(*first));
        match (joins_left, joins_right) {
            (true, true) => {
                self.runs[after - 1].1 = self.runs[after].1;
                self.runs.remove(after);
            }
            (true, false) => self.runs[after - 1].1 = number,
            (false, true) => self.runs[after].0 = number,
            (false, false) => self.runs.insert(after, (number, number)),
        }
        true
    }

    /// Whether a number is in it.
    pub(super) fn contains(&self, MediaSequence(number): MediaSequence) -> bool {
        let after = self.runs.partition_point(|(first, _)| *first <= number);
        after > 0 && number <= self.runs[after - 1].1
    }

    /// How many numbers are in it.
    pub(super) fn len(&self) -> u64 {
        self.runs.iter().map(|(first, last)| (last - first).saturating_add(1)).fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_agrees_with_a_plain_set(numbers in prop::collection::vec(0_u64..40, 0..80)) {
            let mut plain = BTreeSet::new();
            let mut ranges = SequenceSet::default();
            for number in numbers {
                prop_assert_eq!(ranges.insert(MediaSequence(number)), plain.insert(number));
            }
            prop_assert_eq!(ranges.len(), plain.len() as u64);
            for number in 0..41 {
                prop_assert_eq!(ranges.contains(MediaSequence(number)), plain.contains(&number));
            }
            prop_assert!(ranges.runs.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0), "runs are joined");
        }
    }

    #[test]
    fn the_largest_number_fits() {
        let mut set = SequenceSet::default();
        assert!(set.insert(MediaSequence(u64::MAX)));
        assert!(set.insert(MediaSequence(u64::MAX - 1)));
        assert_eq!(set.len(), 2);
    }
}
