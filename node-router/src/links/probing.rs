//! When to probe which neighbour, and what the answers say. A state machine without I/O: time and chance are arguments.
//!
//! An answered probe is followed by the next one after [`EVERY`]; one that is not answered soon by more in short order, so that
//! one lost datagram, or a few, make no link dead, and a dead one is known within [`EVERY`] and [`DEAD_AFTER`]: less than 5 s.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Between two probes of a link that is well, and of one that is dead: it is noticed so soon that it came back.
const EVERY: Duration = Duration::from_secs(2);
/// Until another probe is sent where one is not answered. Longer than the round trip over several hops.
const AGAIN: Duration = Duration::from_millis(400);
/// Without any answer for this long since a probe, a link is dead. Seven probes are lost by then: with a loss of 20 % each way
/// that happens by chance once in about a day.
const DEAD_AFTER: Duration = Duration::from_millis(2_500);
/// Probes without an answer that a link needs to be dead, however long the time: this node may have slept.
const DEAD_PROBES: u32 = 6;
/// A probe that is not answered within this is lost. Answers that come later count for nothing.
const LOST_AFTER: Duration = Duration::from_secs(3);
/// Probes that are awaited at a time: those of `LOST_AFTER`.
const MAX_AWAITED: usize = 16;
/// Probes that the loss is of: about a minute and a half of a link that is well.
const WINDOW: usize = 50;
/// Probes after which who never answered is probed rarely: it may know no probes, or a firewall drops them.
const MANY_IN_VAIN: u32 = 8;
const RARELY: Duration = Duration::from_secs(30);
/// Places that are probed at once: all peers that a node looks after.
const MAX_PLACES: usize = 1024;

/// What became of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// It answers, for the first time or again.
    Up(SocketAddr),
    /// It answered, and does not any more.
    Down(SocketAddr),
    /// Its node knows other nodes than it did: the tag in [`Quality`] is another one.
    News(SocketAddr),
}

/// One probe to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Probe {
    /// Of all its forms.
    pub(super) nonce: u64,
    pub(super) to: SocketAddr,
    /// Whether it goes without the question for the tag too: its node may not understand that one.
    pub(super) also_plain: bool,
}

/// How a link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quality {
    /// Smoothed.
    pub(crate) rtt: Duration,
    /// Of the last probes, 0 to 100.
    pub(crate) loss_percent: u8,
    /// When the last answer came.
    pub(crate) heard: Instant,
    /// Whether it is dead.
    pub(crate) down: bool,
    /// Which nodes its node knows, where the last answer said so: it changes with them.
    pub(crate) tag: Option<u64>,
}

#[derive(Debug)]
struct Link {
    next: Instant,
    awaited: VecDeque<(u64, Instant)>,
    /// When the first probe since the last answer was sent.
    silent_since: Option<Instant>,
    /// Probes sent since the last answer.
    in_vain: u32,
    /// Smoothed round trip, and when the last answer came.
    answered: Option<(Duration, Instant)>,
    down: bool,
    /// In the last answer.
    tag: Option<u64>,
    /// Whether each of the last probes was answered, the newest last.
    outcomes: VecDeque<bool>,
}

impl Link {
    fn new(now: Instant) -> Self {
        let (awaited, outcomes) = (VecDeque::new(), VecDeque::new());
        Self { next: now, awaited, silent_since: None, in_vain: 0, answered: None, down: false, tag: None, outcomes }
    }

    /// Returns whether the probe goes in its plain form too.
    fn send(&mut self, nonce: u64, now: Instant) -> bool {
        let also_plain = self.tag.is_none() || self.in_vain > 0;
        if self.awaited.len() == MAX_AWAITED {
            self.awaited.pop_front();
            self.count(false);
        }
        self.awaited.push_back((nonce, now));
        self.silent_since.get_or_insert(now);
        self.in_vain = self.in_vain.saturating_add(1);
        self.next = now + self.pause();
        also_plain
    }

    fn pause(&self) -> Duration {
        match self.answered {
            Some(_) if !self.down => AGAIN,
            None if self.in_vain >= MANY_IN_VAIN => RARELY,
            _ => EVERY,
        }
    }

