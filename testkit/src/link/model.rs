//! One direction of a link: what becomes of each frame, and when. Pure: time and the seed are arguments.
//!
//! A frame waits until those before it have left (the rate), is lost or not, travels (delay and jitter), and never
//! overtakes another. What does not fit the queue is dropped at its end, as a router does that has no better plan.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// What a link is like, in each direction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// How long a frame travels at least.
    pub delay: Duration,
    /// How much longer it may travel, evenly distributed.
    pub jitter: Duration,
    /// The share of frames that are lost after they were sent, 0 to 1.
    pub loss: f64,
    /// Bits a second, counting whole Ethernet frames; without a limit where `None`.
    pub rate: Option<u64>,
    /// Bytes that may wait to be sent; not looked at where there is no rate.
    pub queue: usize,
}

impl Settings {
    /// A radio hop of 20 Mbit/s and 40 ms there and back that loses nothing: what figures are taken over.
    pub const RADIO: Self = Self {
        delay: Duration::from_millis(20),
        jitter: Duration::ZERO,
        loss: 0.0,
        rate: Some(20_000_000),
        queue: DEFAULT_QUEUE,
    };
}

impl Default for Settings {
    /// A cable: no delay, no loss, no limit.
    fn default() -> Self {
        Self { delay: Duration::ZERO, jitter: Duration::ZERO, loss: 0.0, rate: None, queue: DEFAULT_QUEUE }
    }
}

/// 100 ms at 20 Mbit/s: what routers on a mesh commonly have.
const DEFAULT_QUEUE: usize = 256 * 1024;

/// What becomes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It arrives then, unless the link is cut before.
    Arrives(Arrival),
    /// It does not fit the queue.
    NoRoom,
    /// It is lost on the way.
    Lost,
    /// The link is cut.
    Cut,
}

/// When a frame arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) at: Instant,
    /// How often the link had been cut when the frame set out.
    cuts: u64,
}

/// What a direction has done with the frames offered to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames on their way or arrived.
    pub frames: u64,
    /// Their bytes, with Ethernet headers.
    pub bytes: u64,
    /// Frames lost at random.
    pub lost: u64,
    /// Frames for which the queue had no room.
    pub no_room: u64,
    /// Frames offered while the link was cut.
    pub cut: u64,
}

/// One direction of a link.
#[derive(Debug)]
pub(crate) struct Direction {
    settings: Settings,
    cut: bool,
    cuts: u64,
    /// When the last frame offered will have left.
    free_at: Option<Instant>,
    last_arrival: Option<Instant>,
    random: StdRng,
    counters: Counters,
}

