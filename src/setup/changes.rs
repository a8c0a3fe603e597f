//! What is to be changed so that a machine has what a plan wants, and what stands in the way: files that a person made or
//! changed. Undoing is the same with an empty plan. Pure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::plan::{Content, Edit, Item, Origin};
use super::record::{Entry, Former, Writing};
use super::tree::State;
use crate::durable::Access;

/// One path, as it is and as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) path: PathBuf,
    pub(crate) from: State,
    pub(crate) to: State,
}

/// All that is to be done, and what is recorded of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) changes: Vec<Change>,
    /// All that is wanted, whether it is there already or not.
    pub(crate) wanted: Vec<Change>,
    /// The record before the first file is written: it holds whichever of them are.
    pub(crate) during: BTreeMap<PathBuf, Entry>,
    /// The record once all are.
    pub(crate) after: BTreeMap<PathBuf, Entry>,
    /// Files that a person changed and that stay as they are.
    pub(crate) left: Vec<PathBuf>,
}

/// A file that is not touched, since a person's work is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// It was there before.
    Foreign(PathBuf),
    /// It was changed after it was written.
    Changed(PathBuf),
}

/// What is done with files that a person made or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Force {
    /// Nothing at all is done where there is one.
    None,
    /// What is wanted takes their place, and undo brings them back; where nothing is wanted any more, they stay.
    Replace,
}

/// Compares a plan and a record with what there is.
///
/// # Errors
/// All the files that stand in the way.
pub(crate) fn changes(
    items: &[Item],
    entries: &BTreeMap<PathBuf, Entry>,
    states: &BTreeMap<PathBuf, State>,
    force: Force,
) -> Result<Step, Vec<Conflict>> {
    let mut step = Step::default();
    let mut conflicts = Vec::new();
    let state = |path: &Path| states.get(path).cloned().unwrap_or(State::Absent);
    for item in items {
        let (path, current) = (item.path.clone(), state(&item.path));
        let wanted = match want(item, &current, entries.get(&path), force) {
            Ok(wanted) => wanted,
            Err(conflict) => {
                conflicts.push(conflict);
                continue;
            }
        };
        if let Some((during, after)) = wanted.entries {
            step.during.insert(path.clone(), during);
            step.after.insert(path.clone(), after);
        }
        let change = Change { path, from: current, to: wanted.state };
        if change.to.digest() != change.from.digest() {
            step.changes.push(change.clone());
        }
        step.wanted.push(change);
    }
    // What was written once and is wanted no more.
    for (path, entry) in entries.iter().filter(|(path, _)| !items.iter().any(|item| item.path == **path)) {
        let current = state(path);
        match former(entry, &current) {
            Some(to) => {
                step.during.insert(path.clone(), entry.clone());
                if to.digest() != current.digest() {
                    step.changes.push(Change { path: path.clone(), from: current, to });
                }
            }
            None if force == Force::Replace => step.left.push(path.clone()),
            None => conflicts.push(Conflict::Changed(path.clone())),
        }
    }
    if conflicts.is_empty() { Ok(step) } else { Err(conflicts) }
}

/// What is to be at a path, and the entries of the record while it is written and once it is.
struct Wanted {
    state: State,
    entries: Option<(Entry, Entry)>,
}

fn want(item: &Item, current: &State, entry: Option<&Entry>, force: Force) -> Result<Wanted, Conflict> {
    let access = |mode| Access { mode, owner: None };
    let file = |text: &str, access| State::File { bytes: text.as_bytes().to_vec(), access };
    match &item.content {
        Content::Own { text, mode } => whole(item, file(text, access(*mode)), current, entry, force),
        Content::Setting { text } => {
            let force = if entry.is_none() { Force::Replace } else { force };
            let kept = match current {
                State::File { access, .. } => *access,
                State::Absent | State::Link(_) => access(0o644),
            };
            whole(item, file(text, kept), current, entry, force)
        }
        Content::Link { target } => whole(item, State::Link(target.clone()), current, entry, force),
        Content::Edited { text, edits, origin } => Ok(edited(text, edits, *origin, current, entry)),
    }
}

fn whole(item: &Item, state: State, current: &State, entry: Option<&Entry>, force: Force) -> Result<Wanted, Conflict> {
    let digest = state.digest();
    let wanted = |before: Former, written: Vec<String>, state: State| {
        let during = Entry::Whole { written: [written, vec![state.digest()]].concat(), before: before.clone() };
        let after = Entry::Whole { written: vec![state.digest()], before };
        Ok(Wanted { state, entries: Some((during, after)) })
    };
    match entry {
        Some(Entry::Whole { written, before }) => {
            let ours = written.contains(&current.digest());
            let untouched = before.state().is_ok_and(|before| before.digest() == current.digest());
            if ours || untouched || *current == State::Absent {
                wanted(before.clone(), written.clone(), state)
            } else if current.digest() == digest || force == Force::Replace {
                wanted(Former::from(current), Vec::new(), state)
            } else {
                Err(Conflict::Changed(item.path.clone()))
            }
        }
        // Somebody has made the same already: it is theirs.
        _ if current.digest() == digest => Ok(Wanted { state, entries: None }),
        _ if *current == State::Absent || force == Force::Replace => wanted(Former::from(current), Vec::new(), state),
        _ => Err(Conflict::Foreign(item.path.clone())),
    }
}

