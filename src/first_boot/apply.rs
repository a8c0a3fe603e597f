//! Makes a machine what its owner wished, with the commands that a person would type.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, bail};
use stream_model::Wishes;

use super::Place;
use super::wishes::{Community, access_point, read};
use crate::data_dir::{admin_token_file, give_to_owner};
use crate::durable::{self, Access};
use crate::setup::access_point::FILE;

/// The account on the machine whose password the owner chooses. Images have it.
const ACCOUNT: &str = "mesh";

/// What is done on the machine: its own programs, and the file of its access point.
pub(crate) trait Tools {
    /// Runs this program or another, with a text on its standard input.
    ///
    /// # Errors
    /// Where it cannot be run or fails; with what it said.
    fn run(&self, program: Program, arguments: &[&str], input: &str) -> anyhow::Result<()>;

    /// Writes a file for root alone.
    ///
    /// # Errors
    /// Where the disk fails.
    fn write_secret(&self, path: &Path, text: &str) -> anyhow::Result<()>;

    /// Whether there is a radio to make an access point with.
    fn has_radio(&self) -> bool;
}

/// What can be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Meshstream,
    Chpasswd,
    Systemctl,
}

/// The machine on which this program runs.
#[derive(Debug)]
pub(crate) struct RealMachine;

impl Tools for RealMachine {
    fn run(&self, program: Program, arguments: &[&str], input: &str) -> anyhow::Result<()> {
        let mut command = match program {
            Program::Meshstream => Command::new(std::env::current_exe().context("cannot find this program")?),
            Program::Chpasswd => Command::new("chpasswd"),
            Program::Systemctl => Command::new("systemctl"),
        };
        let mut child = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {program:?}"))?;
        // Who does not read it may have ended: its status says why. Dropped, the input ends.
        let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes()));
        let Output { status, stderr, .. } = child.wait_with_output()?;
        if !status.success() {
            bail!("{}", String::from_utf8_lossy(&stderr).trim());
        }
        Ok(())
    }

    fn write_secret(&self, path: &Path, text: &str) -> anyhow::Result<()> {
        Ok(durable::install(path, text.as_bytes(), Access { mode: 0o600, owner: Some((0, 0)) })?)
    }

    fn has_radio(&self) -> bool {
        Path::new("/sys/class/net/wlan0").exists()
    }
}

/// What is to be done, and where.
#[derive(Debug)]
pub(crate) struct Apply<'a, T> {
    pub(crate) data_dir: &'a Path,
    pub(crate) tools: &'a T,
}

