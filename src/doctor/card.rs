//! Signs of wear of the card or the disk that the data directory is on.
//!
//! eMMC tells how worn it is (JEDEC JESD84-B51 §7.4, `DEVICE_LIFE_TIME_EST` and `PRE_EOL_INFO`, which Linux has as `life_time` and
//! `pre_eol_info`); SD cards tell nothing, and show it by errors alone, which ext4 counts.

use super::disk::{existing, mount_of};
use super::finding::Finding;
use super::machine::{Machine, last};
use crate::config::Config;

const CHECK: &str = "card";

const COPY: &str = "copy what is on it while it can be read ('meshstream ssb export' for the identity, 'meshstream archive export' for broadcasts), and \
     take another card";

#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Facts {
    /// Such as `mmcblk0`.
    disk: String,
    /// `SD` or `MMC`, of cards.
    kind: Option<String>,
    /// Tenths of its life, of each of two kinds of cells: 1 is up to 10 %, 11 is beyond.
    life: Vec<u8>,
    /// 1 is normal; at 2 most of the reserve of blocks is used up, at 3 nearly all.
    end: Option<u8>,
    /// Of the file system.
    errors: Option<u64>,
}

pub(super) fn check(config: &Config, machine: &Machine) -> Option<Finding> {
    let mounts = machine.text("/proc/self/mountinfo")?;
    let device = mount_of(&mounts, existing(&config.node.data_dir))?.device;
    Some(judge(&facts(machine, &device)?))
}

/// `None` where the file system is on no disk of this machine.
fn facts(machine: &Machine, device: &str) -> Option<Facts> {
    let block = machine.link(format!("/sys/dev/block/{device}"))?;
    let partition = last(&block).to_owned();
    // A partition's directory is in that of its disk.
    let disk = if block.join("partition").exists() { last(block.parent()?).to_owned() } else { partition.clone() };
    let of_card = |name: &str| machine.text(format!("/sys/block/{disk}/device/{name}"));
    let hex = |text: &str| u8::from_str_radix(text.trim_start_matches("0x"), 16).ok();
    Some(Facts {
        kind: of_card("type"),
        life: of_card("life_time").iter().flat_map(|text| text.split_whitespace()).filter_map(hex).collect(),
        end: of_card("pre_eol_info").and_then(|text| hex(&text)),
        errors: machine.text(format!("/sys/fs/ext4/{partition}/errors_count")).and_then(|text| text.parse().ok()),
        disk,
    })
}

fn judge(facts: &Facts) -> Finding {
    let disk = &facts.disk;
    let worn = facts.life.iter().max().copied().unwrap_or(0);
    if let Some(errors) = facts.errors.filter(|errors| *errors > 0) {
        let found = format!("the file system on {disk} has met {errors} errors");
        return Finding::failure(
            CHECK,
            found,
            format!("{COPY}; 'sudo fsck' at the next start says whether it can go on"),
        );
    }
    if worn >= 11 || facts.end == Some(3) {
        return Finding::failure(CHECK, format!("{disk} is worn out: it has outlived what its maker says"), COPY);
    }
    if worn >= 9 || facts.end == Some(2) {
        return Finding::warning(CHECK, format!("{disk} has lived most of its life"), COPY);
    }
    match (worn, facts.kind.as_deref()) {
        (0, Some("SD")) => Finding::ok(CHECK, format!("no errors on {disk}; an SD card does not tell how worn it is")),
        (0, _) => Finding::ok(CHECK, format!("no errors on {disk}; 'smartctl --all' of smartmontools may tell more")),
        (tenths, _) => Finding::ok(CHECK, format!("no errors on {disk}; at most {}0 % of its life is over", tenths)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::State;
    use super::*;

    #[test]
    fn a_card_is_judged_by_what_it_tells_and_by_its_errors() {
        let sd = Facts { disk: "mmcblk0".into(), kind: Some("SD".into()), errors: Some(0), ..Facts::default() };
        let state = |facts: Facts| judge(&facts).state;
        assert_eq!(state(sd.clone()), State::Ok);
        assert_eq!(state(Facts { errors: Some(2), ..sd.clone() }), State::Failure);
        assert_eq!(state(Facts { life: vec![2, 9], ..sd.clone() }), State::Warning);
        assert_eq!(state(Facts { life: vec![2, 11], ..sd.clone() }), State::Failure);
        assert_eq!(state(Facts { end: Some(2), ..sd.clone() }), State::Warning);
        assert_eq!(state(Facts { end: Some(3), ..sd.clone() }), State::Failure);
        assert!(judge(&Facts { life: vec![3, 1], ..sd }).found.contains("at most 30 %"));
    }

    #[test]
    fn what_linux_tells_of_a_card_is_read_from_the_disk_of_the_partition() {
        let dir = tempfile::tempdir().unwrap();
        let machine = Machine::below(dir.path());
        machine.write("/sys/block/mmcblk0/mmcblk0p2/partition", "2\n");
        machine.write("/sys/block/mmcblk0/device/type", "MMC\n");
        machine.write("/sys/block/mmcblk0/device/life_time", "0x02 0x0b\n");
        machine.write("/sys/block/mmcblk0/device/pre_eol_info", "0x01\n");
        machine.write("/sys/fs/ext4/mmcblk0p2/errors_count", "7\n");
        fs::create_dir_all(machine.path("/sys/dev/block")).unwrap();
        std::os::unix::fs::symlink(machine.path("/sys/block/mmcblk0/mmcblk0p2"), machine.path("/sys/dev/block/179:2"))
            .unwrap();
        let expected = Facts {
            disk: "mmcblk0".to_owned(),
            kind: Some("MMC".to_owned()),
            life: vec![2, 11],
            end: Some(1),
            errors: Some(7),
        };
        assert_eq!(facts(&machine, "179:2"), Some(expected));
        assert_eq!(facts(&machine, "0:30"), None);
    }
}
