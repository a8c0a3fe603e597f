//! Where fragments go on the time line of the file: it begins at 0, never goes back, and what lies between two timelines of the
//! broadcast is left out.

/// How far a fragment may be from where the one before it ended, in seconds: a publisher that lost some samples goes on within
/// its timeline; more is a hole, which is left out.
const TOLERANCE: u64 = 1;
const NANOS: u128 = 1_000_000_000;

/// A track of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Track {
    pub(super) id: u32,
    /// Ticks a second, not 0.
    pub(super) timescale: u32,
    /// Of samples whose fragment says nothing.
    pub(super) default_duration: u32,
    pub(super) default_size: u32,
}

/// The samples of one track in a fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// Which track, by its place in the list.
    pub(super) track: usize,
    /// Decode time of the first, in ticks.
    pub(super) decode_time: u64,
    /// Length of all, in ticks.
    pub(super) duration: u64,
}

#[derive(Debug)]
struct Line {
    track: Track,
    /// Where its next sample is expected, on the timeline of the broadcast; unknown before the first and after a discontinuity.
    expected: Option<u64>,
    /// Where the timeline begins, and where that is in the file.
    origin: (u64, u64),
    /// Where its next sample comes in the file.
    reached: u64,
}

#[derive(Debug)]
pub(super) struct Timeline {
    lines: Vec<Line>,
}

impl Timeline {
    /// The leading track first.
    pub(super) fn new(tracks: Vec<Track>) -> Self {
        let line = |track| Line { track, expected: None, origin: (0, 0), reached: 0 };
        Self { lines: tracks.into_iter().map(line).collect() }
    }

    pub(super) fn tracks(&self) -> impl Iterator<Item = Track> {
        self.lines.iter().map(|line| line.track)
    }

    /// Identifier of the track that indices are made of.
    pub(super) fn leading_track(&self) -> u32 {
        self.lines.first().map_or(0, |line| line.track.id)
    }

    /// Where the leading track will go on.
    pub(super) fn reached(&self) -> u64 {
        self.lines.first().map_or(0, |line| line.reached)
    }

    /// What comes next is of another timeline.
    pub(super) fn forget(&mut self) {
        for line in &mut self.lines {
            line.expected = None;
        }
    }

    /// The decode times in the file of the samples of a fragment.
    pub(super) fn place(&mut self, runs: &[Run]) -> Vec<u64> {
        if runs.iter().any(|run| self.jumps(run)) {
            self.join(runs);
        }
        let place = |run: &Run| {
            let line = &mut self.lines[run.track];
            let (from, to) = line.origin;
            let placed = run.decode_time.saturating_sub(from).saturating_add(to).max(line.reached);
            line.expected = Some(run.decode_time.saturating_add(run.duration));
            line.reached = placed.saturating_add(run.duration);
            placed
        };
        runs.iter().map(place).collect()
    }

    fn jumps(&self, run: &Run) -> bool {
        let line = &self.lines[run.track];
        let tolerance = TOLERANCE * u64::from(line.track.timescale);
        line.expected.is_none_or(|expected| expected.abs_diff(run.decode_time) > tolerance)
    }

    /// Another timeline begins: the first of its samples comes where the last track ended, and all tracks stay together.
    fn join(&mut self, runs: &[Run]) {
        let nanos = |ticks: u64, track: Track| u128::from(ticks) * NANOS / u128::from(track.timescale);
        let from = runs.iter().map(|run| nanos(run.decode_time, self.lines[run.track].track)).min().unwrap_or(0);
        let to = self.lines.iter().map(|line| nanos(line.reached, line.track)).max().unwrap_or(0);
        for line in &mut self.lines {
            let ticks = |nanos: u128| {
                let ticks = nanos * u128::from(line.track.timescale) / NANOS;
                u64::try_from(ticks).unwrap_or(u64::MAX)
            };
            line.origin = (ticks(from), ticks(to));
            line.expected = Some(ticks(from));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VIDEO: Track = Track { id: 1, timescale: 90_000, default_duration: 0, default_size: 0 };
    const AUDIO: Track = Track { id: 2, timescale: 44_100, default_duration: 0, default_size: 0 };

    /// A second of both tracks that begins at these seconds.
    fn second(video: u64, audio: u64) -> [Run; 2] {
        [
            Run { track: 0, decode_time: video * 90_000, duration: 90_000 },
            Run { track: 1, decode_time: audio * 44_100, duration: 44_100 },
        ]
    }

    #[test]
    fn a_later_timeline_goes_on_where_the_one_before_it_ended() {
        let mut timeline = Timeline::new(vec![VIDEO, AUDIO]);
        assert_eq!(timeline.place(&second(100, 100)), [0, 0]);
        assert_eq!(timeline.place(&second(101, 101)), [90_000, 44_100]);
        // A hole of a minute, in both.
        assert_eq!(timeline.place(&second(160, 160)), [180_000, 88_200]);
        // The publisher came back.
        timeline.forget();
        assert_eq!(timeline.place(&second(161, 162)), [270_000, 4 * 44_100]);
    }

    #[test]
    fn tracks_that_begin_apart_stay_apart() {
        let mut timeline = Timeline::new(vec![VIDEO, AUDIO]);
        assert_eq!(timeline.place(&second(1, 0)), [90_000, 0]);
        assert_eq!(timeline.place(&second(2, 1)), [180_000, 44_100]);
        assert_eq!(timeline.place(&second(50, 49)), [360_000, 3 * 44_100]);
    }

    #[test]
    fn a_track_that_was_away_for_a_while_comes_back_in_its_place() {
        let mut timeline = Timeline::new(vec![VIDEO, AUDIO]);
        timeline.place(&second(0, 0));
        for at in 1..10 {
            timeline.place(&second(at, 0)[..1]);
        }
        assert_eq!(timeline.place(&second(10, 10)), [900_000, 441_000]);
    }

    proptest! {
        #[test]
        fn no_track_ever_goes_back(runs: Vec<(bool, u64, u32)>) {
            let mut timeline = Timeline::new(vec![VIDEO, AUDIO]);
            let mut reached = [0; 2];
            for (audio, decode_time, duration) in runs {
                let track = usize::from(audio);
                let placed = timeline.place(&[Run { track, decode_time, duration: duration.into() }])[0];
                prop_assert!(placed >= reached[track]);
                reached[track] = placed.saturating_add(duration.into());
            }
        }
    }
}