impl<T: Tools> Apply<'_, T> {
    /// Reads the wishes and brings them about. Where something fails, the owner is told at the page and may wish again; what was
    /// done until then stays and is done again.
    ///
    /// # Errors
    /// What failed.
    pub(crate) fn run(&self, file: &Path) -> anyhow::Result<()> {
        let place = Place::of(self.data_dir);
        if !place.is_there() {
            bail!(
                "this machine has an owner: 'meshstream settings', 'setup' and 'community' change what was set at its first boot"
            );
        }
        if let Err(error) = read(file).and_then(|wishes| self.bring_about(&wishes)) {
            place.fail(&format!("{error:#}"))?;
            give_to_owner(self.data_dir)?;
            return Err(error);
        }
        place.close()?;
        // The node goes on as another one, and lets its owner in by the network.
        self.tools.run(Program::Systemctl, &["restart", "--no-block", "meshstream.service"], "")?;
        self.tools.run(Program::Systemctl, &["start", "--no-block", "ssh.service"], "")
    }

    fn bring_about(&self, wishes: &Wishes) -> anyhow::Result<()> {
        let data_dir = self.data_dir.to_str().context("the data directory's name is not UTF-8")?;
        let meshstream = |arguments: &[&str], input: &str| {
            let arguments = [&["--data-dir", data_dir], arguments].concat();
            self.tools.run(Program::Meshstream, &arguments, input)
        };
        let password = &wishes.password;
        self.tools
            .run(Program::Chpasswd, &[], &format!("{ACCOUNT}:{password}\n"))
            .with_context(|| format!("cannot set the password of the account '{ACCOUNT}'"))?;
        durable::replace(&admin_token_file(self.data_dir), format!("{password}\n").as_bytes())
            .context("cannot write the owner's password for the node's pages")?;
        give_to_owner(self.data_dir)?;
        meshstream(&["settings", "set", "--", "node.name", wishes.name.trim()], "").context("cannot name the node")?;
        match Community::of(wishes) {
            // It is in none before its first boot.
            Community::Open => meshstream(&["community", "leave"], ""),
            Community::New => meshstream(&["community", "new", "--replace"], ""),
            Community::Invite(invite) => meshstream(&["community", "join", "-", "--replace"], &invite),
        }
        .context("cannot enter the community")?;
        // Last: who filled in the page loses the network by it.
        self.tools
            .write_secret(Path::new(FILE), &access_point(wishes)?)
            .with_context(|| format!("cannot write {FILE}"))?;
        if self.tools.has_radio() {
            meshstream(&["setup", "access-point"], "").context("cannot set up the access point")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::fs;

    use node_router::community::Secret;

    use super::*;
    use crate::first_boot::wishes::tests::hall;

    /// Writes down what it is asked for.
    #[derive(Debug, Default)]
    struct Paper {
        lines: RefCell<Vec<String>>,
        radio: bool,
        /// The word on which a program fails.
        fails_on: Option<&'static str>,
    }

    impl Tools for Paper {
        fn run(&self, program: Program, arguments: &[&str], input: &str) -> anyhow::Result<()> {
            let line = format!("{program:?} {} <{}", arguments.join(" "), input.trim());
            if self.fails_on.is_some_and(|word| line.contains(word)) {
                bail!("it does not want to");
            }
            self.lines.borrow_mut().push(line);
            Ok(())
        }

        fn write_secret(&self, path: &Path, text: &str) -> anyhow::Result<()> {
            self.lines.borrow_mut().push(format!("{}: {}", path.display(), text.replace('\n', ", ")));
            Ok(())
        }

        fn has_radio(&self) -> bool {
            self.radio
        }
    }

    /// A data directory, with the file of somebody's wishes.
    fn filled_in(wishes: &Wishes) -> (tempfile::TempDir, Place) {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::of(dir.path());
        fs::create_dir(dir.path().join("first-boot")).unwrap();
        fs::write(place.wishes(), toml::to_string(wishes).unwrap()).unwrap();
        (dir, place)
    }

    fn apply(dir: &tempfile::TempDir, place: &Place, tools: &Paper) -> anyhow::Result<()> {
        Apply { data_dir: dir.path(), tools }.run(&place.wishes())
    }

    #[test]
    fn the_machine_becomes_what_was_wished_and_the_network_changes_last() {
        let invite = Secret([7; 32]).invite();
        let (dir, place) = filled_in(&Wishes { community: invite.clone(), ..hall() });
        let paper = Paper { radio: true, ..Paper::default() };
        apply(&dir, &place, &paper).unwrap();
        let data_dir = dir.path().display();
        let expected = [
            "Chpasswd  <mesh:four-words-of-mine".to_owned(),
            format!("Meshstream --data-dir {data_dir} settings set -- node.name Hall ž <"),
            format!("Meshstream --data-dir {data_dir} community join - --replace <{invite}"),
            "/etc/meshstream/access-point.toml: country = \"CA\", mesh = \"tomesh\", passphrase = 'correct \"horse\"', ".to_owned(),
            format!("Meshstream --data-dir {data_dir} setup access-point <"),
            "Systemctl restart --no-block meshstream.service <".to_owned(),
            "Systemctl start --no-block ssh.service <".to_owned(),
        ];
        assert_eq!(*paper.lines.borrow(), expected);
        assert_eq!(fs::read_to_string(dir.path().join("admin-token")).unwrap(), "four-words-of-mine\n");
        assert!(!place.is_there(), "it has an owner now, and nobody else becomes one");
        assert!(apply(&dir, &place, &paper).unwrap_err().to_string().contains("has an owner"));
    }

    #[test]
    fn a_machine_without_a_radio_has_no_access_point() {
        let (dir, place) = filled_in(&hall());
        let paper = Paper::default();
        apply(&dir, &place, &paper).unwrap();
        let lines = paper.lines.borrow();
        assert!(lines.iter().any(|line| line.contains("community leave")), "{lines:?}");
        assert!(!lines.iter().any(|line| line.contains("setup access-point")), "{lines:?}");
    }

    #[test]
    fn what_fails_is_told_and_the_owner_may_wish_again() {
        let (dir, place) = filled_in(&hall());
        let paper = Paper { radio: true, fails_on: Some("access-point <"), ..Paper::default() };
        let error = format!("{:#}", apply(&dir, &place, &paper).unwrap_err());
        assert_eq!(error, "cannot set up the access point: it does not want to");
        assert_eq!(fs::read_to_string(dir.path().join("first-boot/problem.txt")).unwrap(), error);
        assert!(place.is_there() && !place.wishes().exists());
        assert!(!paper.lines.borrow().iter().any(|line| line.starts_with("Systemctl")));
    }
}
