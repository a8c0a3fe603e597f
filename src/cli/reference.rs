//! What packages and documents carry of the program: manual pages, completions for shells, and the reference of the configuration.
//! They are made of the arguments and of the configuration's types, so that they are never behind.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Command, CommandFactory as _, ValueEnum};
use clap_complete::Shell;

use super::Arguments;
use super::show::print_json;
use crate::config::reference;
use crate::output::print;

/// When the pages last changed (`man-pages(7)`, "Title line"). The same program makes the same pages.
const CHANGED: &str = "2026-11-23";

/// Parts of the manual page that arguments do not tell; `man-pages(7)` has their names and order.
const MORE: &str = r#".SH "EXIT STATUS"
.TP
\fB0\fR
Done.
.TP
\fB1\fR
It failed; standard error says why, and what to do.
.TP
\fB2\fR
Arguments or configuration are wrong; standard error names what.
.SH ENVIRONMENT
.TP
\fBMESHSTREAM_\fISECTION\fB__\fIKEY\fR
Sets a key of the configuration, such as \fBMESHSTREAM_WEB__LISTEN=[::]:80\fR. Goes before files.
.TP
\fBRUST_LOG\fR
What is logged: \fBinfo\fR where it is not set, \fBdebug\fR for more.
.SH FILES
.TP
\fI/etc/meshstream/meshstream.toml\fR
The configuration, where \fB\-\-config\fR names no other.
.TP
\fI/var/lib/meshstream\fR
What the node keeps where it runs as a service of the system: its identity, feeds, stream keys and segments.
.SH EXAMPLES
.TP
Make a key, and publish with it:
.EX
meshstream key add main-hall
ffmpeg -re -i talk.mp4 -c copy -f flv \(aqrtmp://localhost:1935/live/main-hall?key=KEY\(aq
.EE
.TP
Look what is wrong with a node, and what to do:
.EX
meshstream doctor
.EE
.SH "SEE ALSO"
\fBmeshstream.toml\fR(5), \fBsystemctl\fR(1), \fBjournalctl\fR(1), \fBffmpeg\fR(1), \fBhostapd\fR(8), \fBdnsmasq\fR(8), \fByggdrasil\fR(1)
"#;

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell; where Debian looks for them: /usr/share/bash-completion/completions, /usr/share/zsh/vendor-completions,
    /// /usr/share/fish/vendor_completions.d
    shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Manual {
    /// The directory to write the pages to
    directory: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Reference {
    /// In which form
    #[arg(value_enum)]
    form: Form,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    /// A page of the documentation
    Markdown,
    /// JSON Schema, for editors
    Schema,
}

/// Prints what can be set in the configuration.
pub(crate) fn configuration(options: &Reference) -> anyhow::Result<()> {
    match options.form {
        Form::Markdown => print(|out| out.write_all(reference::markdown().as_bytes())),
        Form::Schema => print_json(&reference::schema()),
    }
}

/// Prints what a shell needs to complete commands and options.
pub(crate) fn completions(options: &Completions) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut command(), "meshstream", &mut script);
    print(|out| out.write_all(&script))
}

/// Writes a manual page for each command, and one for the configuration.
pub(crate) fn manual(options: &Manual) -> anyhow::Result<()> {
    let directory = &options.directory;
    std::fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
    let mut command = command();
    command.build();
    write_pages(&command, directory)?;
    let path = directory.join("meshstream.toml.5");
    std::fs::write(&path, reference::manual(CHANGED)).with_context(|| format!("cannot write {}", path.display()))
}

/// The page of a command, and those of its subcommands.
fn write_pages(command: &Command, directory: &Path) -> anyhow::Result<()> {
    let page = clap_mangen::Man::new(command.clone())
        .title(command.get_display_name().unwrap_or("meshstream"))
        .date(CHANGED)
        .source(concat!("Meshstream ", env!("CARGO_PKG_VERSION")))
        .manual("Meshstream");
    let path = directory.join(page.get_filename());
    let mut text = Vec::new();
    page.render(&mut text).context("cannot make a manual page")?;
    if command.get_display_name().is_none_or(|name| name == "meshstream") {
        text.write_all(MORE.as_bytes()).context("cannot make a manual page")?;
    }
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .try_for_each(|command| write_pages(command, directory))
}

fn command() -> Command {
    Arguments::command().disable_help_subcommand(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_that_is_shown_has_a_page() {
        let dir = tempfile::tempdir().unwrap();
        manual(&Manual { directory: dir.path().join("man1") }).unwrap();
        let page = |name: &str| std::fs::read_to_string(dir.path().join("man1").join(name));
        let main = page("meshstream.1").unwrap();
        assert!(main.contains("EXIT STATUS") && main.contains(r"meshstream\-key(1)"), "{main}");
        assert!(page("meshstream-key-add.1").unwrap().contains("meshstream key add"));
        assert!(page("meshstream-camera-worker.1").is_err());
        let configuration = page("meshstream.toml.5").unwrap();
        assert!(configuration.contains("[storage]") && configuration.contains(r"\fBmax_files\fR"), "{configuration}");
    }
}
