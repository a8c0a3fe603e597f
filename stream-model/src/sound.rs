//! How the sound of a broadcast is, as the node measures it that it is published to.

use serde::{Deserialize, Serialize};

/// What lies below all that is measured, dBFS: digital silence.
pub const SILENCE_DBFS: f64 = -120.0;
/// A channel that never reaches this in a segment has no sound, dBFS.
const DEAD_DBFS: f64 = -60.0;
/// One that reaches this has, dBFS.
const ALIVE_DBFS: f64 = -40.0;
/// Below this people turn their phones up all the way and still hear little, LUFS; programmes have -23 (EBU R 128) to -16.
const QUIET_LUFS: f64 = -35.0;
/// Silence from which on something is wrong: speakers pause for less.
const LONG_SILENCE_MS: u64 = 10_000;

/// The sound of a live broadcast by its newest segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SoundLevel {
    /// Loudness of that segment, LUFS (EBU R 128, ITU-R BS.1770: gated); `None` where all of it is below -70.
    pub loudness_lufs: Option<f64>,
    /// Highest sample of each channel, dBFS: from [`SILENCE_DBFS`] on, above 0 where the encoder overshoots.
    pub peaks_dbfs: Vec<f64>,
    /// How long it has been silent up to the end of that segment, ms: 100 ms count where no channel reaches -60 dBFS RMS.
    pub silent_ms: u64,
    /// What is to be said of all this.
    pub state: SoundState,
}

/// What is to be said of the sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SoundState {
    /// It is as it should be.
    Good,
    /// There has been none for 10 s or more.
    Silent,
    /// One of two channels has none.
    OneSided,
    /// It reaches the highest sample there is, and is distorted.
    Clipped,
    /// Below -35 LUFS.
    Quiet,
}

impl SoundState {
    /// What is to be done about it; nothing where it is good.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Good => "",
            Self::Silent => "look at the microphone, its cable, and who muted it",
            Self::OneSided => "connect both, or have the encoder mix them into one",
            Self::Clipped => "turn it down where it is recorded",
            Self::Quiet => "turn it up to between -23 and -16 LUFS",
        }
    }
}

impl SoundLevel {
    /// With the worst that is to be said of it.
    pub fn new(loudness_lufs: Option<f64>, peaks_dbfs: Vec<f64>, silent_ms: u64) -> Self {
        let any = |reaches: &dyn Fn(f64) -> bool| peaks_dbfs.iter().any(|peak| reaches(*peak));
        let state = if silent_ms >= LONG_SILENCE_MS {
            SoundState::Silent
        } else if any(&|peak| peak >= 0.0) {
            SoundState::Clipped
        } else if any(&|peak| peak < DEAD_DBFS) && any(&|peak| peak >= ALIVE_DBFS) {
            SoundState::OneSided
        } else if loudness_lufs.is_none_or(|loudness| loudness < QUIET_LUFS) {
            SoundState::Quiet
        } else {
            SoundState::Good
        };
        Self { loudness_lufs, peaks_dbfs, silent_ms, state }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(loudness: f64, peaks: [f64; 2], silent_ms: u64) -> SoundState {
        SoundLevel::new(Some(loudness), peaks.into(), silent_ms).state
    }

    #[test]
    fn what_is_wrong_is_said_the_worst_first() {
        assert_eq!(state(-23.0, [-9.0, -8.0], 0), SoundState::Good);
        assert_eq!(state(-23.0, [-9.0, -8.0], 9_900), SoundState::Good, "a pause");
        assert_eq!(state(-23.0, [0.1, -8.0], 10_000), SoundState::Silent, "it is over with the noise");
        assert_eq!(state(-8.0, [-1.0, 0.0], 0), SoundState::Clipped);
        assert_eq!(state(-23.0, [SILENCE_DBFS, -8.0], 0), SoundState::OneSided);
        assert_eq!(state(-23.0, [-61.0, -50.0], 0), SoundState::Good, "noise on both");
        assert_eq!(state(-36.0, [-19.0, -18.0], 0), SoundState::Quiet);
        assert_eq!(SoundLevel::new(None, vec![-75.0], 5_000).state, SoundState::Quiet);
    }

    #[test]
    fn states_are_named_as_other_names_in_json() {
        assert_eq!(serde_json::to_value(SoundState::OneSided).unwrap(), "one-sided");
    }
}