impl Direction {
    pub(crate) fn new(settings: Settings, seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed);
        Self { settings, cut: false, cuts: 0, free_at: None, last_arrival: None, random, counters: Counters::default() }
    }

    /// Takes a frame of so many bytes.
    pub(crate) fn offer(&mut self, bytes: usize, now: Instant) -> Fate {
        let fate = self.decide(bytes, now);
        let count = match fate {
            Fate::Arrives(_) => {
                self.counters.bytes += bytes as u64;
                &mut self.counters.frames
            }
            Fate::NoRoom => &mut self.counters.no_room,
            Fate::Lost => &mut self.counters.lost,
            Fate::Cut => &mut self.counters.cut,
        };
        *count += 1;
        fate
    }

    fn decide(&mut self, bytes: usize, now: Instant) -> Fate {
        if self.cut {
            return Fate::Cut;
        }
        let mut left = now;
        if let Some(rate) = self.settings.rate {
            let start = self.free_at.map_or(now, |free| free.max(now));
            let waiting = (start - now).as_secs_f64() * rate as f64 / 8.0;
            if waiting > 0.0 && waiting + bytes as f64 > self.settings.queue as f64 {
                return Fate::NoRoom;
            }
            left = start + Duration::from_secs_f64(bytes as f64 * 8.0 / rate as f64);
            self.free_at = Some(left);
        }
        // A frame that is lost has taken its time on the air.
        if self.random.r#gen::<f64>() < self.settings.loss {
            return Fate::Lost;
        }
        let earliest = left + self.settings.delay + self.settings.jitter.mul_f64(self.random.r#gen());
        let at = self.last_arrival.map_or(earliest, |last| last.max(earliest));
        self.last_arrival = Some(at);
        Fate::Arrives(Arrival { at, cuts: self.cuts })
    }

    /// Whether a frame on its way still arrives: a cut takes all of them.
    pub(crate) fn arrives(&self, arrival: Arrival) -> bool {
        self.cuts == arrival.cuts
    }

    /// Changes what comes from now on; frames on their way arrive as they would have.
    pub(crate) fn set(&mut self, settings: Settings) {
        self.settings = settings;
    }

    pub(crate) fn cut(&mut self) {
        self.cut = true;
        self.cuts += 1;
        self.free_at = None;
        self.last_arrival = None;
    }

    pub(crate) fn heal(&mut self) {
        self.cut = false;
    }

    /// A frame that was to arrive found no room in memory.
    pub(crate) fn count_no_room(&mut self, bytes: usize) {
        self.counters.frames -= 1;
        self.counters.bytes -= bytes as u64;
        self.counters.no_room += 1;
    }

    pub(crate) fn counters(&self) -> Counters {
        self.counters
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FRAME: usize = 1500;

    fn arrival(fate: Fate) -> Option<Instant> {
        match fate {
            Fate::Arrives(arrival) => Some(arrival.at),
            _ => None,
        }
    }

    #[test]
    fn a_cable_delivers_at_once() {
        let now = Instant::now();
        let mut link = Direction::new(Settings::default(), 1);
        assert_eq!(arrival(link.offer(FRAME, now)), Some(now));
        assert_eq!(link.counters(), Counters { frames: 1, bytes: FRAME as u64, ..Counters::default() });
    }

    #[test]
    fn delay_comes_after_the_time_that_sending_takes() {
        let now = Instant::now();
        let settings = Settings { delay: Duration::from_millis(20), rate: Some(12_000), ..Settings::default() };
        let mut link = Direction::new(settings, 1);
        assert_eq!(arrival(link.offer(FRAME, now)), Some(now + Duration::from_millis(1020)));
        assert_eq!(arrival(link.offer(FRAME, now)), Some(now + Duration::from_millis(2020)));
    }

    #[test]
    fn a_frame_that_finds_the_line_free_is_sent_whatever_the_queue() {
        let now = Instant::now();
        let mut link = Direction::new(Settings { rate: Some(12_000), queue: 0, ..Settings::default() }, 1);
        assert!(arrival(link.offer(FRAME, now)).is_some());
        assert_eq!(link.offer(FRAME, now), Fate::NoRoom);
        assert!(arrival(link.offer(FRAME, now + Duration::from_secs(1))).is_some());
    }

    #[test]
    fn a_cut_takes_what_is_on_its_way_and_what_comes() {
        let now = Instant::now();
        let mut link = Direction::new(Settings { delay: Duration::from_millis(20), ..Settings::default() }, 1);
        let Fate::Arrives(before) = link.offer(FRAME, now) else { panic!("not sent") };
        assert!(link.arrives(before));
        link.cut();
        assert_eq!(link.offer(FRAME, now), Fate::Cut);
        link.heal();
        assert!(!link.arrives(before));
        let Fate::Arrives(after) = link.offer(FRAME, now) else { panic!("not sent") };
        assert!(link.arrives(after));
    }

    #[test]
    fn the_same_seed_loses_the_same_frames() {
        let now = Instant::now();
        let fates = |seed| {
            let mut link = Direction::new(Settings { loss: 0.5, ..Settings::default() }, seed);
            (0..64).map(|_| link.offer(FRAME, now) == Fate::Lost).collect::<Vec<_>>()
        };
        assert_eq!(fates(7), fates(7));
        assert_ne!(fates(7), fates(8));
    }

    #[test]
    fn about_as_many_are_lost_as_were_to_be() {
        const FRAMES: u64 = 20_000;
        let now = Instant::now();
        for loss in [0.0, 0.01, 0.2, 1.0] {
            let mut link = Direction::new(Settings { loss, ..Settings::default() }, 42);
            for _ in 0..FRAMES {
                link.offer(FRAME, now);
            }
            // Five standard deviations of a binomial distribution.
            let expected = loss * FRAMES as f64;
            let margin = 5.0 * (expected * (1.0 - loss)).sqrt();
            let lost = link.counters().lost as f64;
            assert!((lost - expected).abs() <= margin, "{lost} of {FRAMES} at {loss}");
        }
    }

    fn settings() -> impl Strategy<Value = Settings> {
        (0_u64..100, 0_u64..50, 0.0..0.5, proptest::option::of(10_000_u64..100_000_000), 0_usize..200_000).prop_map(
            |(delay, jitter, loss, rate, queue)| Settings {
                delay: Duration::from_millis(delay),
                jitter: Duration::from_millis(jitter),
                loss,
                rate,
                queue,
            },
        )
    }

    /// Frames as their length and the microseconds since the one before.
    fn frames() -> impl Strategy<Value = Vec<(usize, u64)>> {
        proptest::collection::vec((60_usize..1514, 0_u64..2_000), 1..400)
    }

    proptest! {
        #[test]
        fn order_is_kept_and_nothing_is_early(settings in settings(), frames in frames(), seed: u64) {
            let mut now = Instant::now();
            let mut link = Direction::new(settings, seed);
            let mut last = now;
            for (bytes, gap) in frames {
                now += Duration::from_micros(gap);
                if let Some(at) = arrival(link.offer(bytes, now)) {
                    prop_assert!(at >= last, "overtaken");
                    prop_assert!(at >= now + settings.delay, "early");
                    last = at;
                }
            }
        }

        #[test]
        fn the_rate_holds_over_any_window_and_the_queue_is_bounded(settings in settings(), frames in frames(), seed: u64) {
            // Without jitter, arrivals are departures, later.
            let settings = Settings { jitter: Duration::ZERO, ..settings };
            let Some(rate) = settings.rate else { return Ok(()) };
            let mut now = Instant::now();
            let mut link = Direction::new(settings, seed);
            let mut arrivals: Vec<(Instant, usize)> = Vec::new();
            for (bytes, gap) in frames {
                now += Duration::from_micros(gap);
                if let Some(at) = arrival(link.offer(bytes, now)) {
                    let longest = (settings.queue + bytes) as f64 * 8.0 / rate as f64;
                    let waited = (at - now - settings.delay).as_secs_f64();
                    prop_assert!(waited <= longest + 1e-6, "waited {waited} s");
                    arrivals.push((at, bytes));
                }
            }
            for (index, (first, _)) in arrivals.iter().enumerate() {
                let mut sum = 0;
                for (at, bytes) in &arrivals[index + 1..] {
                    sum += bytes;
                    // Nanoseconds are rounded for each frame.
                    let least = sum as f64 * 8.0 / rate as f64 - 1e-6;
                    prop_assert!((*at - *first).as_secs_f64() >= least, "{sum} bytes in {:?}", *at - *first);
                }
            }
        }
    }
}
