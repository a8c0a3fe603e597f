//! Brings about what a plan wants, shows what it would do, or undoes it: the one part of a setup that changes the machine.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command as Process;

use anyhow::{Context as _, bail};

use super::changes::{Change, Conflict, Force, Step, changes};
use super::plan::{Command, OnFailure, Plan};
use super::record::{Entry, Kept, Record};
use super::tree::{State, Tree, group_of_directory};
use super::{check, commands, diff};
use crate::durable;

/// Whether anything is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Show,
    Do,
}

/// Where a setup works, and how.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) tree: Tree,
    /// Programs are run on this machine only, not for an image.
    pub(crate) reach: Reach,
    pub(crate) mode: Mode,
    pub(crate) force: Force,
}

/// What a setup may touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// This machine, whose services are started anew.
    Machine,
    /// The files of an image.
    Files,
}

/// What was done, or would be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Unchanged,
    Changed,
}

impl Target {
    /// The record of a setup, which nobody else changes meanwhile.
    ///
    /// # Errors
    /// Where another setup runs, or the record's place cannot be written.
    pub(crate) fn record(&self, name: &str) -> anyhow::Result<Kept> {
        let mut kept = Kept::of(&self.tree, name);
        if self.mode == Mode::Do {
            kept.lock()?;
        }
        Ok(kept)
    }

    /// Brings about a plan, or shows what that takes.
    ///
    /// # Errors
    /// Where a person's file stands in the way or a program refuses its file, before anything is changed; where the disk or a
    /// service fails: the setup can then be run again, or undone.
    pub(crate) fn apply(&self, kept: &Kept, plan: &Plan, chosen: BTreeMap<String, String>) -> anyhow::Result<Outcome> {
        let record = kept.load()?;
        let step = self.compare(plan, &record)?;
        for line in check::check(&plan.items, &step.changes)? {
            say(&line)?;
        }
        let unfinished = record.unfinished && self.reach == Reach::Machine;
        if step.changes.is_empty() && !unfinished {
            if self.mode == Mode::Do && (record.entries != step.after || record.chosen != chosen) {
                kept.store(&Record { entries: step.after, chosen, unfinished: false, ..record })?;
            }
            return Ok(Outcome::Unchanged);
        }
        // A setup that was cut off may have left out any of them.
        let since = if unfinished { &step.wanted } else { &step.changes };
        let after = commands::after(since, &plan.services);
        self.carry_out(kept, Record { chosen, ..record }, &step, &after)?;
        Ok(Outcome::Changed)
    }

    /// Takes back all that a setup did, or shows what that takes. `services` read files that become what they were.
    ///
    /// # Errors
    /// As [`Target::apply`].
    pub(crate) fn undo(&self, kept: &Kept, services: &[String]) -> anyhow::Result<Outcome> {
        let record = kept.load()?;
        if record.entries.is_empty() && !record.unfinished {
            return Ok(Outcome::Unchanged);
        }
        let step = self.compare(&Plan::default(), &record)?;
        for path in &step.left {
            say(&format!("left as it is, since somebody changed it: {}", path.display()))?;
        }
        let mut after = commands::after(&step.changes, services);
        if step.changes.is_empty() {
            after.insert(0, Command::needed(&["systemctl", "daemon-reload"]));
        }
        self.carry_out(kept, Record { chosen: BTreeMap::new(), ..record }, &step, &after)?;
        Ok(Outcome::Changed)
    }

    fn compare(&self, plan: &Plan, record: &Record) -> anyhow::Result<Step> {
        let paths = plan.items.iter().map(|item| &item.path).chain(record.entries.keys());
        let states = paths
            .map(|path| Ok((path.clone(), self.tree.look(path)?)))
            .collect::<anyhow::Result<BTreeMap<PathBuf, State>>>()?;
        changes(&plan.items, &record.entries, &states, self.force).map_err(|conflicts| in_the_way(&conflicts))
    }

    fn carry_out(&self, kept: &Kept, record: Record, step: &Step, after: &[Command]) -> anyhow::Result<()> {
        let before = commands::before(&step.changes);
        let (before, after) = match self.reach {
            Reach::Machine => (before.as_slice(), after),
            Reach::Files => (&[][..], &[][..]),
        };
        if self.mode == Mode::Show {
            return show(step, before, after);
        }
        keep_keys(kept, &record, step)?;
        let unfinished = !after.is_empty();
        let mut during = Record { entries: step.during.clone(), unfinished, ..record };
        kept.store(&during)?;
        before.iter().try_for_each(run)?;
        for change in &step.changes {
            say(&told(change))?;
            let made = self.tree.put(&change.path, &self.owned(change)?)?;
            if !made.is_empty() {
                during.directories.extend(made);
                kept.store(&during)?;
            }
        }
        let mut directories = during.directories;
        if step.after.is_empty() {
            directories.drain(..).rev().for_each(|directory| self.tree.remove_directory(&directory));
        }
        let done = Record { entries: step.after.clone(), directories, unfinished, ..during };
        kept.store(&done)?;
        after.iter().try_for_each(run)?;
        kept.store(&Record { unfinished: false, ..done })
    }

