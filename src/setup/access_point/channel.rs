//! Channels of 2.4 and 5 GHz: their frequencies, and what they are joined to where a network is wider. Pure.

use serde::Deserialize;

/// A band.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Band {
    #[serde(rename = "2.4GHz")]
    Two,
    #[serde(rename = "5GHz")]
    Five,
}

/// How wide a network is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Width {
    #[default]
    Mhz20,
    Mhz40,
    Mhz80,
}

/// A channel that there is, and how wide it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Channel {
    pub(crate) number: u16,
    pub(crate) width: Width,
}

/// On which side a channel of 20 MHz has its second half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Above,
    Below,
}

impl Channel {
    /// # Errors
    /// What is wrong with it, for people.
    pub(crate) fn new(band: Option<Band>, number: u16, width: u16) -> Result<Self, String> {
        let actual = match number {
            1..=13 => Band::Two,
            36..=64 | 100..=144 if number.is_multiple_of(4) => Band::Five,
            149..=165 if number % 4 == 1 => Band::Five,
            _ => {
                return Err(format!(
                    "there is no channel {number}: 1 to 13, 36 to 64, 100 to 144 and 149 to 165 in steps of 4"
                ));
            }
        };
        if band.is_some_and(|band| band != actual) {
            return Err(format!("channel {number} is not in the band: 1 to 13 are 2.4GHz, 36 and above 5GHz"));
        }
        let width = match width {
            20 => Width::Mhz20,
            40 | 80 if actual == Band::Two => {
                return Err("on 2.4GHz a network is 20 MHz wide: there is no room for more beside others".to_owned());
            }
            40 | 80 if number == 165 => return Err("channel 165 is 20 MHz wide".to_owned()),
            40 => Width::Mhz40,
            80 => Width::Mhz80,
            _ => return Err(format!("there is no width of {width} MHz here: 20, 40 or 80")),
        };
        Ok(Self { number, width })
    }

    pub(crate) fn band(self) -> Band {
        if self.number <= 14 { Band::Two } else { Band::Five }
    }

    /// In MHz, of the channel's own 20.
    pub(crate) fn frequency(self) -> u16 {
        match self.band() {
            Band::Two => 2407 + 5 * self.number,
            Band::Five => 5000 + 5 * self.number,
        }
    }

    /// The other 20 of 40 MHz (IEEE 802.11, annex E).
    pub(crate) fn side(self) -> Side {
        let place = if self.number >= 149 { (self.number - 149) / 4 } else { (self.number - 36) / 4 };
        if place.is_multiple_of(2) { Side::Above } else { Side::Below }
    }

    /// The channel number in the middle of the 80 MHz.
    pub(crate) fn middle(self) -> u16 {
        let first = if self.number >= 149 {
            149
        } else if self.number >= 100 {
            100
        } else {
            36
        };
        first + (self.number - first) / 16 * 16 + 6
    }

    /// Whether radars have it in most countries: who uses it has to listen for them, and to go when one is heard. Of a wider
    /// network all parts count.
    pub(crate) fn is_shared_with_radars(self) -> bool {
        (52..=144).contains(&self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(number: u16, width: u16) -> Channel {
        Channel::new(None, number, width).unwrap()
    }

    #[test]
    fn channels_have_the_frequencies_of_the_standard() {
        for (number, frequency) in [(1, 2412), (6, 2437), (13, 2472), (36, 5180), (64, 5320), (149, 5745), (165, 5825)]
        {
            assert_eq!(channel(number, 20).frequency(), frequency);
        }
    }

    #[test]
    fn wider_ones_are_joined_to_the_channels_of_the_standard() {
        for (number, side, middle) in [
            (36, Side::Above, 42),
            (40, Side::Below, 42),
            (48, Side::Below, 42),
            (52, Side::Above, 58),
            (100, Side::Above, 106),
            (112, Side::Below, 106),
            (116, Side::Above, 122),
            (149, Side::Above, 155),
            (161, Side::Below, 155),
        ] {
            let wide = channel(number, 80);
            assert_eq!((wide.side(), wide.middle()), (side, middle), "{number}");
        }
    }

    #[test]
    fn what_there_is_not_is_refused() {
        for (band, number, width, said) in [
            (None, 0, 20, "no channel 0"),
            (None, 14, 20, "no channel 14"),
            (None, 37, 20, "no channel 37"),
            (None, 68, 20, "no channel 68"),
            (Some(Band::Two), 36, 20, "not in the band"),
            (Some(Band::Five), 6, 20, "not in the band"),
            (None, 6, 40, "20 MHz wide"),
            (None, 165, 40, "20 MHz wide"),
            (None, 36, 160, "no width of 160"),
        ] {
            let error = Channel::new(band, number, width).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        assert!(channel(100, 20).is_shared_with_radars() && !channel(36, 80).is_shared_with_radars());
    }
}