/// The planner has worked on the text without former edits, so nothing of a person's can be lost.
fn edited(text: &str, edits: &[Edit], origin: Origin, current: &State, entry: Option<&Entry>) -> Wanted {
    let access = match current {
        State::File { access, .. } => *access,
        State::Absent | State::Link(_) => Access { mode: 0o640, owner: None },
    };
    let state = State::File { bytes: text.as_bytes().to_vec(), access };
    let (before, made) = match entry {
        Some(Entry::Edited { edits, made, .. }) => (edits.clone(), made.clone()),
        _ => (Vec::new(), None),
    };
    let base = Edit::take_out(edits, text).unwrap_or_default();
    let made = match origin {
        Origin::Made => Some(State::File { bytes: base.into_bytes(), access }.digest()),
        Origin::There => made,
    };
    if edits.is_empty() && made.is_none() {
        return Wanted { state, entries: None };
    }
    let writing = Some(Writing { digest: current.digest(), edits: before });
    let during = Entry::Edited { edits: edits.to_vec(), made: made.clone(), writing };
    let after = Entry::Edited { edits: edits.to_vec(), made, writing: None };
    Wanted { state, entries: Some((during, after)) }
}

/// What was at a path before; `None` where a person has changed what was written.
fn former(entry: &Entry, current: &State) -> Option<State> {
    match entry {
        Entry::Whole { written, before } => {
            let before = before.state().ok()?;
            let digest = current.digest();
            (written.contains(&digest) || digest == before.digest() || *current == State::Absent).then_some(before)
        }
        Entry::Edited { made, .. } => {
            let State::File { access, .. } = current else {
                return (*current == State::Absent).then_some(State::Absent);
            };
            let bytes = base(Some(entry), current)?.into_bytes();
            let state = State::File { bytes, access: *access };
            Some(if made.as_ref() == Some(&state.digest()) { State::Absent } else { state })
        }
    }
}