    /// A daemon's new file belongs to the group that its directory has, by which it reads it.
    fn owned(&self, change: &Change) -> anyhow::Result<State> {
        let mut state = change.to.clone();
        if let (State::File { access, .. }, State::Absent) = (&mut state, &change.from)
            && access.mode == DAEMONS_MODE
        {
            let owner = group_of_directory(&self.tree, &change.path);
            access.owner =
                owner.with_context(|| format!("cannot look at the directory of {}", change.path.display()))?;
        }
        Ok(state)
    }
}

/// Of files that a daemon reads by its group, as Debian's Yggdrasil does.
const DAEMONS_MODE: u32 = 0o640;

/// A daemon's settings that were made here hold its keys, and so the machine's address in the mesh: they are put aside.
fn keep_keys(kept: &Kept, record: &Record, step: &Step) -> anyhow::Result<()> {
    for Change { path, from, .. } in step.changes.iter().filter(|change| change.to == State::Absent) {
        let Some(entry @ Entry::Edited { .. }) = record.entries.get(path) else { continue };
        let Some(base) = super::changes::base(Some(entry), from).filter(|base| !base.is_empty()) else { continue };
        let aside = kept.aside(&path.file_name().unwrap_or_default().to_string_lossy());
        durable::replace(&aside, base.as_bytes())
            .with_context(|| format!("cannot keep the keys of {}", path.display()))?;
        say(&format!("the keys of {} are kept in {} for the next setup", path.display(), aside.display()))?;
    }
    Ok(())
}

fn show(step: &Step, before: &[Command], after: &[Command]) -> anyhow::Result<()> {
    crate::output::print(|out| {
        for command in before {
            writeln!(out, "would run: {}", command.words.join(" "))?;
        }
        for change in &step.changes {
            write!(out, "{}", diff::render(change))?;
        }
        after.iter().try_for_each(|command| writeln!(out, "would run: {}", command.words.join(" ")))
    })
}

fn told(change: &Change) -> String {
    let verb = match (&change.from, &change.to) {
        (_, State::Absent) => "removed",
        (State::Absent, _) => "made",
        _ => "changed",
    };
    format!("{verb} {}", change.path.display())
}

fn run(command: &Command) -> anyhow::Result<()> {
    let words = command.words.join(" ");
    let (program, arguments) = command.words.split_first().context("a command has a program")?;
    match (Process::new(program).args(arguments).output(), command.on_failure) {
        (Ok(output), _) if output.status.success() => say(&format!("ran {words}")),
        (_, OnFailure::GoOn) => Ok(()),
        (Ok(output), OnFailure::Stop) => {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!(
                "'{words}' failed: {}. All files are written: mend it and run this again, or run it with --undo",
                said.trim_end().trim_end_matches('.')
            )
        }
        (Err(error), OnFailure::Stop) => Err(error).with_context(|| format!("cannot run '{words}'")),
    }
}

/// Says what stands in the way.
pub(crate) fn in_the_way(conflicts: &[Conflict]) -> anyhow::Error {
    let lines: Vec<String> = conflicts
        .iter()
        .map(|conflict| match conflict {
            Conflict::Foreign(path) => format!("  {} is there and was not made by 'meshstream setup'", path.display()),
            Conflict::Changed(path) => format!("  {} was changed since 'meshstream setup' wrote it", path.display()),
        })
        .collect();
    anyhow::anyhow!(
        "nothing was changed, since somebody's work would be lost:\n{}\nMove it away, or use --force: a setup then replaces it \
         and gives it back with --undo, and an undo leaves it as it is",
        lines.join("\n")
    )
}

/// A line of what is done, for the person at the terminal.
pub(crate) fn say(line: &str) -> anyhow::Result<()> {
    crate::output::print(|out: &mut dyn Write| -> io::Result<()> { writeln!(out, "{line}") })
}

/// The text of a file of somebody else's, without what was added to it.
///
/// # Errors
/// Where it cannot be read, is no text, or what was added was changed by a person.
pub(crate) fn base_text(target: &Target, record: &Record, path: &Path) -> anyhow::Result<Option<String>> {
    let state = target.tree.look(path)?;
    if state == State::Absent {
        return Ok(None);
    }
    let base = super::changes::base(record.entries.get(path), &state);
    match base {
        Some(text) => Ok(Some(text)),
        // What was added before stays then, as the person has it.
        None if target.force == Force::Replace && state.text().is_some() => Ok(state.text().map(str::to_owned)),
        None if state.text().is_none() => bail!("{} is not a file of text: move it away", path.display()),
        None => Err(in_the_way(&[Conflict::Changed(path.to_owned())])),
    }
}
