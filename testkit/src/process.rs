//! What the system does to processes and tells of them.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::process::Command;

/// Sends a signal, as kill(1) names it.
pub(crate) async fn signal(signal: &str, pid: &str) -> Result<()> {
    let status = Command::new("kill").args([signal, pid]).status().await?;
    ensure!(status.success(), "kill {signal} {pid} failed");
    Ok(())
}

/// Resident memory of a process, bytes (proc_pid_status(5)).
///
/// # Errors
/// Where there is no such process.
pub(crate) fn resident_bytes(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    let kib: u64 = line.split_whitespace().nth(1).context("no VmRSS")?.parse()?;
    Ok(kib * 1024)
}

/// Whose CPU time to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CpuOf {
    /// The process itself.
    Process,
    /// Its children that have ended and were waited for.
    WaitedChildren,
}

/// CPU time in user and kernel mode from `/proc/PID/stat` (proc_pid_stat(5)).
///
/// # Errors
/// Where there is no such process.
pub fn cpu_time(pid: &str, of: CpuOf) -> Result<Duration> {
    /// USER_HZ, which Linux fixes for what it shows in /proc.
    const TICKS_PER_SECOND: u64 = 100;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(") ").context("no command in stat")?;
    // `utime` is field 14; what follows the command starts with field 3.
    let first = if of == CpuOf::Process { 11 } else { 13 };
    let ticks: u64 = fields.split(' ').skip(first).take(2).map(|field| field.parse::<u64>().unwrap_or(0)).sum();
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

/// The id of a child of a process, named by a word of its command line.
pub(crate) fn child_of(parent: u32, word: &str) -> Result<String> {
    for task in std::fs::read_dir(format!("/proc/{parent}/task"))? {
        let children = std::fs::read_to_string(task?.path().join("children"))?;
        for child in children.split_whitespace() {
            let line = std::fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
            if line.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes()) {
                return Ok(child.to_owned());
            }
        }
    }
    bail!("process {parent} has no child that was started with '{word}'")
}
