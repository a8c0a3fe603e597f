//! Power, heat and memory: what makes a small board slow, and then stop.

use bytesize::ByteSize;

use super::finding::Finding;
use super::machine::Machine;

/// From here on a Raspberry Pi slows its processor down, in thousandths (its documentation, "Frequency management and thermal control").
const HOT: i64 = 80_000;

/// A node takes about 100 MB at work, and what is published needs some besides.
const LITTLE_MEMORY: u64 = 64 << 20;

pub(super) fn check(machine: &Machine) -> Vec<Finding> {
    [voltage(machine), heat(machine), memory(machine)].into_iter().flatten().collect()
}

/// The alarm of a Raspberry Pi's firmware (Linux, `raspberrypi-hwmon`); other boards have none.
fn voltage(machine: &Machine) -> Option<Finding> {
    let names = machine.names("/sys/class/hwmon");
    let of = |name: &String, file: &str| machine.text(format!("/sys/class/hwmon/{name}/{file}"));
    let sensor = names.iter().find(|name| of(name, "name").as_deref() == Some("rpi_volt"))?;
    Some(match of(sensor, "in0_lcrit_alarm")?.as_str() {
        "0" => Finding::ok("power", "the voltage is high enough"),
        _ => Finding::failure(
            "power",
            "the voltage is too low: the board slows down, and cards lose data",
            "take a power supply and a cable for this board, or unplug what takes power from its USB ports",
        ),
    })
}

/// The hottest place.
fn heat(machine: &Machine) -> Option<Finding> {
    let zones = machine.names("/sys/class/thermal").into_iter().filter(|name| name.starts_with("thermal_zone"));
    let temperature = |zone: String| machine.text(format!("/sys/class/thermal/{zone}/temp"))?.parse::<i64>().ok();
    let hottest = zones.filter_map(temperature).max()?;
    let found = format!("{} °C", hottest / 1_000);
    Some(match hottest {
        HOT.. => Finding::warning("heat", found, "shade and air it; at some 80 °C a board slows down"),
        _ => Finding::ok("heat", found),
    })
}

fn memory(machine: &Machine) -> Option<Finding> {
    let text = machine.text("/proc/meminfo")?;
    let of = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
    };
    let (available, total) = (of("MemAvailable:")?, of("MemTotal:")?);
    let found = format!("{} of {} are available", ByteSize::b(available), ByteSize::b(total));
    Some(match available {
        ..LITTLE_MEMORY => Finding::warning(
            "memory",
            found,
            "stop what else runs here ('ps aux --sort -rss'), or encode on another machine",
        ),
        _ => Finding::ok("memory", found),
    })
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn a_pi_with_a_thin_cable_in_the_sun_is_told_so() {
        let dir = tempfile::tempdir().unwrap();
        let machine = Machine::below(dir.path());
        assert_eq!(check(&machine), []);
        machine.write("/sys/class/hwmon/hwmon0/name", "cpu_thermal\n");
        machine.write("/sys/class/hwmon/hwmon1/name", "rpi_volt\n");
        machine.write("/sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n");
        machine.write("/sys/class/thermal/thermal_zone0/temp", "81000\n");
        machine.write(
            "/proc/meminfo",
            "MemTotal:         438000 kB\nMemFree:           9000 kB\nMemAvailable:     30000 kB\n",
        );
        let findings = check(&machine);
        let states: Vec<_> = findings.iter().map(|finding| (finding.check, finding.state)).collect();
        assert_eq!(states, [("power", State::Failure), ("heat", State::Warning), ("memory", State::Warning)]);
        assert_eq!(findings[1].found, "81 °C");
        machine.write("/sys/class/hwmon/hwmon1/in0_lcrit_alarm", "0\n");
        machine.write("/sys/class/thermal/thermal_zone0/temp", "51000\n");
        machine.write("/proc/meminfo", "MemTotal: 438000 kB\nMemAvailable: 300000 kB\n");
        assert!(check(&machine).iter().all(|finding| finding.state == State::Ok));
    }
}