    fn answer(&mut self, sent: Instant, now: Instant) {
        let rtt = now.saturating_duration_since(sent);
        // RFC 6298 §2.3.
        let smoothed = self.answered.map_or(rtt, |(before, _)| (before * 7 + rtt) / 8);
        self.answered = Some((smoothed, now));
        self.silent_since = None;
        self.in_vain = 0;
        self.down = false;
        self.next = sent.max(now.checked_sub(EVERY).unwrap_or(sent)) + EVERY;
        self.count(true);
    }

    fn count(&mut self, answered: bool) {
        if self.outcomes.len() == WINDOW {
            self.outcomes.pop_front();
        }
        self.outcomes.push_back(answered);
    }

    fn lose(&mut self, now: Instant) {
        while self.awaited.front().is_some_and(|(_, sent)| *sent + LOST_AFTER <= now) {
            self.awaited.pop_front();
            self.count(false);
        }
    }

    /// Whether it has died now.
    fn dies(&mut self, now: Instant) -> bool {
        let silent = self.silent_since.is_some_and(|since| since + DEAD_AFTER <= now);
        let dies = silent && self.in_vain >= DEAD_PROBES && self.answered.is_some() && !self.down;
        self.down |= dies;
        dies
    }

    fn timeout(&self) -> Instant {
        let death = self.silent_since.filter(|_| self.answered.is_some() && !self.down).map(|since| since + DEAD_AFTER);
        // One that is due and lacks probes waits for the next probe.
        death.filter(|_| self.in_vain >= DEAD_PROBES).map_or(self.next, |death| death.min(self.next))
    }

    fn quality(&self) -> Option<Quality> {
        let (rtt, heard) = self.answered?;
        let lost = self.outcomes.iter().filter(|answered| !**answered).count();
        let percent = lost * 100 / self.outcomes.len().max(1);
        let loss_percent = u8::try_from(percent).unwrap_or(100);
        Some(Quality { rtt, loss_percent, heard, down: self.down, tag: self.tag })
    }
}

/// All links that are probed.
#[derive(Debug, Default)]
pub(super) struct Probing {
    links: HashMap<SocketAddr, Link>,
    events: VecDeque<Event>,
}

impl Probing {
    /// These are probed from now on; what is known of others is forgotten.
    pub(super) fn set_places(&mut self, places: &[SocketAddr], now: Instant) {
        self.links.retain(|place, _| places.contains(place));
        for place in places.iter().take(MAX_PLACES) {
            self.links.entry(*place).or_insert_with(|| Link::new(now));
        }
    }

    /// The next probe to send now, with this number.
    pub(super) fn poll_probe(&mut self, now: Instant, nonce: u64) -> Option<Probe> {
        let (place, link) = self.links.iter_mut().find(|(_, link)| link.next <= now)?;
        let also_plain = link.send(nonce, now);
        Some(Probe { nonce, to: *place, also_plain })
    }

    /// An answer came, from wherever: its number tells whose it is. That to another form of the same probe counts for nothing.
    pub(super) fn handle_answer(&mut self, nonce: u64, tag: Option<u64>, now: Instant) {
        for (place, link) in &mut self.links {
            let Some(index) = link.awaited.iter().position(|(awaited, _)| *awaited == nonce) else { continue };
            let Some((_, sent)) = link.awaited.remove(index) else { continue };
            let was_up = link.answered.is_some() && !link.down;
            link.answer(sent, now);
            if !was_up {
                self.events.push_back(Event::Up(*place));
            }
            if tag.is_some() && tag != link.tag {
                self.events.push_back(Event::News(*place));
            }
            link.tag = tag;
            return;
        }
    }

    /// Time has passed.
    pub(super) fn handle_time(&mut self, now: Instant) {
        for (place, link) in &mut self.links {
            link.lose(now);
            if link.dies(now) {
                self.events.push_back(Event::Down(*place));
            }
        }
    }

    /// Links of this machine are gone: these places are dead, and whoever tells this knows it. The others are probed now.
    pub(super) fn handle_cut_off(&mut self, places: &[SocketAddr], now: Instant) {
        for (place, link) in &mut self.links {
            link.down |= link.answered.is_some() && places.contains(place);
            link.next = link.next.min(now);
        }
    }