/// The text of a file without what was added to it; `None` where that was changed, or where it is no text.
pub(crate) fn base(entry: Option<&Entry>, current: &State) -> Option<String> {
    let text = current.text()?;
    match entry {
        Some(Entry::Edited { writing: Some(writing), .. }) if writing.digest == current.digest() => {
            Edit::take_out(&writing.edits, text)
        }
        Some(Entry::Edited { edits, .. }) => Edit::take_out(edits, text),
        _ => Some(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> State {
        State::File { bytes: text.as_bytes().to_vec(), access: Access { mode: 0o644, owner: None } }
    }

    fn item(content: Content) -> Item {
        Item { path: "/a".into(), content, checker: None }
    }

    fn own(text: &str) -> Item {
        item(Content::Own { text: text.to_owned(), mode: 0o644 })
    }

    /// A machine with one file.
    struct Machine {
        entries: BTreeMap<PathBuf, Entry>,
        state: State,
    }

    impl Machine {
        fn with(state: State) -> Self {
            Self { entries: BTreeMap::new(), state }
        }

        fn compare(&self, items: &[Item], force: Force) -> Result<Step, Vec<Conflict>> {
            changes(items, &self.entries, &BTreeMap::from([("/a".into(), self.state.clone())]), force)
        }

        /// Does what is to be done. Whether anything was.
        fn bring_about(&mut self, items: &[Item], force: Force) -> bool {
            let step = self.compare(items, force).unwrap();
            self.entries = step.after;
            let last = step.changes.into_iter().next_back();
            last.map(|change| self.state = change.to).is_some()
        }

        fn refuses(&self, items: &[Item]) -> Conflict {
            self.compare(items, Force::None).unwrap_err().remove(0)
        }
    }

    #[test]
    fn what_is_missing_is_made_once_and_undone() {
        let mut machine = Machine::with(State::Absent);
        assert!(machine.bring_about(&[own("one")], Force::None));
        assert!(!machine.bring_about(&[own("one")], Force::None));
        assert!(machine.bring_about(&[own("two")], Force::None));
        assert_eq!(machine.state, file("two"));
        assert!(machine.bring_about(&[], Force::None));
        assert_eq!((machine.state, machine.entries.len()), (State::Absent, 0));
    }

    #[test]
    fn what_a_person_made_or_changed_is_not_touched() {
        let mut machine = Machine::with(file("theirs"));
        assert_eq!(machine.refuses(&[own("one")]), Conflict::Foreign("/a".into()));
        machine.state = State::Absent;
        machine.bring_about(&[own("one")], Force::None);
        machine.state = file("changed");
        assert_eq!(machine.refuses(&[own("one")]), Conflict::Changed("/a".into()));
        assert_eq!(machine.refuses(&[]), Conflict::Changed("/a".into()));
    }

    #[test]
    fn forced_it_is_replaced_and_undo_brings_it_back_and_a_forced_undo_leaves_it() {
        let mut machine = Machine::with(file("theirs"));
        machine.bring_about(&[own("one")], Force::Replace);
        assert_eq!(machine.state, file("one"));
        machine.bring_about(&[], Force::None);
        assert_eq!(machine.state, file("theirs"));
        machine.bring_about(&[own("one")], Force::Replace);
        machine.state = file("changed");
        let step = machine.compare(&[], Force::Replace).unwrap();
        assert_eq!((step.changes.len(), step.left, step.after.len()), (0, vec!["/a".into()], 0));
    }

    #[test]
    fn the_same_file_of_somebody_else_stays_theirs() {
        let mut machine = Machine::with(file("one"));
        assert!(!machine.bring_about(&[own("one")], Force::None));
        assert!(!machine.bring_about(&[], Force::None));
        assert_eq!(machine.state, file("one"));
    }

    #[test]
    fn a_setting_of_the_system_is_replaced_and_comes_back() {
        let setting = || item(Content::Setting { text: "mesh-1\n".to_owned() });
        let mut machine = Machine::with(file("raspberrypi\n"));
        machine.bring_about(&[setting()], Force::None);
        assert_eq!(machine.state, file("mesh-1\n"));
        machine.state = file("mine\n");
        assert_eq!(machine.refuses(&[setting()]), Conflict::Changed("/a".into()));
        machine.state = file("mesh-1\n");
        machine.bring_about(&[], Force::None);
        assert_eq!(machine.state, file("raspberrypi\n"));
    }

    #[test]
    fn a_setup_that_was_cut_off_goes_on_and_is_undone_whichever_files_were_written() {
        for written in [false, true] {
            for goes_on in [false, true] {
                let mut machine = Machine::with(file("former"));
                machine.bring_about(&[own("one")], Force::Replace);
                let step = machine.compare(&[own("two")], Force::None).unwrap();
                machine.entries = step.during;
                if written {
                    machine.state = file("two");
                }
                let items = if goes_on { vec![own("two")] } else { Vec::new() };
                machine.bring_about(&items, Force::None);
                assert_eq!(machine.state, file(if goes_on { "two" } else { "former" }), "{written} {goes_on}");
            }
        }
    }

    #[test]
    fn what_is_added_to_a_file_is_taken_out_and_what_a_person_added_stays() {
        let added = |base: &str, ours: &str| {
            let edits = vec![Edit { ours: ours.to_owned(), before: String::new() }];
            item(Content::Edited { text: format!("{ours}{base}"), edits, origin: Origin::There })
        };
        let mut machine = Machine::with(file("theirs\n"));
        machine.bring_about(&[added("theirs\n", "ours\n")], Force::None);
        machine.state = file("ours\ntheirs\nmore\n");
        let text = base(machine.entries.get(Path::new("/a")), &machine.state).unwrap();
        assert_eq!(text, "theirs\nmore\n");
        machine.bring_about(&[added(&text, "other\n")], Force::None);
        assert_eq!(machine.state, file("other\ntheirs\nmore\n"));
        machine.bring_about(&[], Force::None);
        assert_eq!(machine.state, file("theirs\nmore\n"));
    }

    #[test]
    fn what_was_added_and_then_changed_by_a_person_is_a_conflict() {
        let edits = vec![Edit { ours: "ours\n".to_owned(), before: String::new() }];
        let added = item(Content::Edited { text: "ours\n".to_owned(), edits, origin: Origin::There });
        let mut machine = Machine::with(file(""));
        machine.bring_about(&[added], Force::None);
        machine.state = file("ours, too\n");
        assert_eq!(base(machine.entries.get(Path::new("/a")), &machine.state), None);
        assert_eq!(machine.refuses(&[]), Conflict::Changed("/a".into()));
    }

    #[test]
    fn a_file_made_for_what_is_added_goes_with_it_unless_a_person_used_it() {
        let edits = vec![Edit { ours: "ours\n".to_owned(), before: String::new() }];
        let made = item(Content::Edited { text: "ours\nkey\n".to_owned(), edits, origin: Origin::Made });
        for (state, left) in [("ours\nkey\n", State::Absent), ("ours\nkey\nmore\n", file("key\nmore\n"))] {
            let mut machine = Machine::with(State::Absent);
            machine.bring_about(std::slice::from_ref(&made), Force::None);
            machine.state = file(state);
            machine.bring_about(&[], Force::None);
            assert_eq!(machine.state, left);
        }
    }
}
