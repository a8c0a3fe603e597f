//! The disk that the data directory is on: room, inodes, and whether it takes what is written.

use std::path::Path;

use bytesize::ByteSize;
use rustix::fs::{StatVfsMountFlags, statvfs};

use super::finding::Finding;
use super::machine::Machine;
use crate::config::Config;

const CHECK: &str = "disk";

/// File systems that lose what the node relies on: owners, modes, or what was synced.
const UNSUITABLE: [&str; 5] = ["vfat", "exfat", "msdos", "ntfs3", "fuseblk"];

/// File systems that are gone with the power.
const FLEETING: [&str; 3] = ["tmpfs", "ramfs", "overlay"];

/// As many files as a day of one broadcast makes: parts of about a second.
const FEW_FILES: u64 = 86_400;

#[derive(Debug, Clone)]
struct Facts {
    directory: String,
    kind: String,
    read_only: bool,
    free: u64,
    total: u64,
    /// `None` where the file system makes inodes as it needs them.
    free_files: Option<u64>,
    reserve: u64,
}

pub(super) fn check(config: &Config, machine: &Machine) -> Vec<Finding> {
    let directory = existing(&config.node.data_dir);
    let shown = directory.display().to_string();
    let disk = match statvfs(directory) {
        Ok(disk) => disk,
        Err(error) => {
            let found = format!("{shown} cannot be looked at: {error}");
            return vec![Finding::failure(CHECK, found, "see whether it is mounted, and who owns it")];
        }
    };
    let mounts = machine.text("/proc/self/mountinfo").unwrap_or_default();
    judge(&Facts {
        kind: mount_of(&mounts, directory).map(|mount| mount.kind).unwrap_or_default(),
        directory: shown,
        read_only: disk.f_flag.contains(StatVfsMountFlags::RDONLY),
        free: disk.f_bavail.saturating_mul(disk.f_frsize),
        total: disk.f_blocks.saturating_mul(disk.f_frsize),
        free_files: (disk.f_files > 0).then_some(disk.f_favail),
        reserve: config.storage.reserve.as_u64(),
    })
}

/// The directory itself or, before the first start, the one that it will be in.
pub(super) fn existing(directory: &Path) -> &Path {
    directory.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"))
}

fn judge(facts: &Facts) -> Vec<Finding> {
    let Facts { directory, kind, free, total, reserve, .. } = facts;
    let room = format!("{} of {} are free for {directory}", ByteSize::b(*free), ByteSize::b(*total));
    let mut findings = Vec::new();
    if facts.read_only {
        findings.push(Finding::failure(
            CHECK,
            format!("{directory} cannot be written: it is mounted read-only"),
            "see 'dmesg' for errors of the disk; a card that has become read-only by itself is worn out: copy what is on it, and take another",
        ));
    }
    if UNSUITABLE.contains(&kind.as_str()) {
        findings.push(Finding::failure(
            CHECK,
            format!("{directory} is on {kind}, which knows no owners and loses files when the power fails"),
            "format the disk with ext4, and mount it at the data directory",
        ));
    }
    if FLEETING.contains(&kind.as_str()) {
        findings.push(Finding::warning(
            CHECK,
            format!("{directory} is on {kind}: what is stored, and who this node is, is gone after a restart"),
            "name a directory on a disk with node.data_dir, or mount one there",
        ));
    }
    if free < reserve {
        let what =
            format!("{room}, less than storage.reserve of {}: nothing is published or fetched", ByteSize::b(*reserve));
        findings.push(Finding::failure(CHECK, what, "free some space, or lower storage.reserve"));
    } else if *free < reserve.saturating_mul(2) {
        let what = format!("{room}, not much more than storage.reserve of {}", ByteSize::b(*reserve));
        findings.push(Finding::warning(CHECK, what, "free some space, or lower storage.quota"));
    } else {
        findings.push(Finding::ok(CHECK, room));
    }
    if let Some(files) = facts.free_files.filter(|files| *files < FEW_FILES) {
        findings.push(Finding::warning(
            CHECK,
            format!("only {files} more files fit on it, and a day of video takes {FEW_FILES}"),
            "lower storage.max_files, or make the file system anew with more inodes ('mkfs.ext4 -T news')",
        ));
    }
    findings
}

/// What is mounted where a path is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) kind: String,
    /// Major and minor number of the device, such as `179:2`.
    pub(super) device: String,
}

/// The mount that a path is below, of `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
pub(super) fn mount_of(mounts: &str, path: &Path) -> Option<Mount> {
    let parse = |line: &str| {
        let (before, after) = line.split_once(" - ")?;
        let mut fields = before.split(' ').skip(2);
        let (device, _, point) = (fields.next()?, fields.next()?, fields.next()?);
        let kind = after.split(' ').next()?;
        // Spaces in a path are written in octal.
        let point = point.replace("\\040", " ");
        path.starts_with(&point).then(|| (point.len(), Mount { kind: kind.to_owned(), device: device.to_owned() }))
    };
    // Of two at one place the later one counts.
    mounts.lines().filter_map(parse).max_by_key(|(length, _)| *length).map(|(_, mount)| mount)
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    const GIB: u64 = 1 << 30;

    fn card() -> Facts {
        Facts {
            directory: "/var/lib/meshstream".to_owned(),
            kind: "ext4".to_owned(),
            read_only: false,
            free: 20 * GIB,
            total: 29 * GIB,
            free_files: Some(1_800_000),
            reserve: GIB,
        }
    }

    fn worst(facts: Facts) -> State {
        judge(&facts).iter().map(|finding| finding.state).max().unwrap()
    }

    #[test]
    fn room_is_judged_by_the_reserve() {
        assert_eq!(worst(card()), State::Ok);
        assert_eq!(worst(Facts { free: GIB + 1, ..card() }), State::Warning);
        assert_eq!(worst(Facts { free: GIB - 1, ..card() }), State::Failure);
        assert_eq!(worst(Facts { free_files: Some(1_000), ..card() }), State::Warning);
        assert_eq!(worst(Facts { free_files: None, ..card() }), State::Ok);
    }

    #[test]
    fn a_disk_that_takes_nothing_or_loses_it_is_told_of() {
        assert_eq!(worst(Facts { read_only: true, ..card() }), State::Failure);
        assert_eq!(worst(Facts { kind: "vfat".to_owned(), ..card() }), State::Failure);
        assert_eq!(worst(Facts { kind: "overlay".to_owned(), ..card() }), State::Warning);
    }

    #[test]
    fn the_mount_of_a_path_is_the_nearest_one() {
        let mounts = "22 1 179:2 / / rw,noatime shared:1 - ext4 /dev/mmcblk0p2 rw\n\
                      40 22 8:1 / /var/lib rw - btrfs /dev/sda1 rw\n\
                      41 22 8:2 / /media/my\\040disk rw - vfat /dev/sdb1 rw\nnonsense";
        let kind = |path: &str| mount_of(mounts, Path::new(path)).unwrap().kind;
        assert_eq!(kind("/var/lib/meshstream"), "btrfs");
        assert_eq!(kind("/var/library"), "ext4");
        assert_eq!(kind("/media/my disk/x"), "vfat");
        assert_eq!(mount_of(mounts, Path::new("/home")).unwrap().device, "179:2");
        assert_eq!(mount_of("", Path::new("/")), None);
    }
}