    pub(super) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When there is something to do next, unless an answer comes before.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.links.values().map(Link::timeout).min()
    }

    pub(super) fn measured(&self) -> HashMap<SocketAddr, Quality> {
        self.links.iter().filter_map(|(place, link)| Some((*place, link.quality()?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_link_that_this_machine_lost_is_dead_without_a_word_and_back_with_the_first_answer() {
        let now = Instant::now();
        let [gone, other]: [SocketAddr; 2] = ["10.0.0.2:1", "10.0.1.2:1"].map(|text| text.parse().unwrap());
        let mut probing = Probing::default();
        probing.set_places(&[gone, other], now);
        for nonce in 0..2 {
            let nonce = probing.poll_probe(now, nonce).unwrap().nonce;
            probing.handle_answer(nonce, None, now);
            assert!(matches!(probing.poll_event(), Some(Event::Up(_))));
        }
        assert_eq!(probing.poll_probe(now, 9), None, "all are well");
        probing.handle_cut_off(&[gone], now);
        assert_eq!(probing.measured().values().filter(|quality| quality.down).count(), 1);
        assert!(probing.measured()[&gone].down);
        let probed: Vec<_> = (2..4).map(|nonce| probing.poll_probe(now, nonce).unwrap()).collect();
        assert_eq!(probing.poll_event(), None);
        for probe in probed {
            probing.handle_answer(probe.nonce, None, now);
        }
        assert_eq!((probing.poll_event(), probing.poll_event()), (Some(Event::Up(gone)), None));
    }

    /// A neighbour, and its clock.
    struct Machine {
        probing: Probing,
        place: SocketAddr,
        start: Instant,
        now: Instant,
        sent: u32,
    }

    impl Machine {
        fn new() -> Self {
            let (mut probing, now) = (Probing::default(), Instant::now());
            let place = "[fc12::1]:4001".parse().unwrap();
            probing.set_places(&[place], now);
            Self { probing, place, start: now, now, sent: 0 }
        }

        /// Runs for a time; `answered` says whether the probe with this number is.
        fn run(&mut self, time: Duration, mut answered: impl FnMut(u32) -> bool) -> Vec<(Duration, Event)> {
            let (end, mut events) = (self.now + time, Vec::new());
            let rtt = Duration::from_millis(40);
            loop {
                while let Some(Probe { nonce, to, .. }) = self.probing.poll_probe(self.now, u64::from(self.sent)) {
                    assert_eq!(to, self.place);
                    self.sent += 1;
                    if answered(self.sent) {
                        self.probing.handle_answer(nonce, None, self.now + rtt);
                    }
                }
                self.probing.handle_time(self.now);
                events.extend(
                    std::iter::from_fn(|| self.probing.poll_event()).map(|event| (self.now - self.start, event)),
                );
                let next = self.probing.next_timeout().unwrap();
                if next > end {
                    self.now = end;
                    return events;
                }
                assert!(next >= self.now, "time does not go back");
                self.now = next.max(self.now + Duration::from_millis(1));
            }
        }

        fn quality(&self) -> Quality {
            self.probing.measured()[&self.place]
        }
    }

    #[test]
    fn a_link_that_is_well_costs_a_probe_in_two_seconds() {
        let mut machine = Machine::new();
        let events = machine.run(Duration::from_secs(100), |_| true);
        assert_eq!(events, [(Duration::ZERO, Event::Up(machine.place))]);
        assert!((50..=51).contains(&machine.sent), "{}", machine.sent);
        assert_eq!((machine.quality().rtt.as_millis(), machine.quality().loss_percent), (40, 0));
    }

    #[test]
    fn a_link_that_dies_is_known_to_be_dead_within_five_seconds_and_alive_soon_after_it_is() {
        let mut machine = Machine::new();
        machine.run(Duration::from_secs(10), |_| true);
        let died = machine.now - machine.start;
        let events = machine.run(Duration::from_secs(60), |_| false);
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].1, Event::Down(machine.place));
        assert!(events[0].0 - died < Duration::from_secs(5), "{events:?}");
        assert!(machine.quality().down && machine.quality().loss_percent > 30);
        let came_back = machine.now - machine.start;
        let events = machine.run(Duration::from_secs(60), |_| true);
        assert_eq!(events[0].1, Event::Up(machine.place));
        assert!(events[0].0 - came_back <= EVERY);
        assert!(!machine.quality().down);
    }

    #[test]
    fn some_lost_probes_make_no_link_dead_and_their_part_is_told() {
        let mut machine = Machine::new();
        // Every other one, and at times five in a row.
        let events = machine.run(Duration::from_secs(600), |n| n % 2 == 0 && n % 20 > 3);
        assert_eq!(events, [(events[0].0, Event::Up(machine.place))]);
        assert!((50..70).contains(&machine.quality().loss_percent), "{:?}", machine.quality());
    }

    #[test]
    fn who_never_answers_is_probed_rarely_and_is_not_dead() {
        let mut machine = Machine::new();
        assert_eq!(machine.run(Duration::from_secs(600), |_| false), []);
        assert!(machine.sent < 30, "{}", machine.sent);
        assert!(machine.probing.measured().is_empty());
    }

    #[test]
    fn a_node_that_slept_calls_no_link_dead_before_it_has_probed_again() {
        let mut machine = Machine::new();
        machine.run(Duration::from_secs(10), |_| true);
        machine.probing.poll_probe(machine.now + EVERY, 1_000_000);
        machine.now += Duration::from_secs(600);
        let events = machine.run(Duration::from_secs(1), |_| true);
        assert_eq!(events, []);
    }

    #[test]
    fn an_answer_counts_once_and_a_made_up_one_never() {
        let mut machine = Machine::new();
        let nonce = machine.probing.poll_probe(machine.now, 5).unwrap().nonce;
        machine.probing.handle_answer(nonce + 1, None, machine.now);
        assert!(machine.probing.measured().is_empty());
        machine.probing.handle_answer(nonce, None, machine.now + Duration::from_millis(8));
        machine.probing.handle_answer(nonce, None, machine.now + Duration::from_secs(2));
        assert_eq!(machine.quality().rtt, Duration::from_millis(8));
    }

    #[test]
    fn who_tells_a_tag_is_asked_for_it_alone_and_only_another_one_is_news() {
        let mut machine = Machine::new();
        // Sends a probe when it is due; returns whether it went in its plain form too, and the news after the answer.
        let mut probe = |answer: Option<Option<u64>>| {
            machine.now = machine.probing.next_timeout().unwrap().max(machine.now);
            let nonce = u64::from(machine.sent);
            machine.sent += 1;
            let probe = machine.probing.poll_probe(machine.now, nonce).unwrap();
            if let Some(tag) = answer {
                machine.probing.handle_answer(nonce, tag, machine.now);
                // That to the plain form comes after it.
                machine.probing.handle_answer(nonce, None, machine.now);
            }
            let events: Vec<_> = std::iter::from_fn(|| machine.probing.poll_event()).collect();
            (probe.also_plain, events.contains(&Event::News(machine.place)))
        };
        assert_eq!(probe(Some(Some(7))), (true, true));
        assert_eq!(probe(Some(Some(7))), (false, false));
        assert_eq!(probe(Some(Some(8))), (false, true));
        assert_eq!(probe(None), (false, false));
        assert_eq!(probe(Some(Some(8))), (true, false), "it may be an older node by now");
        assert_eq!(probe(None), (false, false));
        assert_eq!(probe(Some(None)), (true, false), "it is");
        assert_eq!(probe(Some(None)), (true, false));
        assert_eq!(machine.quality().tag, None);
    }

    proptest! {
        #[test]
        fn whatever_is_lost_the_next_timeout_never_stands_still(lost in proptest::collection::vec(any::<bool>(), 1..200)) {
            let mut machine = Machine::new();
            machine.run(Duration::from_secs(300), |n| !lost[n as usize % lost.len()]);
            prop_assert!(machine.sent < 1000);
        }
    }
}
