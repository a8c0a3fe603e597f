//! The clock: a Raspberry Pi has none that runs without power, and a mesh has no time servers.

use std::time::{Duration, UNIX_EPOCH};

use stream_model::WallTime;
use streamer::broadcast::EARLIEST;

use super::finding::Finding;
use super::machine::Machine;

const CHECK: &str = "clock";

const SET: &str = "set it: 'sudo date --set \"2026-12-31 18:00\"' with the time of a phone, or take it from the mesh or from a GPS with chrony; a \
     clock module (DS3231) keeps it while there is no power";

struct Facts {
    now: WallTime,
    /// Whether a time server has set it, where the system tells.
    synchronised: Option<bool>,
    /// A clock that runs without power.
    hardware: bool,
}

pub(super) async fn check(machine: &Machine) -> Finding {
    let told = machine.says("timedatectl", &["show", "--property=NTPSynchronized", "--value"]).await;
    let synchronised = told.map(|told| told.trim() == "yes");
    judge(&Facts { now: WallTime::now(), synchronised, hardware: machine.has("/dev/rtc0") })
}

fn judge(facts: &Facts) -> Finding {
    let now = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(facts.now.0));
    if facts.now < EARLIEST {
        let found = format!("it is {now} here, before this program was made: broadcasts get no dates");
        return Finding::failure(CHECK, found, SET);
    }
    match (facts.synchronised, facts.hardware) {
        (Some(true), _) => Finding::ok(CHECK, format!("{now}, set by a time server")),
        (_, true) => Finding::ok(CHECK, format!("{now}, kept by a clock in the machine; compare it with a phone")),
        _ => Finding::warning(CHECK, format!("{now}, by a clock that stands still without power"), SET),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn a_clock_before_the_program_is_wrong_and_one_that_nobody_sets_is_told_of() {
        let judged = |now, synchronised, hardware| judge(&Facts { now, synchronised, hardware });
        let wrong = judged(WallTime(0), Some(true), true);
        assert_eq!(wrong.state, State::Failure);
        assert!(wrong.found.contains("1970-01-01") && wrong.mend.unwrap().contains("date --set"));
        assert_eq!(judged(EARLIEST, Some(true), false).state, State::Ok);
        assert_eq!(judged(EARLIEST, Some(false), true).state, State::Ok);
        assert_eq!(judged(EARLIEST, Some(false), false).state, State::Warning);
        assert_eq!(judged(EARLIEST, None, false).state, State::Warning);
    }
}
